/** Firmware's tables, taken apart by hand, and by ACPICA's disassembler where that is installed. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { AcpiMachine } from '../../../executor/acpi/machine.js'
import { acpiTables } from '../../../executor/acpi/tables.js'
import { skipUnless } from '../../skip.js'
import { hasProgram } from '../programs.js'
import { machineOf, tablesAt } from './machines.js'

const AT = 0xe0000
const sum = (bytes: Uint8Array) => bytes.reduce((all, byte) => (all + byte) & 0xff, 0)
const testWithIasl = skipUnless(hasProgram('iasl'), 'no iasl (Debian: acpica-tools)')

test('every table is found from the root pointer, and its bytes sum up to 0', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(sizes, fc.constantFrom(0xe0000, 0x1000), (cpus, at) => {
      const bytes = acpiTables(machineOf(cpus), at)
      assert.is(sum(bytes.subarray(0, 20)), 0)
      assert.is(sum(bytes.subarray(0, 36)), 0)
      const tables = tablesAt(bytes, at)
      const bandwidths = cpus.some((count) => count > 0) ? ['HMAT'] : []
      assert.equal([...tables.keys()].sort(), ['APIC', 'DSDT', 'FACP', ...bandwidths, 'SLIT', 'SRAT', 'XSDT'])
      for (const [name, table] of tables) assert.is(sum(table), 0, name)
    }),
  )
})

test('the processors of the list are those of the affinities, each on its node', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      (cpus, wide) => {
        const tables = tablesAt(
          acpiTables(
            machineOf(cpus, (uid) => (wide ? 1000 + 3 * uid : uid)),
            AT,
          ),
          AT,
        )
        const listed = entriesOf(tables.get('APIC')!, 44).flatMap((entry) => {
          if (entry[0] === 0) return [entry[3]!]
          return entry[0] === 9 ? [word(entry, 4)] : []
        })
        const near = entriesOf(tables.get('SRAT')!, 48)
          .filter((entry) => entry[0] === 2)
          .map((entry) => ({ domain: word(entry, 4), apicId: word(entry, 8) }))
        assert.equal(
          near.map(({ apicId }) => apicId),
          listed,
        )
        const perDomain = cpus.map((_, domain) => near.filter((entry) => entry.domain === domain).length)
        assert.equal(perDomain, cpus)
      },
    ),
  )
})

function entriesOf(table: Uint8Array, start: number): Uint8Array[] {
  const entries: Uint8Array[] = []
  for (let at = start; at < table.length; at += table[at + 1]!) entries.push(table.subarray(at, at + table[at + 1]!))
  return entries
}

function word(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true)
}

test('a bandwidth that nobody knows is none, and without any there is no table', () => {
  const known = tablesAt(acpiTables(machineOf([1, 1]), AT), AT).get('HMAT')!
  const entries = new Uint16Array(known.slice(-8).buffer)
  const unit = word(known, 64)
  assert.equal([...entries], [Math.round(100_000 / unit), 0, 0, Math.round(100_000 / unit)])
  const none = {
    ...machineOf([1, 1]),
    bandwidths: [
      [null, null],
      [null, null],
    ],
  }
  assert.not.ok(tablesAt(acpiTables(none, AT), AT).has('HMAT'))
})

test('a number that does not fit its field is an error, not another number', () => {
  const machine = { ...machineOf([1]), serials: [{ port: 0x1_0000, gsi: 4 }] }
  assert.throws(() => acpiTables(machine, AT), RangeError)
})

/** What the disassembler makes of the tables; it must have nothing to say of them. */
function disassembled(machine: AcpiMachine): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-acpi-'))
  try {
    const texts: Record<string, string> = {}
    for (const [name, table] of tablesAt(acpiTables(machine, AT), AT)) {
      const file = join(folder, name)
      writeFileSync(`${file}.dat`, table)
      const said = execFileSync('iasl', ['-d', `${file}.dat`], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
      assert.not.match(said, /warning|error|invalid|unknown|checksum/i, name)
      texts[name] = readFileSync(`${file}.dsl`, 'utf8')
    }
    return texts
  } finally {
    rmSync(folder, { recursive: true })
  }
}

testWithIasl('the disassembler reads every table as it was meant', () => {
  const { DSDT, FACP, APIC, SRAT, SLIT, HMAT } = disassembled(machineOf([2, 3]))
  assert.match(DSDT!, /Name \(\\_S5, Package \(0x02\)/)
  assert.match(DSDT!, /EisaId \("PNP0501"\)[\s\S]*0x03F8,[\s\S]*Edge, ActiveHigh, Exclusive[\s\S]*0x00000004,/)
  assert.match(DSDT!, /"LNRO0005"[\s\S]*Memory32Fixed \(ReadWrite,\s*0xD0000000,/)
  for (const flag of ['Hardware Reduced', 'Reset Register Supported', 'CMOS RTC Not Present']) {
    assert.match(FACP!, new RegExp(`${flag} \\(V\\d\\) : 1`))
  }
  assert.is(APIC!.match(/Processor Local APIC\]/g)?.length, 5)
  assert.is(SRAT!.match(/\[Processor Local x2APIC Affinity\]/g)?.length, 5)
  assert.is(SRAT!.match(/\[Memory Affinity\]/g)?.length, 2)
  assert.match(SLIT!, /Localities : 0000000000000002/)
  assert.match(HMAT!, /\[System Locality Latency and Bandwidth Information\]/)
})

testWithIasl('so it does of a machine of hundreds of processors with large APIC ids, and of many nodes', () => {
  const { APIC, SRAT } = disassembled(
    machineOf(
      Array.from({ length: 16 }, () => 32),
      (uid) => 8 * uid,
    ),
  )
  assert.is(APIC!.match(/\[Processor Local x2APIC\]/g)?.length, 512)
  assert.is(SRAT!.match(/\[Memory Affinity\]/g)?.length, 16)
})

test.run()
