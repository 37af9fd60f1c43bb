/** For each rule of docs/model.md about cells and memory a plan that holds, and one that differs in the smallest way that breaks it. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Plan } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'
import { coresOf, GIB, type HostSpec, hostOf, planOf, type VmSpec } from './support.js'
import { constraints, twins, vm } from './twins.js'

const PAGE = 4096
const HUGE = 2 ** 21

/** Nodes of 4 GiB, two CPUs on each but those of `bare`; every CPU but the last of a node is for vCPUs, that one is reserved. */
function hostWith(nodes: number, more: Partial<HostSpec> = {}, bare: readonly number[] = []) {
  const ids = Array.from({ length: nodes }, (_, id) => id)
  const cores = coresOf(ids.map((id) => (bare.includes(id) ? 0 : 2)))
  return hostOf({ nodes: Object.fromEntries(ids.map((id) => [id, 4])), cores, ...more })
}

/** A matrix with 10 on the diagonal, 20 elsewhere, but for these. */
function distances(nodes: number, ...others: readonly (readonly [from: number, to: number, distance: number])[]) {
  const all = Array.from({ length: nodes }, (_, from) =>
    Array.from({ length: nodes }, (_, to): number => (from === to ? 10 : 20)),
  )
  for (const [from, to, distance] of others) all[from]![to] = distance
  return all
}

const reserve = { reserve: { cpus: '1' } }

/** One cell, its vCPUs on these CPUs and its memory as given, threads on CPU 1. */
function a(memory: Record<number, number>, cpus: readonly number[] = [0], pageSize = PAGE): Record<string, VmSpec> {
  return { a: { cells: [{ cpus, memory, pageSize }], emulator: '1' } }
}

test('memory on a node that is not one of memoryNodes is found (memory-nodes)', () => {
  const host = hostWith(3, { distances: distances(3, [0, 2, 15]) })
  twins('memory-nodes', host, [vm('a', 1, { memoryNodes: '1-2' })], a({ 2: GIB }), a({ 0: GIB }), reserve)
  const preferred = [vm('a', 1, { memoryNodes: '2', memoryPolicy: 'preferred' })]
  twins('memory-nodes', host, preferred, a({ 2: GIB }), a({ 2: GIB / 2, 1: GIB / 2 }), reserve)
})

test('memory of nodes that VMs may not have is found (memory-nodes)', () => {
  const vms = [vm('a', 1)]
  const kept = { reserve: { cpus: '1', nodes: '0,2' } }
  twins('memory-nodes', hostWith(3), vms, a({ 1: GIB }), a({ 0: GIB }), kept)
  const spill = [vm('a', 1, { memoryPolicy: 'preferred', memory: '5GiB' })]
  twins('memory-nodes', hostWith(3), spill, a({ 0: 4 * GIB, 1: GIB }), a({ 0: 4 * GIB, 2: GIB }), {
    reserve: { cpus: '1', nodes: '2' },
  })
  twins('memory-nodes', hostWith(2, { forbidden: [0] }), vms, a({ 1: GIB }), a({ 0: GIB }), reserve)
})

test('memory on a node of devices is found (device-nodes)', () => {
  const options = { ...reserve, deviceNodes: '1' }
  const vms = [vm('a', 1, { memoryPolicy: 'preferred', memory: '5GiB' })]
  twins('device-nodes', hostWith(3), vms, a({ 0: 4 * GIB, 2: GIB }), a({ 0: 4 * GIB, 1: GIB }), options)
  const withDevice = [vm('a', 1, { memoryPolicy: 'preferred', memory: '5GiB', devices: [{ node: 0 }] })]
  const request = { ...options, vms: withDevice }
  assert.equal(constraints(hostWith(3), request, a({ 0: 4 * GIB, 1: GIB })), [])
})

test('a device of a node without usable CPUs is at the nearest with some (device)', () => {
  const host = hostWith(4, { distances: distances(4, [0, 3, 40], [1, 3, 30], [2, 3, 30]) }, [3])
  const vms = [vm('a', 1, { devices: [{ node: 3 }] })]
  twins('device', host, vms, a({ 1: GIB }, [2]), a({ 0: GIB }, [0]), reserve)
  twins('device', host, vms, a({ 2: GIB }, [4]), a({ 0: GIB }, [0]), reserve)
  // The CPUs of node 1 are reserved: no cell can be there.
  const others = { reserve: { cpus: '1-3' } }
  const soft = [vm('a', 1, { devices: [{ node: 1 }] })]
  const far = hostWith(3, { distances: distances(3, [2, 1, 15]) })
  const on = (node: number, cpu: number) => ({
    a: { cells: [{ cpus: [cpu], memory: { [node]: GIB } }], emulator: node === 0 ? '1' : '1-3' },
  })
  twins('device', far, soft, on(2, 4), on(0, 0), others)
})

test('more pages than a node has are found (memory-capacity)', () => {
  const host = hostWith(1, { reclaimable: { 0: 1 }, hugePages: 8 })
  const pages = (bytes: number) => [vm('a', 1, { memory: `${bytes / 1024}KiB`, pageSize: '4KiB' })]
  const found = (bytes: number, options: object) =>
    constraints(host, { ...reserve, ...options, vms: pages(bytes) }, a({ 0: bytes }))
  assert.equal(found(5 * GIB, {}), [])
  assert.equal(found(5 * GIB + PAGE, {}), ['memory-capacity'])
  assert.equal(found(4 * GIB, { freeMemoryOnly: true }), [])
  assert.equal(found(4 * GIB + PAGE, { freeMemoryOnly: true }), ['memory-capacity'])
  const kept = { reserve: { cpus: '1', memory: '5MiB' } }
  assert.equal(found(5 * GIB - 5 * 2 ** 20, kept), [])
  assert.equal(found(5 * GIB - 5 * 2 ** 20 + PAGE, kept), ['memory-capacity'])
  const huge = (count: number) => [vm('a', 1, { memory: `${2 * count}MiB`, pageSize: '2MiB' })]
  const hugeFound = (count: number) =>
    constraints(host, { ...reserve, vms: huge(count) }, a({ 0: count * HUGE }, [0], HUGE))
  assert.equal(hugeFound(8), [])
  assert.equal(hugeFound(9), ['memory-capacity'])
})

test('more pages than all nodes together may give are found (memory-limit)', () => {
  const limits = [
    { size: PAGE, pages: GIB / PAGE + 1, cause: 'memory.max of /a' },
    { size: HUGE, pages: 5, cause: 'hugetlb.2MB.max of /a' },
  ]
  const host = hostWith(2, { limits, hugePages: 4 })
  const both = (first: number, second: number, size: number) => ({
    a: {
      cells: [
        { cpus: [0], memory: { 0: first }, pageSize: size },
        { cpus: [2], memory: { 1: second }, pageSize: size },
      ],
      emulator: '1',
    },
  })
  const found = (pages: number, size: number) => {
    const [first, second] = [Math.ceil(pages / 2) * size, Math.floor(pages / 2) * size]
    const vms = [vm('a', 2, { cells: 2, memory: `${(pages * size) / 1024}KiB`, pageSize: `${size / 1024}KiB` })]
    return constraints(host, { ...reserve, vms }, both(first, second, size))
  }
  assert.equal(found(GIB / PAGE + 1, PAGE), [])
  assert.equal(found(GIB / PAGE + 2, PAGE), ['memory-limit'])
  assert.equal(found(5, HUGE), [])
  assert.equal(found(6, HUGE), ['memory-limit'])
})

test('strict memory is on any of the nearest nodes, and on no other (memory-policy)', () => {
  // Node 1 is as near to node 0 as node 0 itself; node 2 is not.
  const host = hostWith(3, { distances: distances(3, [0, 1, 10]) })
  const vms = [vm('a', 1)]
  for (const good of [{ 0: GIB }, { 1: GIB }, { 0: PAGE, 1: GIB - PAGE }]) {
    twins('memory-policy', host, vms, a(good), a({ 1: GIB - PAGE, 2: PAGE }), reserve)
  }
  // From node 2 only node 2 is: distances have a direction.
  const fromNodeTwo = hostWith(3, { distances: distances(3, [0, 2, 10]) })
  twins('memory-policy', fromNodeTwo, vms, a({ 2: GIB }, [4]), a({ 0: GIB }, [4]), reserve)
})

test('strict memory of a cell that spans is divided by its vCPUs, each share among its own nodes (memory-policy)', () => {
  // Node 0 may have memory on 0 and 1, node 1 on 1 and 2, node 3 on 3.
  const near = distances(4, [0, 1, 10], [1, 2, 10])
  const host = hostWith(4, { distances: near })
  const pages = (...counts: number[]) =>
    Object.fromEntries(counts.flatMap((count, node) => (count === 0 ? [] : [[node, count * PAGE]])))
  const vms = [vm('a', 2, { span: true, memory: '40KiB' })]
  const found = (vcpus: object[], memory: Record<number, number>, cpus: number[]) =>
    constraints(host, { ...reserve, vms: vcpus }, a(memory, cpus))
  for (const good of [pages(5, 0, 5), pages(5, 5), pages(0, 5, 5), pages(1, 9), pages(0, 10), pages(2, 4, 4)]) {
    assert.equal(found(vms, good, [0, 2]), [])
  }
  for (const bad of [pages(6, 4), pages(0, 4, 6), pages(6, 0, 4), pages(10), pages(0, 9, 0, 1)]) {
    assert.equal(found(vms, bad, [0, 2]), ['memory-policy'])
  }
  // Three vCPUs, ten pages: 3 or 4 for each.
  const three = [vm('a', 3, { span: true, memory: '40KiB' })]
  for (const good of [pages(3, 0, 3, 4), pages(4, 3, 0, 3), pages(0, 7, 0, 3), pages(0, 3, 3, 4)]) {
    assert.equal(found(three, good, [0, 2, 6]), [])
  }
  for (const bad of [pages(5, 2, 0, 3), pages(3, 2, 0, 5), pages(0, 3, 5, 2), pages(2, 0, 4, 4), pages(0, 2, 4, 4)]) {
    assert.equal(found(three, bad, [0, 2, 6]), ['memory-policy'])
  }
})

test('interleaved memory is even over all memory nodes of the nodes of the VM (memory-policy)', () => {
  const host = hostWith(4, { distances: distances(4, [0, 3, 10]) })
  const vms = [vm('a', 2, { cells: 2, memory: '32KiB', memoryPolicy: 'interleave' })]
  const both = (first: Record<number, number>, second: Record<number, number>) => ({
    a: {
      cells: [
        { cpus: [0], memory: first },
        { cpus: [2], memory: second },
      ],
      emulator: '1',
    },
  })
  const [even, other] = [
    { 0: PAGE, 1: 2 * PAGE, 3: PAGE },
    { 0: 2 * PAGE, 1: PAGE, 3: PAGE },
  ]
  twins('memory-policy', host, vms, both(even, other), both(even, { 0: 2 * PAGE, 1: 2 * PAGE }), reserve)
  twins('memory-policy', host, vms, both(other, even), both(other, { 0: 2 * PAGE, 1: PAGE, 2: PAGE }), reserve)
  twins('memory-policy', host, vms, both(other, even), both(other, { 0: 3 * PAGE, 3: PAGE }), reserve)
})

test('preferred memory spills only where all that is nearer is used up (memory-policy)', () => {
  const near = distances(3, [0, 1, 10], [0, 2, 15])
  const vms = (more: object = {}) => [vm('a', 1, { memoryPolicy: 'preferred', memory: '9GiB', ...more })]
  const full = { 0: 4 * GIB, 1: 4 * GIB, 2: GIB }
  const host = hostWith(3, { distances: near })
  twins('memory-policy', host, vms(), a(full), a({ 0: 4 * GIB, 1: 4 * GIB - PAGE, 2: GIB + PAGE }), reserve)
  // Node 1 is not one of its nodes, and what could be reclaimed counts as there.
  const without = vms({ memory: '5GiB', memoryNodes: '0,2' })
  twins('memory-policy', host, without, a({ 0: 4 * GIB, 2: GIB }), a({ 0: 3 * GIB, 2: 2 * GIB }), reserve)
  const cached = hostWith(3, { distances: near, reclaimable: { 0: 1 } })
  const spilt = { 0: 4 * GIB, 2: GIB }
  assert.equal(constraints(cached, { ...reserve, vms: without }, a(spilt)), ['memory-policy'])
  assert.equal(constraints(cached, { ...reserve, freeMemoryOnly: true, vms: without }, a(spilt)), [])
  // Where the limit is used up, no node has a page left.
  const limits = [{ size: PAGE, pages: (5 * GIB) / PAGE, cause: 'memory.max of /' }]
  const limited = hostWith(3, { distances: near, limits })
  const five = [vm('a', 1, { memoryPolicy: 'preferred', memory: '5GiB' })]
  assert.equal(constraints(limited, { ...reserve, vms: five }, a({ 2: 4 * GIB, 0: GIB })), [])
  assert.equal(constraints(host, { ...reserve, vms: five }, a({ 2: 4 * GIB, 0: GIB })), ['memory-policy'])
})

test('smaller pages than could be had are found (page-size)', () => {
  const vms = [vm('a', 1, { memory: '8MiB' })]
  const eight = 2 ** 23
  const host = (pages: number, limit: number) =>
    hostWith(1, { hugePages: pages, limits: [{ size: HUGE, pages: limit, cause: 'hugetlb.2MB.max of /' }] })
  twins('page-size', host(4, 4), vms, a({ 0: eight }, [0], HUGE), a({ 0: eight }), reserve)
  twins('memory-limit', host(4, 3), vms, a({ 0: eight }), a({ 0: eight }, [0], HUGE), reserve)
  twins('memory-capacity', host(3, 4), vms, a({ 0: eight }), a({ 0: eight }, [0], HUGE), reserve)
  // Each part alone would do, both together are beyond the limit.
  const two = hostWith(2, { hugePages: 4, limits: [{ size: HUGE, pages: 3, cause: 'hugetlb.2MB.max of /' }] })
  const spans = [vm('a', 2, { memory: '8MiB', span: true })]
  assert.equal(constraints(two, { ...reserve, vms: spans }, a({ 0: eight / 2, 1: eight / 2 }, [0, 2])), [])
})

test('page sizes are those of the host, whatever they are (page-size)', () => {
  const [base, large, giant] = [2 ** 16, 2 ** 29, 2 ** 34]
  const pages = [
    { size: base, total: 2 ** 22, free: 2 ** 22 },
    { size: large, total: 16, free: 16 },
    { size: giant, total: 3, free: 3 },
  ]
  const [node] = hostWith(1).nodes
  const memory = { total: 2 ** 38, free: 2 ** 38 }
  const host = { ...hostWith(1), nodes: [{ ...node!, memory, pages }] }
  const gib = (count: number) => [vm('a', 1, { memory: `${count}GiB` })]
  const on = (bytes: number, size: number) => a({ 0: bytes }, [0], size)
  twins('page-size', host, gib(48), on(3 * giant, giant), on(3 * giant, base), reserve)
  twins('page-size', host, gib(8), on(8 * GIB, large), on(8 * GIB, base), reserve)
  twins('memory-capacity', host, gib(64), on(4 * giant, base), on(4 * giant, giant), reserve)
  const sized = (pageSize: string) => [vm('a', 1, { memory: '8GiB', pageSize })]
  twins('page-size', host, sized('64KiB'), on(8 * GIB, base), on(8 * GIB, large), reserve)
  twins('page-size', host, sized('512MiB'), on(8 * GIB, large), on(8 * GIB, base), reserve)
})

test('cells of other numbers than the request leads to are found (cells)', () => {
  const parts = (first: number, second: number): Record<string, VmSpec> => ({
    a: {
      cells: [
        { cpus: [0], memory: { 0: first * PAGE } },
        { cpus: [2], memory: { 1: second * PAGE } },
      ],
      emulator: '1',
    },
  })
  twins('cells', hostWith(2), [vm('a', 2, { cells: 2, memory: '20KiB' })], parts(3, 2), parts(2, 3), reserve)
})

test('a CPU whose node is not known is on that of its package, else the lowest with memory (cell-node)', () => {
  const cores = [
    { node: 0, cpus: [0], nodeless: true, package: 1 },
    { node: 1, cpus: [1], package: 0 },
    { node: 2, cpus: [2], package: 1 },
    { node: 1, cpus: [3], nodeless: true, package: 7 },
  ]
  const host = hostOf({ nodes: { 0: 0, 1: 4, 2: 4 }, cores })
  const on = (cpu: number, node: number) => ({
    a: { cells: [{ cpus: [cpu], memory: { [node]: GIB }, node }], emulator: '1' },
  })
  twins('cell-node', host, [vm('a', 1)], on(0, 2), on(0, 1), reserve)
  twins('cell-node', host, [vm('a', 1)], on(3, 1), on(3, 2), reserve)
})

test('wrong numbers and words about a plan are found (cost, status, format)', () => {
  const vms = [vm('a', 2, { cells: 2, memory: '8KiB' }), vm('b', 1, { memory: '64GiB' })]
  const host = hostWith(2)
  const request = { ...reserve, vms }
  const cells = [
    { cpus: [0], memory: { 0: PAGE } },
    { cpus: [2], memory: { 1: PAGE } },
  ]
  const plan = planOf(host, request, { a: { cells, emulator: '1' } })
  const found = (candidate: object) => [
    ...new Set(checkPlan(host, request, candidate).map(({ constraint }) => constraint)),
  ]
  assert.equal(found(plan), [])
  const { terms } = plan.cost
  assert.is(terms.cells, 0.02)
  assert.equal(found({ ...plan, cost: { ...plan.cost, terms: { ...terms, cells: 0 } } }), ['cost'])
  assert.equal(found({ ...plan, status: 'feasible' }), ['status'])
  // Who does not say that a refusal is proven has not proven it; who says so is believed.
  const [{ proven, ...refused }] = plan.refused as [Plan['refused'][number]]
  assert.is(proven, false)
  assert.equal(found({ ...plan, refused: [refused] }), [])
  assert.equal(found({ ...plan, refused: [{ ...refused, proven: true }] }), [])
  assert.equal(found({ ...plan, refused: [{ ...refused, proven: 'yes' }] }), ['format'])
})

test.run()
