/** What guests say of their machines: read, held against the plan, and never trusted. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { GuestReport, guestFindings, parseReport } from '../../../executor/run/guest-says.js'
import { machineOf } from '../acpi/machines.js'

const PAGES = (128 * 1024 ** 2) / 4096
const lines = [
  'cpus 4',
  'node 0 cpus 0-1',
  'node 0 distances 10 21',
  `node 0 pages ${PAGES - 97}`,
  'node 1 cpus 2-3',
  'node 1 distances 21 10',
  `node 1 pages ${PAGES}`,
  'end',
]
const told = machineOf([2, 2])
const findings = (changed: readonly string[]) =>
  guestFindings('db', told, parseReport(changed.join('\r\n'))!).map(({ text }) => text)

test('a report as the first process writes it has nothing against the plan', () => {
  assert.equal(findings(lines), [])
  assert.equal(parseReport(lines.join('\n'))!.nodes[1], {
    node: 1,
    cpus: '2-3',
    distances: [21, 10],
    memoryBytes: 128 * 1024 ** 2,
  })
})

test('a node that is named again and again is one, with what was said of it first', () => {
  const again = [...lines.slice(0, -1), 'node 0 cpus 3', 'node 00 cpus 3', 'node 1 pages 1', 'end']
  assert.equal(parseReport(again.join('\n')), parseReport(lines.join('\n')))
  const many = [
    'cpus 1',
    ...new Array(19_000).fill('node 0 cpus 0,0-0,0'),
    'node 0 distances 10',
    'node 0 pages 1',
    'end',
  ]
  assert.equal(parseReport(many.join('\n'))!.nodes, [{ node: 0, cpus: '0', distances: [10], memoryBytes: 4096 }])
})

test('each difference is told', () => {
  const change = (at: number, line: string) => findings(lines.map((each, i) => (i === at ? line : each)))
  assert.match(change(0, 'cpus 3')[0]!, /3 CPUs online, the plan 4 vCPUs/)
  assert.match(change(1, 'node 0 cpus 0,2')[0]!, /node 0 of the guest has CPU 0,2, the plan vCPU 0-1/)
  assert.match(change(5, 'node 1 distances 20 10')[0]!, /at distances 20 10, it was told 21 10/)
  assert.match(change(6, 'node 1 pages 100')[0]!, /node 1 of the guest has 400 KiB, the plan 128 MiB/)
  assert.match(findings([...lines.slice(0, 4), 'end'])[0]!, /has 1 nodes, the plan 2 cells/)
})

test('a report without an end, or with nonsense, is none', () => {
  assert.is(parseReport(lines.slice(0, -1).join('\n')), null)
  for (const line of ['node 0 cpus 0-', 'node 0 cpus 5-2', 'node 0 cpus x', 'node 0 cpus 0-99999999']) {
    assert.is(parseReport(lines.map((each, i) => (i === 1 ? line : each)).join('\n')), null, line)
  }
  assert.is(parseReport(lines.map((each, i) => (i === 2 ? 'node 0 distances' : each)).join('\n')), null)
  assert.is(parseReport(lines.map((each, i) => (i === 3 ? 'node 0 pages -1' : each)).join('\n')), null)
})

test('whatever a guest says, it is a report or none, and there is an end to what is kept of it', () => {
  const word = fc.constantFrom(
    'cpus',
    'node',
    'end',
    '0',
    '1',
    '0-3',
    '4294967296',
    'distances',
    'pages',
    '10',
    ' ',
    '\n',
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 60 }), (words) => {
      const report = parseReport(words.join(' '))
      if (report !== null) guestFindings('db', told, report)
    }),
  )
  const report = new GuestReport()
  for (let i = 0; i < 100; i++) report.add(new Uint8Array(65_536).fill(120))
  assert.is(report.topology, null)
})

test.run()
