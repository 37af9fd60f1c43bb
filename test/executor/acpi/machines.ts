/** Machines that tables are made of, and the tables taken apart again. */

import type { AcpiMachine } from '../../../executor/acpi/machine.js'

const MiB = 1024 ** 2

/** Nodes of as many CPUs as given, each with 128 MiB, all 21 apart. */
export function machineOf(cpus: readonly number[], apicIdOf = (uid: number) => uid): AcpiMachine {
  let uid = 0
  return {
    nodes: cpus.map((count, node) => ({
      cpus: Array.from({ length: count }, () => ({ uid, apicId: apicIdOf(uid++) })),
      memory: [{ gpa: node * 128 * MiB, bytes: 128 * MiB }],
    })),
    distances: cpus.map((_, i) => cpus.map((_, j) => (i === j ? 10 : 21))),
    bandwidths: cpus.map((_, i) => cpus.map((_, j) => (i === j ? 100e9 : null))),
    serials: [{ port: 0x3f8, gsi: 4 }],
    virtios: [{ gpa: 0xd0000000, bytes: 4096, gsi: 10 }],
    power: { sleepControl: 0x600, sleepStatus: 0x601, reset: 0x602, resetValue: 1, offType: 5 },
  }
}

/** The tables that the root pointer leads to, by their signatures. */
export function tablesAt(bytes: Uint8Array, at: number): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tableAt = (address: number) => {
    const start = address - at
    return bytes.subarray(start, start + view.getUint32(start + 4, true))
  }
  const found = new Map<string, Uint8Array>()
  const add = (table: Uint8Array) => {
    found.set(Buffer.from(table.subarray(0, 4)).toString('latin1'), table)
    return new DataView(table.buffer, table.byteOffset, table.byteLength)
  }
  const xsdt = add(tableAt(Number(view.getBigUint64(24, true))))
  for (let i = 36; i < xsdt.byteLength; i += 8) {
    const table = add(tableAt(Number(xsdt.getBigUint64(i, true))))
    if (found.has('FACP') && !found.has('DSDT')) add(tableAt(Number(table.getBigUint64(140, true))))
  }
  return found
}
