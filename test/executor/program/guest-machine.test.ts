/** What firmware's tables say of a planned VM with more vCPUs than a local APIC has ids for. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { acpiTables } from '../../../executor/acpi/tables.js'
import { guestTopology } from '../../../executor/plan/guest-topology.js'
import { layoutVm } from '../../../executor/plan/layout.js'
import { guestMachine } from '../../../executor/program/guest-machine.js'
import { tablesAt } from '../acpi/machines.js'
import { MiB, planOf } from '../plans.js'

const AT = 0xe0000
const CELLS = 3

/** A VM whose vCPUs float, so that each is a core, with its cells one after the other in turn. */
function tablesOf(vcpus: number): Map<string, Uint8Array> {
  const [vm] = planOf({
    vcpus: Array.from({ length: vcpus }, () => '0-1'),
    cells: Array.from({ length: CELLS }, () => 64 * MiB),
  }).vms
  const layout = layoutVm(vm!)
  const topology = guestTopology(vm!.vcpus, [])
  const machine = guestMachine(layout, topology, { nodes: [], distances: [] }, { serials: [], virtios: [] })
  return tablesAt(acpiTables(machine, AT), AT)
}

/** Entries of a table after its fields, each with its type first and its length second. */
function entriesOf(table: Uint8Array, start: number): DataView[] {
  const entries: DataView[] = []
  for (let at = start; at < table.length; at += table[at + 1]!) {
    entries.push(new DataView(table.buffer, table.byteOffset + at, table[at + 1]))
  }
  return entries
}

for (const vcpus of [254, 255, 300, 1000]) {
  test(`each of ${vcpus} vCPUs has one entry, an id of its own, and its cell's node`, () => {
    const tables = tablesOf(vcpus)
    const listed = entriesOf(tables.get('APIC')!, 44).flatMap((entry) => {
      if (entry.getUint8(0) === 0) return [{ uid: entry.getUint8(2), apicId: entry.getUint8(3) }]
      return entry.getUint8(0) === 9 ? [{ uid: entry.getUint32(12, true), apicId: entry.getUint32(4, true) }] : []
    })
    assert.equal(
      listed.map(({ uid }) => uid),
      Array.from({ length: vcpus }, (_, vcpu) => vcpu),
    )
    assert.is(new Set(listed.map(({ apicId }) => apicId)).size, vcpus)
    const near = entriesOf(tables.get('SRAT')!, 48).filter((entry) => entry.getUint8(0) === 2)
    const nodes = new Map(near.map((entry) => [entry.getUint32(8, true), entry.getUint32(4, true)]))
    assert.is(near.length, vcpus)
    for (const { uid, apicId } of listed) assert.is(nodes.get(apicId), uid % CELLS)
    // An id of 255 means all processors to a local APIC: there are x2APICs as soon as one is larger than 254.
    const types = new Set(entriesOf(tables.get('APIC')!, 44).map((entry) => entry.getUint8(0)))
    const isWide = listed.some(({ apicId }) => apicId > 254)
    assert.equal([types.has(0), types.has(9), types.has(4), types.has(0xa)], [!isWide, isWide, !isWide, isWide])
  })
}

test.run()
