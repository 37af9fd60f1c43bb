/** All tables of a machine, at their addresses. Source: ACPI 6.5, 5.2.5 to 5.2.8 */

import { checksum, joined, table, text, u8, u32, u64, zeros } from './bytes.js'
import { dsdt } from './dsdt.js'
import { fadt } from './fadt.js'
import type { AcpiMachine } from './machine.js'
import { madt } from './madt.js'
import { hmat, slit, srat } from './numa.js'

const ALIGNMENT = 16

/**
 * The root pointer first, then everything that it leads to.
 * @param at guest physical address that they will be at
 */
export function acpiTables(machine: AcpiMachine, at: number): Uint8Array {
  const parts: Uint8Array[] = [zeros(48)]
  let end = 48
  const add = (part: Uint8Array) => {
    const start = end
    const padded = joined(part, zeros((ALIGNMENT - (part.length % ALIGNMENT)) % ALIGNMENT))
    parts.push(padded)
    end += padded.length
    return at + start
  }
  const facp = add(fadt(add(dsdt(machine)), machine.power))
  const others = [madt(machine), srat(machine), slit(machine), hmat(machine)].filter((each) => each !== null)
  const xsdt = add(table('XSDT', 1, ...[facp, ...others.map(add)].map(u64)))
  parts[0]!.set(rootPointer(xsdt))
  return joined(...parts)
}

function rootPointer(xsdt: number): Uint8Array {
  const FIRST_BYTES = 20
  const pointer = joined(text('RSD PTR '), u8(0), text('HOMEND'), u8(2), u32(0), u32(36), u64(xsdt), zeros(4))
  pointer[8] = checksum(pointer.subarray(0, FIRST_BYTES))
  pointer[32] = checksum(pointer)
  return pointer
}
