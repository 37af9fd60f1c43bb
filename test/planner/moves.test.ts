/** The order of moves from where VMs are to where a plan has them, by hand. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Host, Move, Plan, Spare } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'
import { coresOf, GIB, hostOf, planOf, type VmSpec } from '../verify/support.js'

/** Two nodes of 4 CPUs and 8 GiB: CPUs 0-3 on node 0, 4-7 on node 1. */
const TWO = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([4, 4]) })
/** The same with two threads a core. */
const SMT = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([2, 2], 2) })

const on = (node: number, ...cpus: (number | number[])[]): VmSpec => at(node, GIB, ...cpus)

function at(node: number, bytes: number, ...cpus: (number | number[])[]): VmSpec {
  return { cells: [{ cpus, memory: { [node]: bytes }, node }] }
}

interface Way {
  readonly moves: readonly Move[]
  readonly spare?: readonly Spare[]
}

/** From where `from` has the VMs to where `to` has them; the verifier agrees with each step. CPU 8 houses the VMMs' threads. */
function way(
  on: Host,
  vms: readonly object[],
  from: Readonly<Record<string, VmSpec>>,
  to: Readonly<Record<string, VmSpec>>,
  more: object = {},
): Way {
  const host = withHousekeeping(on)
  const base = { ...more, reserve: { cpus: '99' }, vms }
  const housed = (specs: Readonly<Record<string, VmSpec>>) =>
    Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, { emulator: '99', ...spec }]))
  const before = new Map(planOf(host, base, housed(from)).vms.map((vm) => [vm.name, vm]))
  const request = {
    ...base,
    vms: base.vms.map((vm) => {
      const now = before.get((vm as { name: string }).name)
      return now === undefined ? vm : { ...vm, current: { cells: now.cells, vcpus: now.vcpus } }
    }),
  }
  const plan = planOf(host, request, housed(to))
  assert.equal(checkPlan(host, request, plan), [])
  const { moves = [], spare } = plan
  return spare === undefined ? { moves } : { moves, spare }
}

/** With a reserved CPU 99 on the first node. */
function withHousekeeping(host: Host): Host {
  const cpu = { ...host.cpus[0]!, id: 99, core: 99, thread: 0 }
  return { ...host, cpus: [...host.cpus, cpu] }
}

/** `1 a0 0->4 1->5 4G`: step, VM and cell, vCPUs with their CPUs, bytes. */
function brief({ moves }: Way): string[] {
  return moves.map(({ step, vm, cell, vcpus, bytes }) => {
    const pins = vcpus.map(({ vcpu, cpus }) => ` ${vcpu}->${cpus}`).join('')
    return `${step} ${vm}${cell}${pins}${bytes === 0 ? '' : ` ${bytes / GIB}G`}`
  })
}

const vm = (name: string, vcpus: number, more: object = {}) => ({ name, vcpus, memory: '1GiB', ...more })

test('VMs that stay do not move', () => {
  assert.equal(way(TWO, [vm('a', 2)], { a: on(0, 0, 1) }, { a: on(0, 0, 1) }), { moves: [] })
})

test('only the vCPUs that get another CPU are re-pinned', () => {
  assert.equal(way(TWO, [vm('a', 2)], { a: on(0, 0, 1) }, { a: on(0, 0, 2) }), {
    moves: [
      {
        step: 1,
        vm: 'a',
        cell: 0,
        vcpus: [{ vcpu: 1, node: 0, cpus: '2', dedicated: true }],
        pageSize: 4096,
        memory: [],
        bytes: 0,
      },
    ],
  })
})

test('a cell takes its memory with it to another node', () => {
  const { moves } = way(TWO, [vm('a', 1)], { a: on(0, 0) }, { a: on(1, 5) })
  assert.equal(moves[0]!.memory, [{ node: 1, bytes: GIB }])
  assert.is(moves[0]!.bytes, GIB)
  assert.is(moves.length, 1)
})

test('who makes room goes first', () => {
  const vms = [vm('a', 1), vm('b', 1), vm('c', 1)]
  const from = { a: on(0, 0), b: on(0, 1), c: on(0, 2) }
  assert.equal(brief(way(TWO, vms, from, { a: on(0, 1), b: on(0, 2), c: on(0, 3) })), [
    '1 c0 0->3',
    '2 b0 0->2',
    '3 a0 0->1',
  ])
})

test('memory that is full orders moves, too', () => {
  const vms = [vm('a', 1, { memory: '6GiB' }), vm('b', 1, { memory: '4GiB' })]
  const from = { a: at(0, 6 * GIB, 0), b: at(1, 4 * GIB, 4) }
  const host = hostOf({ nodes: { 0: 8, 1: 8, 2: 8 }, cores: coresOf([4, 4, 4]) })
  const to = { a: at(1, 6 * GIB, 5), b: at(2, 4 * GIB, 8) }
  assert.equal(brief(way(host, vms, from, to)), ['1 b0 0->8 4G', '2 a0 0->5 6G'])
})

test('two that change places: one waits on another CPU of its node', () => {
  const vms = [vm('a', 1), vm('b', 1)]
  assert.equal(brief(way(TWO, vms, { a: on(0, 0), b: on(0, 1) }, { a: on(0, 1), b: on(0, 0) })), [
    '1 b0 0->2',
    '2 a0 0->1',
    '3 b0 0->0',
  ])
})

test('two that change nodes: one waits on a CPU of its own, without its memory', () => {
  const vms = [vm('a', 2), vm('b', 2)]
  const swapped = way(TWO, vms, { a: on(0, 0, 1), b: on(1, 4, 5) }, { a: on(1, 4, 5), b: on(0, 0, 1) })
  assert.equal(brief(swapped), ['1 b0 0->6 1->7', '2 a0 0->4 1->5 1G', '3 b0 0->0 1->1 1G'])
})

test('a cell waits as often as others need its place', () => {
  const three = (...cells: number[][]): VmSpec => ({ cells: cells.map((cpus) => ({ cpus, memory: { 0: GIB } })) })
  const cells = [
    { vcpus: '0-2', memory: '1GiB' },
    { vcpus: '3-4', memory: '1GiB' },
    { vcpus: '5-6', memory: '1GiB' },
  ]
  const host = hostOf({ nodes: { 0: 8 }, cores: coresOf([9]) })
  const { moves, spare } = way(
    host,
    [{ name: 'a', vcpus: 7, memory: '3GiB', cells }],
    { a: three([0, 1, 2], [3, 4], [5, 6]) },
    { a: three([5, 3, 4], [0, 1], [2, 8]) },
  )
  assert.is(spare, undefined)
  assert.ok(moves.every(({ bytes }) => bytes === 0))
})

test('where memory is full, the smaller one waits on a third node', () => {
  const host = hostOf({ nodes: { 0: 4, 1: 4, 2: 4 }, cores: coresOf([2, 2, 2]) })
  const vms = [vm('a', 1, { memory: '4GiB' }), vm('b', 1, { memory: '3GiB' })]
  const way1 = way(
    host,
    vms,
    { a: at(0, 4 * GIB, 0), b: at(1, 3 * GIB, 2) },
    { a: at(1, 4 * GIB, 2), b: at(0, 3 * GIB, 0) },
  )
  assert.equal(brief(way1), ['1 b0 0->4 3G', '2 a0 0->2 4G', '3 b0 0->0 3G'])
})

test('a host without a free CPU: one more on either node would do', () => {
  const host = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([1, 1]) })
  const { moves, spare } = way(
    host,
    [vm('a', 1), vm('b', 1)],
    { a: on(0, 0), b: on(1, 1) },
    { a: on(1, 1), b: on(0, 0) },
  )
  assert.equal(moves, [])
  assert.equal(spare, [
    { node: 1, cpus: 1, bytes: 0, text: 'cell 0 of a cannot go on: 1 more free CPU on node 1 would help' },
  ])
})

test('a host without free memory: so many bytes on one node would do', () => {
  const host = hostOf({ nodes: { 0: 4, 1: 4 }, cores: coresOf([4, 4]) })
  const vms = [vm('a', 1, { memory: '4GiB' }), vm('b', 1, { memory: '3GiB' })]
  const { moves, spare } = way(
    host,
    vms,
    { a: at(0, 4 * GIB, 0), b: at(1, 3 * GIB, 4) },
    { a: at(1, 4 * GIB, 5), b: at(0, 3 * GIB, 1) },
  )
  assert.equal(moves, [])
  // a needs 3 GiB beside b on node 1, b the same beside a on node 0
  assert.equal(
    spare!.map(({ cpus, bytes }) => [cpus, bytes / GIB]),
    [[0, 3]],
  )
})

test('what can move does, also where the rest cannot', () => {
  const host = hostOf({ nodes: { 0: 8, 1: 8, 2: 8 }, cores: coresOf([1, 1, 2]) })
  const vms = [vm('a', 1), vm('b', 1), vm('c', 2)]
  const from = { a: on(0, 0), b: on(1, 1) }
  const { moves, spare } = way(host, vms.slice(0, 2), { ...from }, { a: on(1, 1), b: on(2, 2) })
  assert.is(spare, undefined)
  assert.equal(brief({ moves }), ['1 b0 0->2 1G', '2 a0 0->1 1G'])
})

test('shared vCPUs move only between nodes, and float over what is shared then', () => {
  const vms = [vm('a', 2), vm('s', 1, { cpuPolicy: 'shared' })]
  const stay = way(TWO, vms, { a: on(0, 0, 1), s: on(0, [2, 3]) }, { a: on(0, 2, 3), s: on(0, [0, 1]) })
  assert.equal(brief(stay), ['1 a0 0->2 1->3'])
  const go = way(TWO, vms, { a: on(0, 0, 1), s: on(0, [2, 3]) }, { a: on(1, 4, 5), s: on(1, [6, 7]) })
  assert.equal(brief(go), ['1 a0 0->4 1->5 1G', '2 s0 0->6-7 1G'])
})

test('dedicated vCPUs do not take the last CPU from shared ones that are still there', () => {
  const host = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([2, 2]) })
  const vms = [vm('a', 1), vm('s', 1, { cpuPolicy: 'shared' })]
  const from = { a: on(0, 0), s: on(1, [2, 3]) }
  const wide = way(host, vms, from, { a: on(1, 2), s: on(1, [3]) })
  assert.equal(brief(wide), ['1 a0 0->2 1G'])
  const narrow = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([2, 1]) })
  const swap = way(narrow, vms, { a: on(0, 0), s: on(1, [2]) }, { a: on(1, 2), s: on(0, [0, 1]) })
  assert.equal(brief(swap), ['1 s0 0->1 1G', '2 a0 0->2 1G'])
})

test('VMs that do not trust each other share no core on the way either', () => {
  const vms = [vm('a', 1), vm('b', 1)]
  // b leaves the core of CPUs 2 and 3 before a comes.
  assert.equal(brief(way(SMT, vms, { a: on(0, 0), b: on(0, 3) }, { a: on(0, 2), b: on(1, 4) })), [
    '1 b0 0->4 1G',
    '2 a0 0->2',
  ])
  // With trust it need not.
  const friends = vms.map((one) => ({ ...one, trust: 'us' }))
  assert.equal(brief(way(SMT, friends, { a: on(0, 0), b: on(0, 3) }, { a: on(0, 2), b: on(1, 4) })), [
    '1 a0 0->2',
    '2 b0 0->4 1G',
  ])
})

test('shared vCPUs of different trust domains float together on no node on the way either', () => {
  const host = hostOf({ nodes: { 0: 8, 1: 8, 2: 8 }, cores: coresOf([2, 2, 2]) })
  const shared = (name: string, trust: string) => vm(name, 1, { cpuPolicy: 'shared', trust })
  const to = { a: on(1, [2, 3]), b: on(2, [4, 5]) }
  const strangers = way(host, [shared('a', 'us'), shared('b', 'them')], { a: on(0, [0, 1]), b: on(1, [2, 3]) }, to)
  assert.equal(brief(strangers), ['1 b0 0->4-5 1G', '2 a0 0->2-3 1G'])
  // Those that change places wait for each other: one goes elsewhere for a while, or nothing does.
  const swap = way(
    host,
    [shared('a', 'us'), shared('b', 'them')],
    { a: on(0, [0, 1]), b: on(1, [2, 3]) },
    { a: on(1, [2, 3]), b: on(0, [0, 1]) },
  )
  assert.equal(brief(swap), ['1 b0 0->4-5 1G', '2 a0 0->2-3 1G', '3 b0 0->0-1 1G'])
  const friends = way(host, [shared('a', 'us'), shared('b', 'us')], { a: on(0, [0, 1]), b: on(1, [2, 3]) }, to)
  assert.equal(brief(friends), ['1 a0 0->2-3 1G', '2 b0 0->4-5 1G'])
})

test('pages beyond a limit are not taken on the way: who gives some back goes first', () => {
  const limits = [{ size: 4096, pages: GIB / 4096, cause: 'memory.max' }]
  const host = hostOf({ nodes: { 0: 8 }, cores: coresOf([4]), hugePages: 1024, limits })
  const pages = (pageSize: number, cpu: number): VmSpec => ({ cells: [{ cpus: [cpu], memory: { 0: GIB }, pageSize }] })
  const vms = [vm('a', 1, { pageSize: '4KiB' }), vm('b', 1, { pageSize: '2MiB' })]
  const exchanged = way(
    host,
    vms,
    { a: pages(2 ** 21, 0), b: pages(4096, 1) },
    { a: pages(4096, 0), b: pages(2 ** 21, 1) },
  )
  assert.equal(brief(exchanged), ['1 b0 1G', '2 a0 1G'])
})

test('a VM waits on no node that it keeps off, and with no memory on another than its own', () => {
  const host = hostOf({ nodes: { 0: 4, 1: 4, 2: 4, 3: 4 }, cores: coresOf([2, 2, 2, 2]) })
  const vms = [vm('a', 1, { memory: '4GiB' }), vm('b', 1, { memory: '3GiB' })]
  const swap = (more: object) => {
    const waiting = vms.map((one) => ({ ...one, ...more }))
    return way(
      host,
      waiting,
      { a: at(0, 4 * GIB, 0), b: at(1, 3 * GIB, 2) },
      { a: at(1, 4 * GIB, 2), b: at(0, 3 * GIB, 0) },
    )
  }
  assert.equal(brief(swap({})), ['1 b0 0->4 3G', '2 a0 0->2 4G', '3 b0 0->0 3G'])
  assert.equal(brief(swap({ memoryNodes: '0-1,3' })), ['1 b0 0->4 3G', '2 a0 0->2 4G', '3 b0 0->0 3G'])
  const placesOf = (more: object) => swap(more).moves.flatMap(({ memory }) => memory.map(({ node }) => node))
  assert.equal(placesOf({}), [2, 1, 0])
  assert.equal(placesOf({ memoryNodes: '0-1,3' }), [3, 1, 0])
  assert.equal(placesOf({ memoryNodes: '0-1' }), [])
  const off = vms.map((one) => ({ ...one, avoidDeviceNodes: true }))
  const from = { a: at(0, 4 * GIB, 0), b: at(1, 3 * GIB, 2) }
  const to = { a: at(1, 4 * GIB, 2), b: at(0, 3 * GIB, 0) }
  assert.equal(brief(way(host, off, from, to, { deviceNodes: '2' })), ['1 b0 0->6 3G', '2 a0 0->2 4G', '3 b0 0->0 3G'])
})

test('an isolated vCPU waits until the whole core is free', () => {
  const vms = [vm('a', 1, { threadPolicy: 'isolate', trust: 'us' }), vm('b', 1, { trust: 'us' })]
  assert.equal(brief(way(SMT, vms, { a: on(0, 0), b: on(0, 3) }, { a: on(0, 2), b: on(0, 0) })), [
    '1 b0 0->4 1G',
    '2 a0 0->2',
    '3 b0 0->0 1G',
  ])
})

test('VMs that are near each other go together', () => {
  const vms = [vm('a', 1), vm('b', 1, { near: ['a'] })]
  assert.equal(brief(way(TWO, vms, { a: on(0, 0), b: on(0, 1) }, { a: on(1, 4), b: on(1, 5) })), [
    '1 a0 0->4 1G',
    '1 b0 0->5 1G',
  ])
})

test('a VM that another number of cells is planned for goes in one step', () => {
  const vms = [vm('a', 2, { memory: '2GiB' })]
  const two: VmSpec = {
    cells: [
      { cpus: [0], memory: { 0: GIB } },
      { cpus: [4], memory: { 1: GIB } },
    ],
  }
  const { moves } = way(TWO, vms, { a: at(0, 2 * GIB, 0, 1) }, { a: two })
  assert.equal(brief({ moves }), ['1 a0', '1 a1 1->4 1G'])
  assert.ok(moves.every((move) => move.redivides))
})

test('cells of one VM move one by one', () => {
  const two = (first: number, second: number): VmSpec => ({
    cells: [
      { cpus: [first], memory: { [first < 4 ? 0 : 1]: GIB } },
      { cpus: [second], memory: { [second < 4 ? 0 : 1]: GIB } },
    ],
  })
  const vms = [vm('a', 2, { memory: '2GiB', cells: 2 })]
  assert.equal(brief(way(TWO, vms, { a: two(0, 1) }, { a: two(4, 5) })), ['1 a0 0->4 1G', '2 a1 1->5 1G'])
})

test('a strict device has a cell on its node at every step', () => {
  const two = (first: number, second: number): VmSpec => ({
    cells: [
      { cpus: [first], memory: { [first < 4 ? 0 : 1]: GIB } },
      { cpus: [second], memory: { [second < 4 ? 0 : 1]: GIB } },
    ],
  })
  const vms = [vm('a', 2, { memory: '2GiB', cells: 2, devices: [{ node: 0, strict: true }] })]
  assert.equal(brief(way(TWO, vms, { a: two(0, 4) }, { a: two(5, 1) })), ['1 a1 1->1 1G', '2 a0 0->5 1G'])
})

test('VMs that are new start after the last move, VMs that are refused are gone before the first', () => {
  const vms = [vm('a', 1), vm('gone', 1), vm('new', 1)]
  assert.equal(brief(way(TWO, vms, { a: on(0, 0), gone: on(0, 1) }, { a: on(0, 1), new: on(0, 0) })), ['1 a0 0->1'])
})

test('VMs on top of each other are taken apart', () => {
  const vms = [vm('a', 1), vm('b', 1), vm('c', 1)]
  const piled = { a: on(0, 0), b: on(0, 0), c: on(0, 0) }
  assert.equal(brief(way(TWO, vms, piled, { a: on(0, 0), b: on(0, 1), c: on(0, 2) })), ['1 b0 0->1', '2 c0 0->2'])
})

test('a node with more than it has is emptied step by step', () => {
  const vms = ['a', 'b', 'c'].map((name) => vm(name, 1, { memory: '4GiB' }))
  const from = { a: at(0, 4 * GIB, 0), b: at(0, 4 * GIB, 1), c: at(0, 4 * GIB, 2) }
  const to = { a: at(0, 4 * GIB, 3), b: at(1, 4 * GIB, 4), c: at(1, 4 * GIB, 5) }
  assert.equal(brief(way(TWO, vms, from, to)), ['1 a0 0->3', '2 b0 0->4 4G', '3 c0 0->5 4G'])
})

test('a plan for a request without current placements has no moves', () => {
  const host = withHousekeeping(TWO)
  const request = { reserve: { cpus: '99' }, vms: [vm('a', 1)] }
  const plan: Plan = planOf(host, request, { a: { ...on(0, 0), emulator: '99' } })
  assert.equal(checkPlan(host, request, plan), [])
  assert.is(checkPlan(host, request, { ...plan, moves: [] }).length, 1)
})

test.run()
