/** What people get to see, without a process. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { demoRequest } from '../../src/cli/demo-request.js'
import { endingOf } from '../../src/cli/errors.js'
import { countLost, formatCost } from '../../src/cli/numbers.js'
import { styleOf } from '../../src/cli/output.js'
import { pinsText } from '../../src/cli/pins.js'
import { showPlan } from '../../src/cli/plan-view.js'
import { showRun } from '../../src/cli/run-view.js'
import { table, wrap } from '../../src/cli/table.js'
import { showHost } from '../../src/cli/topo-view.js'
import { InputError } from '../../src/errors.js'
import { plan } from '../../src/plan.js'
import { syntheticHost } from '../../src/topology/index.js'
import type { Host, Plan, PlanVcpu, RequestVm, RunReport } from '../../src/types.js'
import { verifyPlan } from '../../src/verify.js'

const styleOfWidth = (columns: number) => styleOf({ columns }, 'never')
const wide = styleOf({}, 'never', {})

test('a table has its columns two spaces apart and no space at the end', () => {
  const columns = [{ head: 'A' }, { head: 'N', align: 'right' as const }, { head: 'TEXT', wraps: true }]
  const text = table(wide, columns, [
    ['one', '1', 'some words'],
    ['', '1000', 'x'],
  ])
  assert.is(text, 'A       N  TEXT\none     1  some words\n     1000  x')
})

test('a table too wide for the terminal wraps its widest text', () => {
  const columns = [{ head: 'A' }, { head: 'TEXT', wraps: true }]
  const text = table(styleOfWidth(30), columns, [['one', 'the quick brown fox jumps over it']])
  assert.is(text, 'A    TEXT\none  the quick brown fox jumps\n     over it')
})

test('a table far too wide becomes a block for each row', () => {
  const columns = [{ head: 'NAME' }, { head: 'EMPTY' }, { head: 'CPUS', wraps: true }]
  const text = table(styleOfWidth(20), columns, [
    ['abc', '', '0,2,4,6,8,10,12,14'],
    ['d', '', '1'],
  ])
  assert.is(text, 'NAME   abc\nCPUS   0,2,4,6,8,10,\n       12,14\n\nNAME   d\nCPUS   1')
})

test('wrapping loses nothing, and only a word longer than the line is longer than the line', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z0-9]{1,12},?$/)), fc.integer({ min: 1, max: 40 }), (words, width) => {
      const text = words.join(' ')
      const wrapped = wrap(text, width)
      assert.is(wrapped.replaceAll('\n', ' ').replace(/, ?/g, ','), text.replace(/, ?/g, ','))
      for (const line of wrapped.split('\n')) assert.ok(line.length <= width || !/[\s,]./.test(line), line)
    }),
  )
})

test('costs are written without exponents and without zeros at the end', () => {
  assert.equal([0, 0.1, 0.000001, 12.5, 100].map(formatCost), ['0', '0.1', '0.000001', '12.5', '100'])
})

test('one lost vCPU is one, any other number of them are several', () => {
  const texts = [0, 0.5, 1, 1.000001].map((lost) => countLost(lost))
  assert.equal(texts, ['0 lost vCPUs', '0.5 lost vCPUs', '1 lost vCPU', '1.000001 lost vCPUs'])
  assert.is(countLost(1, 'more lost vCPU'), '1 more lost vCPU')
})

function pinned(...cpus: string[]): PlanVcpu[] {
  return cpus.map((list, vcpu) => ({ vcpu, cell: 0, node: 0, cpus: list, dedicated: !/[-,]/.test(list) }))
}

test('vCPUs and CPUs that ascend together are one range', () => {
  assert.is(pinsText(pinned('4', '5', '6', '9')), '0-2 -> 4-6, 3 -> 9')
  assert.is(pinsText(pinned('0', '16', '1', '17')), '0 -> 0, 1 -> 16, 2 -> 1, 3 -> 17')
  assert.is(pinsText(pinned('4-7', '4-7', '8')), '0-1 -> any of 4-7, 2 -> 8')
  assert.is(pinsText(pinned('8', '9').map((vcpu, at) => ({ ...vcpu, vcpu: at * 2 }))), '0 -> 8, 2 -> 9')
})

test('a shared vCPU with a single CPU to float over still floats', () => {
  assert.is(pinsText(pinned('3').map((vcpu) => ({ ...vcpu, dedicated: false }))), '0 -> any of 3')
})

test('a re-plan shows its moves and what is missing for the rest', () => {
  const plan: Plan = {
    schemaVersion: 1,
    kind: 'Plan',
    status: 'optimal',
    cost: { lostVcpus: 0, lowerBound: 0, gap: 0, terms: {} as Plan['cost']['terms'] },
    vms: [],
    refused: [],
    moves: [
      {
        step: 1,
        vm: 'db',
        cell: 0,
        vcpus: pinned('4', '5').map((vcpu) => ({ ...vcpu, node: 1 })),
        pageSize: 4096,
        memory: [{ node: 1, bytes: 2 ** 32 }],
        bytes: 2 ** 32,
      },
      { step: 2, vm: 'a', cell: 0, vcpus: pinned('0'), pageSize: 4096, memory: [], bytes: 0 },
      { step: 2, vm: 'b', cell: 1, vcpus: [], pageSize: 4096, memory: [{ node: 0, bytes: 2 ** 30 }], bytes: 2 ** 20 },
    ],
    spare: [{ node: 1, cpus: 1, bytes: 0, text: 'cell 0 of c cannot go on' }],
    solver: { planner: '0', seed: 1, steps: 0 },
  }
  const { spare: _, ...whole } = plan
  const moves = [
    '3 moves in 2 steps, 4097 MiB to copy',
    '',
    'STEP  VM  CELL  VCPUS -> CPUS  MEMORY     COPIED',
    '   1  db     0  0-1 -> 4-5     to node 1   4 GiB',
    '   2  a      0  0 -> 0',
    '      b      1                 to node 0   1 MiB',
  ]
  const [, ...shown] = showPlan(whole, wide).split('\n\n')
  assert.is(shown.join('\n\n'), moves.join('\n'))
  assert.ok(showPlan(plan, wide).endsWith('the moves do not get all the way\n  cell 0 of c cannot go on'))
  assert.ok(showPlan({ ...plan, moves: [] }, wide).includes('\n\nnothing moves\n\n'))
})

test('what is unusual about CPUs is said', () => {
  const host = syntheticHost('numa:2 core:2 pu:2')
  const changed: Host = {
    ...host,
    nodes: host.nodes.map((node) =>
      node.id === 1 ? { ...node, allowed: false, memory: { total: 0, free: 0 } } : node,
    ),
    cpus: host.cpus.map((cpu) => {
      if (cpu.id === 7) return { ...cpu, online: false, node: null }
      return { ...cpu, allowed: cpu.id < 4, isolated: cpu.id === 2, capacity: cpu.id < 2 ? 1024 : 512 }
    }),
  }
  const text = showHost(changed, wide)
  assert.match(text, /^4 cores, 7 CPUs online, 2 nodes, 1 GiB\n/)
  assert.match(text, /^ {3}1 {2}4-6 +none$/m)
  for (const line of [
    'Offline CPUs: 7',
    'CPUs outside of the cpuset: 4-6',
    'Nodes outside of the cpuset: 1',
    'Isolated CPUs: 2',
    'CPUs of capacity 1024: 0-1',
    'CPUs of capacity 512: 2-6',
  ]) {
    assert.ok(text.split('\n').includes(line), line)
  }
})

test('what can be reclaimed, and what limits the pages of all nodes, is shown', () => {
  const host = syntheticHost('numa:2(memory=4GiB) core:2 pu:1')
  const [first, second] = host.nodes
  const text = showHost(
    {
      ...host,
      nodes: [{ ...first!, memory: { total: 2 ** 32, free: 2 ** 30, reclaimable: 1.5 * 2 ** 30 } }, second!],
      limits: [
        { size: 4096, pages: 3 * 2 ** 18, cause: 'memory.max of /pod' },
        { size: 2 ** 34, pages: 2, cause: 'resv_hugepages' },
      ],
    },
    wide,
  )
  assert.match(text, /^NODE {2}CPUS {2}MEMORY {3}FREE {2}RECLAIMABLE$/m)
  assert.match(text, /^ {3}0 {2}0-1 +4 GiB {2}1 GiB +1\.5 GiB$/m)
  assert.match(text, /^ {3}1 {2}2-3 +4 GiB {2}4 GiB +\?$/m)
  assert.match(text, /^At most 3 GiB in pages of 4 KiB: memory\.max of \/pod$/m)
  assert.match(text, /^At most 32 GiB in pages of 16 GiB: resv_hugepages$/m)
})

test('unknown memory is not taken for none', () => {
  const host = syntheticHost('numa:1 core:1 pu:1')
  const memory = { total: null, free: null }
  const text = showHost({ ...host, nodes: host.nodes.map((node) => ({ ...node, memory })) }, wide)
  assert.match(text, /memory unknown/)
  assert.match(text, /^ {3}0 {2}0 +\? +\?$/m)
})

const HOSTS = [
  'numa:1 core:1 pu:1',
  'numa:1 core:3 pu:1',
  'numa:2 core:1 pu:1',
  'numa:4 core:1 pu:2',
  'pack:2 [numa(memory=64GB)] l3:4 core:4 pu:2',
  'numa:8 core:1 pu:1',
]

test('the VM made for a host fits it, with half of its CPUs and 64 MiB a vCPU', async () => {
  for (const spec of HOSTS) {
    const host = syntheticHost(spec)
    const request = demoRequest(host) as { vms: RequestVm[] }
    const { vms, refused } = verifyPlan(host, request, await plan(host, request))
    assert.equal(refused, [], spec)
    const vcpus = Math.max(1, Math.floor(host.cpus.length / 2))
    assert.is(vms[0]!.vcpus.length, vcpus, spec)
    const bytes = vms[0]!.cells.flatMap(({ memory }) => memory.map((part) => part.bytes))
    assert.is(
      bytes.reduce((sum, part) => sum + part, 0),
      vcpus * 64 * 1024 ** 2,
      spec,
    )
  }
})

test('the VM made for a host uses neither offline CPUs nor those outside of the cpuset', () => {
  const host = syntheticHost('numa:1 core:8 pu:1')
  const cpus = host.cpus.map((cpu) => ({ ...cpu, online: cpu.id !== 0, allowed: cpu.id < 5 }))
  const { vms } = demoRequest({ ...host, cpus }) as { vms: RequestVm[] }
  assert.is(vms[0]!.vcpus, 2)
})

test('a run that differs from its plan says where', () => {
  const finding = { constraint: 'affinity', text: 'vCPU 0 may run on CPU 1, the plan says CPU 0', vm: 'demo', vcpu: 0 }
  const report: RunReport = {
    schemaVersion: 1,
    kind: 'RunReport',
    backend: 'kvm',
    seconds: 2,
    plan: {} as Plan,
    vcpus: [
      {
        vm: 'demo',
        vcpu: 0,
        planned: '0',
        affinity: '1',
        lastCpu: 1,
        exits: 5,
        exitsPerSecond: 2,
        exitReasons: {},
        runDelayNs: 0,
        migrations: 3,
      },
    ],
    memory: [{ vm: 'demo', cell: 0, node: 0, bytes: 3 * 1024 ** 2, residentBytes: { 1: 1024 ** 2 } }],
    watched: { threadLooks: 20, memoryLooks: 1, pagesMigrated: null },
    verified: false,
    findings: [finding],
  }
  const text = showRun(report, wide)
  assert.match(text, /^demo +0 {2}CPU 0 +CPU 1 +CPU 1 /m)
  assert.match(text, /^demo +0 +3 MiB +node 0 {2}1 MiB on node 1, 2 MiB nowhere$/m)
  assert.match(text, /^not verified: 1 difference from the plan\n\n/m)
  assert.match(text, /^affinity +demo +0 {2}vCPU 0 may run/m)
  assert.match(
    text,
    /^looked 20 times at the threads, 1 time at the memory; 3 migrations of them, migrated pages are not counted here$/m,
  )
})

test('errors end with their own exit code, and what nobody foresaw with a hint', () => {
  assert.equal(endingOf(new InputError('a', 'b', 'c')), { exitCode: 2, message: 'a: expected b, got c' })
  const { exitCode, message, hint } = endingOf(new TypeError('x is\n not y'))
  assert.equal([exitCode, message], [1, 'internal error: x is not y'])
  assert.match(hint!, /HOMENODE_DEBUG=1/)
  assert.is(endingOf('thrown text').exitCode, 1)
})

test('control characters in a message do not reach the terminal', () => {
  assert.is(endingOf(new InputError('a\u001b[31m', 'b', 'c')).message, 'a?[31m: expected b, got c')
})

test('colours are for terminals that have not declined them', () => {
  const enabled = (stream: object, when: 'auto' | 'always' | 'never', env = {}) =>
    styleOf(stream, when, env).colors.isColorSupported
  assert.ok(enabled({ isTTY: true }, 'auto'))
  assert.not(enabled({ isTTY: true }, 'auto', { NO_COLOR: '1' }))
  assert.ok(enabled({ isTTY: true }, 'auto', { NO_COLOR: '' }))
  assert.not(enabled({ isTTY: true }, 'auto', { TERM: 'dumb' }))
  assert.not(enabled({ isTTY: true }, 'never'))
  assert.not(enabled({}, 'auto'))
  assert.ok(enabled({}, 'always', { NO_COLOR: '1' }))
})

test.run()
