import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PlanError } from '../../src/errors.js'
import type { Host } from '../../src/types.js'
import { isVerified } from '../../src/verified.js'
import { checkPlan, verifyPlan } from '../../src/verify.js'
import { coresOf, GIB, hostOf, planOf, type VmSpec } from './support.js'

/** Two nodes, on each 2 cores of 2 CPUs: 0-3 on node 0, 4-7 on node 1. */
const SMT = hostOf({ nodes: { 0: 4, 1: 4 }, cores: coresOf([2, 2], 2) })

function vm(name: string, vcpus: number, more: object = {}) {
  return { name, vcpus, memory: '1GiB', ...more }
}

function constraints(host: Host, request: unknown, specs: Record<string, VmSpec>): string[] {
  return checkPlan(host, request, planOf(host, request, specs)).map((finding) => finding.constraint)
}

/** The good plan passes, and the bad one breaks `constraint` and nothing else. */
function twins(
  constraint: string,
  host: Host,
  vms: readonly object[],
  good: Record<string, VmSpec>,
  bad: Record<string, VmSpec>,
  options: object = {},
): void {
  const request = { ...options, vms }
  assert.equal(checkPlan(host, request, planOf(host, request, good)), [])
  const found = constraints(host, request, bad)
  assert.ok(found.length > 0, `${constraint} is not found`)
  assert.equal([...new Set(found)], [constraint])
}

const on0 = { 0: GIB }
const on1 = { 1: GIB }

test('a CPU holds one dedicated vCPU', () => {
  const a = (second: number) => ({ a: { cells: [{ cpus: [0, second], memory: on0 }], emulator: '2-3' } })
  twins('cpu-exclusive', SMT, [vm('a', 2)], a(1), a(0))
})

test('a dedicated vCPU has one CPU and says so', () => {
  const request = { vms: [vm('a', 1)] }
  assert.equal(constraints(SMT, request, { a: { cells: [{ cpus: [[0, 1]], memory: on0 }], emulator: '0-3' } }), [
    'cpu-exclusive',
  ])
  const plan = planOf(SMT, request, { a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' } })
  assert.equal(checkPlan(SMT, request, plan), [])
  const wide = { ...plan, vms: [{ ...plan.vms[0]!, vcpus: [{ ...plan.vms[0]!.vcpus[0]!, cpus: '0-1' }] }] }
  const [finding] = checkPlan(SMT, request, wide)
  assert.is(finding?.constraint, 'cpu-exclusive')
  assert.is(finding?.vm, 'a')
  assert.is(finding?.cell, 0)
  assert.is(finding?.vcpu, 0)
  assert.match(finding!.text, /has 2 CPUs/)
})

test('shared vCPUs float over the shared CPUs of their node, all of them', () => {
  const vms = [vm('a', 1), vm('b', 1, { cpuPolicy: 'shared' })]
  const a = { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' }
  const b = (cpus: number[]) => ({ cells: [{ cpus: [cpus], memory: on0 }], emulator: '2-3' })
  twins('cpu-exclusive', SMT, vms, { a, b: b([2, 3]) }, { a, b: b([1, 2, 3]) })
  twins('overcommit', SMT, vms, { a, b: b([2, 3]) }, { a, b: b([2]) })
})

test('offline, reserved, foreign and unknown CPUs are not usable', () => {
  const host = hostOf({
    nodes: { 0: 4 },
    cores: [
      { node: 0, cpus: [0] },
      { node: 0, cpus: [1] },
      { node: 0, cpus: [2], offline: true },
      { node: 0, cpus: [3], allowed: false },
    ],
  })
  const on = (cpu: number) => ({ a: { cells: [{ cpus: [cpu], memory: on0, node: 0 }], emulator: '0' } })
  for (const cpu of [0, 2, 3, 77]) {
    twins('cpu-usable', host, [vm('a', 1)], on(1), on(cpu), { reserve: { cpus: '0' } })
  }
})

test('the vCPUs of a cell are on one node, unless it spans', () => {
  const across = { a: { cells: [{ cpus: [0, 4], memory: { 0: GIB / 2, 1: GIB / 2 } }], emulator: '2-3,6-7' } }
  assert.equal(constraints(SMT, { vms: [vm('a', 2)] }, across), ['cell-node'])
  assert.equal(constraints(SMT, { vms: [vm('a', 2, { span: true })] }, across), [])
})

test('a vCPU is on the node of its CPU', () => {
  const at = (node: number) => ({
    a: { cells: [{ cpus: [0], memory: { [node]: GIB }, node }], emulator: node ? '4-7' : '2-3' },
  })
  twins('cell-node', SMT, [vm('a', 1)], at(0), at(1))
})

test('a node gives no more pages than it has free', () => {
  const a = (memory: object) => ({
    a: { cells: [{ cpus: [0], memory: memory as Record<number, number> }], emulator: '2-3' },
  })
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([2], 2) })
  const request = (memory: string, reserve: string) => ({ reserve: { memory: reserve }, vms: [vm('a', 1, { memory })] })
  assert.equal(constraints(host, request('4GiB', '0B'), a({ 0: 4 * GIB })), [])
  assert.equal(constraints(host, request('4GiB', '4KiB'), a({ 0: 4 * GIB })), ['memory-capacity'])
  assert.equal(constraints(host, request('5GiB', '0B'), a({ 0: 5 * GIB })), ['memory-capacity'])
})

test('unknown free memory counts as none', () => {
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([2], 2) })
  const blind = { ...host, nodes: [{ ...host.nodes[0]!, memory: { total: null, free: null } }] }
  const request = { vms: [vm('a', 1)] }
  assert.equal(constraints(blind, request, { a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' } }), [
    'memory-capacity',
  ])
})

test('strict memory is where its vCPUs are', () => {
  const a = (memory: Record<number, number>) => ({ a: { cells: [{ cpus: [0], memory }], emulator: '2-3' } })
  twins('memory-policy', SMT, [vm('a', 1)], a(on0), a(on1))
  twins('memory-policy', SMT, [vm('a', 1)], a(on0), a({ 0: GIB / 2, 1: GIB / 2 }))
})

test('strict memory of a node without memory is on the nearest node that has some', () => {
  const host = hostOf({
    nodes: { 0: 4, 2: 4, 5: 0 },
    distances: [
      [10, 20, 15],
      [20, 10, 12],
      [30, 12, 10],
    ],
    cores: [{ node: 5, cpus: [0] }],
  })
  const a = (node: number) => ({ a: { cells: [{ cpus: [0], memory: { [node]: GIB } }] } })
  twins('memory-policy', host, [vm('a', 1)], a(2), a(0))
})

test('strict memory of a cell that spans is in proportion to its vCPUs', () => {
  const cpus = [0, 1, 4]
  const emulator = '2-3,6-7'
  const a = (zero: number, one: number) => ({
    a: { cells: [{ cpus, memory: { 0: zero * 4096, 1: one * 4096 } }], emulator },
  })
  const vms = [vm('a', 3, { span: true, memory: '40KiB' })]
  twins('memory-policy', SMT, vms, a(7, 3), a(5, 5))
  twins('memory-policy', SMT, vms, a(6, 4), a(8, 2))
})

test('preferred memory spills to the nearest node, and only from a full one', () => {
  const host = hostOf({
    nodes: { 0: 1, 1: 4, 2: 4 },
    distances: [
      [10, 30, 20],
      [30, 10, 20],
      [20, 20, 10],
    ],
    cores: coresOf([1]),
  })
  const vms = [vm('a', 1, { memoryPolicy: 'preferred', memory: '2GiB' })]
  const a = (memory: Record<number, number>) => ({ a: { cells: [{ cpus: [0], memory }] } })
  twins('memory-policy', host, vms, a({ 0: GIB, 2: GIB }), a({ 0: GIB, 1: GIB }))
  twins('memory-policy', host, vms, a({ 0: GIB, 2: GIB }), a({ 2: 2 * GIB }))
})

test('interleaved memory is even over the nodes of the VM', () => {
  const vms = [vm('a', 2, { cells: 2, memoryPolicy: 'interleave', memory: '2GiB' })]
  const even = { 0: GIB / 2, 1: GIB / 2 }
  const a = (first: Record<number, number>, second: Record<number, number>) => ({
    a: {
      cells: [
        { cpus: [0], memory: first },
        { cpus: [4], memory: second },
      ],
      emulator: '2-3,6-7',
    },
  })
  twins('memory-policy', SMT, vms, a(even, even), a(on0, on1))
})

test('a cell has whole pages of the size asked for', () => {
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([2], 2), hugePages: 512 })
  const a = (pageSize: number) => ({ a: { cells: [{ cpus: [0], memory: on0, pageSize }], emulator: '2-3' } })
  twins('page-size', host, [vm('a', 1, { pageSize: '2MiB' })], a(2 ** 21), a(4096))
  twins('page-size', host, [vm('a', 1, { pageSize: '4KiB' })], a(4096), a(2 ** 21))
  assert.equal(constraints(host, { vms: [vm('a', 1, { pageSize: '1GiB' })] }, a(GIB)), ['page-size', 'memory-capacity'])
  const odd = { vms: [vm('a', 1, { pageSize: '2MiB', memory: '3MiB' })] }
  const plan = { a: { cells: [{ cpus: [0], memory: { 0: 3 * 2 ** 20 }, pageSize: 2 ** 21 }], emulator: '2-3' } }
  assert.equal([...new Set(constraints(host, odd, plan))], ['page-size'])
})

test('any page size means the largest that divides and is free', () => {
  const a = (pageSize: number) => ({ a: { cells: [{ cpus: [0], memory: on0, pageSize }], emulator: '2-3' } })
  const enough = hostOf({ nodes: { 0: 4 }, cores: coresOf([2], 2), hugePages: 512 })
  twins('page-size', enough, [vm('a', 1)], a(2 ** 21), a(4096))
  const short = hostOf({ nodes: { 0: 4 }, cores: coresOf([2], 2), hugePages: 511 })
  twins('memory-capacity', short, [vm('a', 1)], a(4096), a(2 ** 21))
})

test('an isolated vCPU has its core alone', () => {
  const vms = [vm('a', 1, { threadPolicy: 'isolate', trust: 't' }), vm('b', 1, { trust: 't' })]
  const a = { cells: [{ cpus: [0], memory: on0 }], emulator: '4-7' }
  const b = (cpu: number) => ({ cells: [{ cpus: [cpu], memory: on0 }], emulator: '4-7' })
  const options = { reserve: { cpus: '4-7' } }
  twins('thread-policy', SMT, vms, { a, b: b(2) }, { a, b: b(1) }, options)
})

test('require takes whole cores, all but one of them full', () => {
  const host = hostOf({ nodes: { 0: 4, 1: 4 }, cores: coresOf([4, 1], 2) })
  const options = { reserve: { cpus: '8' } }
  const a = (cpus: number[]) => ({ a: { cells: [{ cpus, memory: on0 }], emulator: '8' } })
  twins('thread-policy', host, [vm('a', 3, { threadPolicy: 'require' })], a([0, 1, 2]), a([0, 2, 4]), options)
  const vms = [vm('a', 1, { threadPolicy: 'require', trust: 't' }), vm('b', 1, { trust: 't' })]
  const b = (cpu: number) => ({ ...a([0]), b: { cells: [{ cpus: [cpu], memory: on0 }], emulator: '8' } })
  twins('thread-policy', host, vms, b(2), b(1), options)
})

test('a reserved sibling does not keep a core from being whole', () => {
  const request = { reserve: { cpus: '1,3' }, vms: [vm('a', 2, { threadPolicy: 'require' })] }
  assert.equal(constraints(SMT, request, { a: { cells: [{ cpus: [0, 2], memory: on0 }], emulator: '1,3' } }), [])
})

test('prefer and spread never refuse', () => {
  for (const threadPolicy of ['prefer', 'spread']) {
    const request = { vms: [vm('a', 2, { threadPolicy })] }
    const emulator = { emulator: '4-7' }
    assert.equal(
      constraints(
        SMT,
        { ...request, reserve: { cpus: '4-7' } },
        { a: { cells: [{ cpus: [0, 1], memory: on0 }], ...emulator } },
      ),
      [],
    )
    assert.equal(
      constraints(
        SMT,
        { ...request, reserve: { cpus: '4-7' } },
        { a: { cells: [{ cpus: [0, 2], memory: on0 }], ...emulator } },
      ),
      [],
    )
  }
})

test('a core holds one trust domain', () => {
  const spec = (cpu: number) => ({
    a: { cells: [{ cpus: [0], memory: on0 }], emulator: '7' },
    b: { cells: [{ cpus: [cpu], memory: on0 }], emulator: '7' },
  })
  const options = { reserve: { cpus: '7' } }
  twins('trust', SMT, [vm('a', 1), vm('b', 1)], spec(2), spec(1), options)
  assert.equal(constraints(SMT, { ...options, vms: [vm('a', 1, { trust: 'b' }), vm('b', 1)] }, spec(1)), [])
})

test("a strict device's node holds a cell", () => {
  const a = (cpu: number, memory: Record<number, number>) => ({
    a: { cells: [{ cpus: [cpu], memory }], emulator: cpu < 4 ? '2-3' : '6-7' },
  })
  twins('device', SMT, [vm('a', 1, { devices: [{ node: 1 }] })], a(4, on1), a(0, on0))
  assert.equal(constraints(SMT, { vms: [vm('a', 1, { devices: [{ node: 1, strict: false }] })] }, a(0, on0)), [])
})

test('VMs are apart, or together, as they ask', () => {
  const apart = {
    a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' },
    b: { cells: [{ cpus: [4], memory: on1 }], emulator: '6-7' },
  }
  const together = {
    a: { cells: [{ cpus: [0], memory: on0 }], emulator: '3' },
    b: { cells: [{ cpus: [2], memory: on0 }], emulator: '3' },
  }
  const options = { reserve: { cpus: '3' } }
  const emulators = { a: { ...apart.a, emulator: '3' }, b: { ...apart.b, emulator: '3' } }
  twins('separate', SMT, [vm('a', 1), vm('b', 1, { separateFrom: ['a'] })], emulators, together, options)
  twins('near', SMT, [vm('a', 1), vm('b', 1, { near: ['a'] })], together, emulators, options)
})

test('memory on the same node is a node in common', () => {
  const host = hostOf({ nodes: { 0: 4, 1: 0 }, cores: coresOf([1, 1]) })
  const request = { vms: [vm('a', 1, { separateFrom: ['b'] }), vm('b', 1)] }
  const specs = { a: { cells: [{ cpus: [0], memory: on0 }] }, b: { cells: [{ cpus: [1], memory: on0 }] } }
  assert.equal(constraints(host, request, specs), ['separate'])
})

test('a VM that is refused asks for nothing', () => {
  const request = { vms: [vm('a', 1, { near: ['b'], separateFrom: ['b'] }), vm('b', 1)] }
  assert.equal(constraints(SMT, request, { a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' } }), [])
})

test('shared demand stays within overcommit', () => {
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([2]) })
  const a = (count: number) => ({ a: { cells: [{ cpus: Array.from({ length: count }, () => [0, 1]), memory: on0 }] } })
  const shared = (count: number, demand: number) => [vm('a', count, { cpuPolicy: 'shared', demand })]
  assert.equal(constraints(host, { overcommit: 2, vms: shared(8, 0.5) }, a(8)), [])
  assert.equal(constraints(host, { overcommit: 2, vms: shared(8, 0.51) }, a(8)), ['overcommit'])
  assert.equal(constraints(host, { vms: shared(8, 1) }, a(8)), [])
  assert.equal(constraints(host, { vms: shared(9, 1) }, a(9)), ['overcommit'])
})

test('a node that has no shared CPU left holds no shared vCPU', () => {
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([1]) })
  const request = { vms: [vm('a', 1), vm('b', 1, { cpuPolicy: 'shared' })] }
  const specs = {
    a: { cells: [{ cpus: [0], memory: on0 }] },
    b: { cells: [{ cpus: [[]], memory: on0, node: 0 }], emulator: '' },
  }
  assert.equal(constraints(host, request, specs), ['overcommit'])
})

test('a mixed VM has its dedicated vCPUs dedicated and the others shared', () => {
  const vms = [vm('a', 3, { cpuPolicy: 'mixed', dedicatedVcpus: '0' })]
  const a = (second: number | number[]) => ({
    a: { cells: [{ cpus: [0, second, [2, 3]], memory: on0 }], emulator: '2-3' },
  })
  twins('cpu-exclusive', SMT, vms, a([2, 3]), a(1))
})

test('housekeeping is on reserved CPUs near, reserved CPUs far, shared CPUs, its own CPUs, in this order', () => {
  const a = (emulator: string, cpus = [0]) => ({
    a: { cells: [{ cpus, memory: on0 }], emulator, iothreads: [emulator] },
  })
  const check = (good: string, bad: string, reserve: string, cpus = [0]) =>
    twins('emulator', SMT, [vm('a', cpus.length, { iothreads: 1 })], a(good, cpus), a(bad, cpus), {
      reserve: { cpus: reserve },
    })
  check('3', '3,7', '3,7')
  check('7', '2-3', '7')
  check('2-3', '0', '')
  check('0,2', '1,3', '', [0, 2])
})

test('a dedicated emulator and its I/O threads have CPUs of their own on the first node', () => {
  const vms = [vm('a', 1, { emulator: 'dedicated', iothreads: 1 })]
  const a = (emulator: string, iothread: string) => ({
    a: { cells: [{ cpus: [0], memory: on0 }], emulator, iothreads: [iothread] },
  })
  twins('emulator', SMT, vms, a('1', '2'), a('1', '4'))
  twins('emulator', SMT, vms, a('1', '2'), a('2', '2'))
  twins('emulator', SMT, vms, a('1', '2'), a('1-2', '3'))
  twins('cpu-exclusive', SMT, vms, a('1', '2'), a('0', '2'))
  twins('cpu-usable', SMT, vms, a('1', '2'), a('1', '3'), { reserve: { cpus: '3' } })
})

test('nobody shares the CPU of a dedicated emulator', () => {
  const vms = [vm('a', 1, { emulator: 'dedicated' }), vm('b', 1, { cpuPolicy: 'shared' })]
  const a = { cells: [{ cpus: [0], memory: on0 }], emulator: '2' }
  const b = (cpus: number[]) => ({ cells: [{ cpus: [cpus], memory: on0 }], emulator: '3' })
  twins('cpu-exclusive', SMT, vms, { a, b: b([3]) }, { a, b: b([2, 3]) })
})

test('cells are as many and as large as asked for', () => {
  const one = { a: { cells: [{ cpus: [0, 2, 4], memory: { 0: GIB } }], emulator: '1' } }
  const options = { reserve: { cpus: '1' } }
  const two = (first: number[], second: number[], zero: number, rest: number) => ({
    a: {
      cells: [
        { cpus: first, memory: { 0: zero } },
        { cpus: second, memory: { 1: rest } },
      ],
      emulator: '1',
    },
  })
  const memory = { memory: '12KiB' }
  twins(
    'cells',
    SMT,
    [vm('a', 3, { ...memory, cells: 2 })],
    two([0, 2], [4], 8192, 4096),
    two([0, 2], [4], 4096, 8192),
    options,
  )
  twins('cells', SMT, [vm('a', 3, memory)], two([0, 2], [4], 8192, 4096), two([0], [4, 6], 4096, 8192), options)
  assert.ok(constraints(SMT, { ...options, vms: [vm('a', 3, { cells: 2 })] }, one).includes('cells'))
})

test('explicit cells keep their vCPUs and their memory', () => {
  const cells = [
    { vcpus: '0,2', memory: '4KiB' },
    { vcpus: '1', memory: '8KiB' },
  ]
  const a = (zero: number, one: number) => ({
    a: {
      cells: [
        { cpus: [0, 2], memory: { 0: zero } },
        { cpus: [4], memory: { 1: one } },
      ],
      emulator: '1',
    },
  })
  twins('cells', SMT, [vm('a', 3, { memory: '12KiB', cells })], a(4096, 8192), a(8192, 4096), {
    reserve: { cpus: '1' },
  })
})

test('every VM of the request is placed or refused, once', () => {
  const request = { vms: [vm('a', 1), vm('b', 1)] }
  const plan = planOf(SMT, request, { a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' } })
  assert.equal(checkPlan(SMT, request, plan), [])
  const shapes = (candidate: object) => checkPlan(SMT, request, candidate).map((finding) => finding.text)
  assert.match(shapes({ ...plan, refused: [] })[0]!, /b is neither placed nor refused/)
  assert.match(shapes({ ...plan, refused: [...plan.refused, ...plan.refused] })[0]!, /b is placed or refused 2 times/)
  assert.match(shapes({ ...plan, vms: [...plan.vms, ...plan.vms] })[0]!, /a is placed or refused 2 times/)
  assert.match(shapes({ ...plan, refused: [{ ...plan.refused[0]!, name: 'c' }] }).join(), /has no VM "c".*b is neither/)
})

test('a plan whose numbers stand for nothing is malformed', () => {
  const request = { vms: [vm('a', 2, { iothreads: 1 })] }
  const plan = planOf(SMT, request, {
    a: { cells: [{ cpus: [0, 1], memory: on0 }], emulator: '2-3', iothreads: ['2-3'] },
  })
  assert.equal(checkPlan(SMT, request, plan), [])
  const [a] = plan.vms
  const [first, second] = a!.vcpus
  const text = (change: object) => {
    const findings = checkPlan(SMT, request, { ...plan, vms: [{ ...a, ...change }] })
    assert.equal([...new Set(findings.map(({ constraint }) => constraint))], ['format'])
    return findings.map((finding) => finding.text).join('; ')
  }
  assert.match(text({ vcpus: [first] }), /a: 1 vCPUs, 2 asked for/)
  assert.match(text({ vcpus: [second, first] }), /vCPU 1 where vCPU 0 belongs/)
  assert.match(text({ vcpus: [first, { ...second, cell: 1 }] }), /vCPU 1 is in cell 1, there are 1/)
  assert.match(text({ vcpus: [first, { ...second, node: 9 }] }), /vCPU 1 is on node 9, which does not exist/)
  assert.match(text({ vcpus: [first, { ...second, cpus: '3-1' }] }), /vms\[0\]\.vcpus\[1\]\.cpus: .*got "3-1"/)
  assert.match(text({ cells: [{ ...a!.cells[0], cell: 1 }] }), /cell 1 where cell 0 belongs/)
  assert.match(text({ cells: [{ ...a!.cells[0], memory: [{ node: 9, bytes: GIB }] }] }), /node 9, which does not exist/)
  const half = { node: 0, bytes: GIB / 2 }
  assert.match(text({ cells: [{ ...a!.cells[0], memory: [half, half] }] }), /cell 0 lists a node twice/)
  assert.match(text({ iothreads: [] }), /0 I\/O threads, 1 asked for/)
  assert.match(text({ extra: 1 }), /vms\[0\]\.extra/)
})

test('the status says what is placed', () => {
  const request = { vms: [vm('a', 1)] }
  const plan = planOf(SMT, request, { a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' } })
  const statuses = (candidate: object) => checkPlan(SMT, request, candidate).map((finding) => finding.constraint)
  assert.is(plan.status, 'optimal')
  assert.equal(statuses({ ...plan, status: 'feasible' }), ['status'])
  assert.equal(statuses({ ...plan, status: 'partial' }), ['status'])
  assert.equal(statuses({ ...plan, status: 'infeasible' }), ['status'])
  const none = planOf(SMT, request, {})
  assert.equal(statuses(none), [])
  assert.equal(statuses({ ...none, status: 'partial' }), ['status'])
})

test('what is claimed of the cost is what it is', () => {
  const request = { vms: [vm('a', 2)] }
  const plan = planOf(SMT, request, { a: { cells: [{ cpus: [0, 2], memory: on0 }], emulator: '1,3' } })
  // Both cores hold a dedicated vCPU: nothing is left to share.
  const own = { ...plan, vms: [{ ...plan.vms[0]!, emulator: '0,2' }] }
  assert.is(own.cost.lostVcpus, 0.38)
  assert.equal(checkPlan(SMT, request, own), [])
  const texts = (cost: object) =>
    checkPlan(SMT, request, { ...own, cost: { ...own.cost, ...cost } }).map(({ text }) => text)
  assert.equal(texts({ lostVcpus: 0.3, gap: 0.3 }).length, 2)
  assert.equal(texts({ lowerBound: 0.39, gap: 0.01 }).length, 1)
  assert.equal(texts({ lowerBound: 0.1, gap: 0.1 }).length, 1)
  assert.equal(texts({ lowerBound: 0.1, gap: 0.28 }), [])
  assert.equal(texts({ lowerBound: 0.1000005, gap: 0.2799995 }).length, 1)
  assert.equal(texts({ lostVcpus: 0.38 + 1e-12 }), [])
  assert.match(texts({ lostVcpus: 0.3800002 })[0]!, /lostVcpus is said to be 0\.3800002, it is 0\.38/)
})

test('all violations are listed, and only a plan without any is sealed', () => {
  const request = { vms: [vm('a', 2), vm('b', 1)] }
  const bad = planOf(SMT, request, {
    a: { cells: [{ cpus: [0, 5], memory: on1 }], emulator: '2-3' },
    b: { cells: [{ cpus: [1], memory: on0 }], emulator: '2-3' },
  })
  assert.throws(
    () => verifyPlan(SMT, request, bad),
    (error: unknown) =>
      error instanceof PlanError &&
      ['cell-node', 'trust', 'emulator', 'memory-policy'].every((id) =>
        error.findings.some((finding) => finding.constraint === id),
      ),
  )
  const good = planOf(SMT, request, {
    a: { cells: [{ cpus: [0, 1], memory: on0 }], emulator: '2-3' },
    b: { cells: [{ cpus: [4], memory: on1 }], emulator: '6-7' },
  })
  const verified = verifyPlan(SMT, request, good)
  assert.equal(verified, good)
  assert.ok(isVerified(verified))
  assert.not(isVerified(good))
  assert.not(isVerified({ ...verified }))
  assert.not(isVerified(null))
  assert.throws(() => {
    ;(verified.vms[0]!.vcpus[0] as { cpus: string }).cpus = '7'
  }, TypeError)
})

test.run()
