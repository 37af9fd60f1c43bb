/** On which nodes a VM's memory is, and how much there is to be had, by small cases worked out by hand. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { plan } from '../../src/plan.js'
import type { Host } from '../../src/types.js'
import { coresOf, GIB, type HostSpec, hostOf } from '../verify/support.js'
import { changesFor, clashOf, cpusOf, memoryOf, nodesOf, planned } from './planned.js'

/** `distances[from][to]` by the pairs that are given, either way; 10 on the diagonal, 20 elsewhere. */
function matrix(nodes: number, pairs: Readonly<Record<string, number>> = {}): number[][] {
  return Array.from({ length: nodes }, (_, from) =>
    Array.from({ length: nodes }, (_, to) =>
      from === to ? 10 : (pairs[`${from}-${to}`] ?? pairs[`${to}-${from}`] ?? 20),
    ),
  )
}

/** One package of four CPUs on node 0, its memory of 8 GiB on nodes 0 and 1 at distance 10; the same again as nodes 2 and 3. */
const HALVES = hostOf({
  nodes: { 0: 4, 1: 4, 2: 4, 3: 4 },
  cores: coresOf([4, 0, 4]),
  distances: matrix(4, { '0-1': 10, '2-3': 10 }),
})

test('memory nodes at distance 10 are all local: one that holds all before several, several where none does', async () => {
  const three = { vcpus: 2, memory: '3GiB' }
  const four = await planned(
    HALVES,
    ['a', 'b', 'c', 'd'].map((name) => ({ name, ...three })),
  )
  assert.is(four.cost.lostVcpus, 0)
  assert.equal(
    ['a', 'b', 'c', 'd'].map((name) => memoryOf(four, name)),
    ['0: 3', '1: 3', '2: 3', '3: 3'],
  )
  const big = await planned(HALVES, [{ name: 'a', vcpus: 4, memory: '6GiB' }])
  assert.is(big.cost.lostVcpus, 0)
  assert.is(memoryOf(big, 'a'), '0: 4, 1: 2')
  const bigger = await planned(HALVES, [{ name: 'a', vcpus: 4, memory: '9GiB', cells: 1 }])
  assert.equal(clashOf(bigger, 'a'), ['cell-node', 'memory-capacity', 'memory-policy'])
})

test('of the nearest nodes with memory any may be taken, and none that is farther', async () => {
  const spec: HostSpec = { nodes: { 0: 2, 1: 5, 2: 0, 3: 1, 4: 64 }, cores: coresOf([0, 0, 4]) }
  const host = hostOf({ ...spec, distances: matrix(5, { '2-4': 21 }) })
  assert.is(memoryOf(await planned(host, [{ name: 'a', vcpus: 4, memory: '4GiB' }]), 'a'), '1: 4')
  assert.is(memoryOf(await planned(host, [{ name: 'a', vcpus: 4, memory: '8GiB' }]), 'a'), '0: 2, 1: 5, 3: 1')
  const more = await planned(host, [{ name: 'a', vcpus: 4, memory: '9GiB' }])
  assert.ok(changesFor(more, 'a').includes('memoryPolicy: "preferred"'))
  const spilled = await planned(host, [{ name: 'a', vcpus: 4, memory: '9GiB', memoryPolicy: 'preferred' }])
  assert.is(memoryOf(spilled, 'a'), '0: 2, 1: 5, 3: 1, 4: 1')
})

test('a node that is outside of the cpuset or left out is no memory node of anyone', async () => {
  const spec: HostSpec = { nodes: { 0: 8, 1: 8, 2: 8 }, cores: coresOf([4]) }
  const near = matrix(3, { '0-1': 12 })
  const vm = { name: 'a', vcpus: 2, memory: '4GiB' }
  const closed = hostOf({ ...spec, distances: near, forbidden: [0] })
  const found = await planned(closed, [vm])
  assert.is(memoryOf(found, 'a'), '1: 4')
  // 2 x 0.3 x (12 - 10) / 10
  assert.is(found.cost.lostVcpus, 0.12)
  const open = hostOf({ ...spec, distances: near })
  assert.is(memoryOf(await planned(open, [vm], { reserve: { nodes: '0-1' } }), 'a'), '2: 4')
  const none = await planned(open, [vm], { reserve: { nodes: '0-2' } })
  assert.equal(clashOf(none, 'a'), ['cpu-usable'])
})

test('memory of one part makes room for another: shares are moved among memory nodes until all fit', async () => {
  // Node 0 may use nodes 2 and 3, node 1 only node 2; all of node 2 is for node 1.
  const host = hostOf({
    nodes: { 0: 0, 1: 0, 2: 4, 3: 4 },
    cores: coresOf([2, 2]),
    distances: matrix(4, { '0-2': 15, '0-3': 15, '1-2': 15, '1-3': 30 }),
  })
  const found = await planned(host, [{ name: 'a', vcpus: 4, memory: '8GiB', cells: 1, span: true }])
  assert.is(memoryOf(found, 'a'), '2: 4, 3: 4')
})

test('which node has a page more is as the room is: a cell of three pages on two nodes', async () => {
  const host = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([1, 1]), hugePages: 2 })
  const few: Host = {
    ...host,
    nodes: host.nodes.map((node) => ({
      ...node,
      pages: node.pages.map((pool) => (pool.size > 4096 && node.id === 0 ? { ...pool, free: 1 } : pool)),
    })),
  }
  for (const memoryPolicy of ['interleave', 'strict']) {
    const vm = { name: 'a', vcpus: 2, cells: 1, span: true, memory: '6MiB', pageSize: '2MiB', memoryPolicy }
    const found = await planned(few, [vm])
    assert.is(memoryOf(found, 'a'), `0: ${2 / 1024}, 1: ${4 / 1024}`)
  }
})

test('a page more is where it costs least', async () => {
  const host = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([1, 3]), hugePages: 8 })
  const vm = { name: 'a', vcpus: 4, memory: '10MiB', pageSize: '2MiB', memoryPolicy: 'interleave', cells: 2 }
  const found = await planned(host, [
    {
      ...vm,
      cells: [
        { vcpus: '0', memory: '4MiB' },
        { vcpus: '1-3', memory: '6MiB' },
      ],
    },
  ])
  // The second cell has three pages, and three vCPUs on node 1.
  assert.equal(
    found.vms[0]!.cells[1]!.memory.map(({ node, bytes }) => [node, bytes / 2 ** 21]),
    [
      [0, 1],
      [1, 2],
    ],
  )
})

test('page cache counts as free unless the request wants free memory only', async () => {
  const host = hostOf({ nodes: { 0: 2 }, cores: coresOf([4]), reclaimable: { 0: 6 } })
  const vm = { name: 'a', vcpus: 2, memory: '7GiB' }
  assert.is(memoryOf(await planned(host, [vm]), 'a'), '0: 7')
  assert.equal((await planned(host, [vm], { reserve: { memory: '1GiB' } })).refused, [])
  assert.equal(clashOf(await planned(host, [vm], { reserve: { memory: '1025MiB' } }), 'a'), ['memory-capacity'])
  const free = await planned(host, [vm], { freeMemoryOnly: true })
  assert.equal(clashOf(free, 'a'), ['memory-capacity'])
  assert.match(free.refused[0]!.because[0]!.text, /node 0 has 2 GiB free/)
})

test('a limit for all nodes together refuses what is beyond it, and is named with its cause', async () => {
  const limits = [{ size: 4096, pages: (3 * GIB) / 4096, cause: 'memory.max of /vms' }]
  const spec: HostSpec = { nodes: { 0: 4, 1: 4 }, cores: coresOf([4, 4]), limits }
  const vm = { vcpus: 2, memory: '2GiB', pageSize: '4KiB' }
  const found = await planned(hostOf(spec), [
    { name: 'a', ...vm, weight: 2 },
    { name: 'b', ...vm },
  ])
  assert.equal(clashOf(found, 'b'), ['memory-limit'])
  assert.match(
    found.refused[0]!.because[0]!.text,
    /together give no more than 1 GiB in pages of 4 KiB \(memory.max of \/vms\)/,
  )
  // Pages of another size are not in it: a VM that takes any has these.
  const host = hostOf({ ...spec, hugePages: 512 })
  const any = await planned(host, [
    { name: 'a', ...vm, weight: 2 },
    { name: 'b', ...vm, memory: '1GiB', pageSize: 'any' },
    { name: 'c', ...vm, memory: '1GiB', pageSize: 'any' },
  ])
  assert.equal(any.refused, [])
  assert.equal(any.vms.map(({ cells }) => cells[0]!.pageSize).sort(), [2 ** 21, 2 ** 21, 4096])
  const whole = await planned(host, [{ name: 'a', ...vm, memory: '3GiB' }])
  assert.equal(whole.refused, [])
})

test('memoryNodes: the nearest of these, and no others', async () => {
  // Fast memory without CPUs beside each of two nodes.
  const host = hostOf({
    nodes: { 0: 16, 1: 16, 2: 4, 3: 4 },
    cores: coresOf([4, 4]),
    distances: matrix(4, { '0-2': 13, '1-3': 13, '0-3': 23, '1-2': 23 }),
  })
  const vm = { name: 'a', vcpus: 4, memory: '4GiB', memoryNodes: '2-3' }
  const found = await planned(host, [vm])
  assert.is(memoryOf(found, 'a'), '2: 4')
  assert.equal(nodesOf(found, 'a'), [0])
  // 4 x 0.3 x (13 - 10) / 10
  assert.is(found.cost.lostVcpus, 0.36)
  const big = await planned(host, [{ ...vm, memory: '5GiB', cells: 1 }])
  assert.ok(clashOf(big, 'a').includes('memory-nodes'))
  assert.match(big.refused[0]!.because.at(-1)!.text, /kept to the nodes 2-3: node 0 is none of its memoryNodes/)
  assert.ok(changesFor(big, 'a').includes('memoryNodes: any'))
  const spilled = await planned(host, [{ ...vm, memory: '6GiB', cells: 1, memoryPolicy: 'preferred' }])
  assert.is(memoryOf(spilled, 'a'), '2: 4, 3: 2')
  // Interleaved memory is on the memory nodes of its nodes, each its nearest.
  const even = await planned(host, [{ ...vm, vcpus: 8, cells: 2, memoryPolicy: 'interleave' }])
  assert.is(memoryOf(even, 'a'), '2: 2, 3: 2')
})

test('VMs without devices keep off the nodes of devices, unless they say otherwise', async () => {
  const host = hostOf({ nodes: { 0: 8, 1: 8, 2: 8 }, cores: coresOf([4, 4]), distances: matrix(3, { '1-2': 15 }) })
  const deviceNodes = '0'
  const vm = { name: 'a', vcpus: 4, memory: '4GiB' }
  assert.equal(nodesOf(await planned(host, [vm], { deviceNodes }), 'a'), [1])
  assert.equal(nodesOf(await planned(host, [{ ...vm, devices: [{ node: 0 }] }], { deviceNodes }), 'a'), [0])
  assert.equal(nodesOf(await planned(host, [{ ...vm, avoidDeviceNodes: false }], { deviceNodes }), 'a'), [0])
  const two = await planned(
    host,
    [
      { ...vm, weight: 2 },
      { ...vm, name: 'b' },
    ],
    { deviceNodes },
  )
  assert.ok(clashOf(two, 'b').includes('device-nodes'))
  assert.ok(changesFor(two, 'b').includes('avoidDeviceNodes: false'))
  // Memory keeps off as well: spilled beyond node 1 it is on node 2, not on node 0.
  const spilled = await planned(host, [{ ...vm, memory: '10GiB', memoryPolicy: 'preferred' }], { deviceNodes })
  assert.is(memoryOf(spilled, 'a'), '1: 8, 2: 2')
})

test('a strict device on a node without usable CPUs has a cell on the nearest node that has some', async () => {
  const host = hostOf({
    nodes: { 0: 8, 1: 8, 2: 8 },
    cores: coresOf([4, 4]),
    distances: matrix(3, { '0-2': 40, '1-2': 20 }),
  })
  const vm = { name: 'a', vcpus: 2, devices: [{ node: 2 }] }
  assert.equal(nodesOf(await planned(host, [vm]), 'a'), [1])
  // Where node 1 has none left, its device is on node 0.
  assert.equal(nodesOf(await planned(host, [vm], { reserve: { cpus: '4-7' } }), 'a'), [0])
  const full = await planned(host, [
    { ...vm, weight: 2, vcpus: 4, cells: 1 },
    { ...vm, name: 'b' },
  ])
  assert.ok(clashOf(full, 'b').includes('device'))
})

test('apart is apart in memory too: strict memory is on what the other leaves of its memory nodes', async () => {
  const vms = [
    { name: 'a', vcpus: 4, memory: '7GiB', weight: 2 },
    { name: 'b', vcpus: 1, separateFrom: ['a'] },
  ]
  const found = await planned(HALVES, vms)
  assert.is(memoryOf(found, 'a'), '0: 4, 1: 3')
  assert.equal(nodesOf(found, 'b'), [2])
  // Node 2 has no memory, its memory nodes are 0 and 1; a has node 0.
  const host = hostOf({ nodes: { 0: 4, 1: 4, 2: 0 }, cores: coresOf([2, 0, 2]) })
  const beside = (memoryPolicy: string) => [
    { name: 'a', vcpus: 2, weight: 2, devices: [{ node: 0 }] },
    { name: 'b', vcpus: 2, memory: '3GiB', separateFrom: ['a'], memoryPolicy },
  ]
  for (const memoryPolicy of ['strict', 'preferred']) {
    assert.is(memoryOf(await planned(host, beside(memoryPolicy)), 'b'), '1: 3')
  }
  assert.ok(clashOf(await planned(host, beside('interleave')), 'b').includes('separate'))
})

/** Base pages of 64 KiB, and huge ones of 2 MiB, 512 MiB and 16 GiB. */
const LARGE = hostOf({ nodes: { 0: 256, 1: 256 }, cores: coresOf([8, 8]) })
const LARGE_PAGES: Host = {
  ...LARGE,
  nodes: LARGE.nodes.map((node) => ({
    ...node,
    pages: [
      { size: 2 ** 16, total: 2 ** 22, free: 2 ** 22 },
      { size: 2 ** 21, total: 0, free: 0 },
      { size: 2 ** 29, total: 4, free: 4 },
      { size: 2 ** 34, total: 3, free: node.id },
    ],
  })),
}

test('page sizes are the host’s, whatever they are', async () => {
  const pagesOf = async (vm: object) => {
    const found = await planned(LARGE_PAGES, [{ name: 'a', vcpus: 2, ...vm }])
    return found.vms[0]?.cells.map(({ pageSize }) => pageSize)
  }
  assert.equal(await pagesOf({ memory: '16GiB', pageSize: '16GiB' }), [2 ** 34])
  assert.equal(await pagesOf({ memory: '2GiB' }), [2 ** 29])
  assert.equal(await pagesOf({ memory: '4GiB' }), [2 ** 16])
  assert.equal(await pagesOf({ memory: '4GiB', pageSize: '64KiB' }), [2 ** 16])
  assert.equal(await pagesOf({ memory: '32GiB', pageSize: '16GiB' }), undefined)
})

function nodeOfPages(shifts: readonly number[]): Host {
  const pages = shifts.map((shift) => ({ size: 2 ** shift, total: 0, free: 0 }))
  return { ...LARGE, nodes: LARGE.nodes.map((node) => ({ ...node, pages })) }
}

test('what the host does not have is an error at its place, and so is more than the module takes', async () => {
  const vm = { name: 'a', vcpus: 2, memory: '4GiB' }
  const cases: [host: Host, request: object, where: string, message: RegExp][] = [
    [
      LARGE_PAGES,
      { vms: [{ ...vm, pageSize: '1GiB' }] },
      'vms[0].pageSize',
      /\(64 KiB, 2 MiB, 512 MiB, 16 GiB\), got 1 GiB/,
    ],
    [LARGE_PAGES, { vms: [vm, { ...vm, name: 'b', memory: '4100KiB' }] }, 'vms[1].memory', /page of 65536 bytes/],
    [LARGE, { vms: [{ ...vm, memoryNodes: '0,5-6' }] }, 'vms[0].memoryNodes', /nodes of the host \(0-1\), got 5-6/],
    [LARGE, { vms: [vm], deviceNodes: '2' }, 'deviceNodes', /nodes of the host \(0-1\), got 2/],
    [LARGE, { vms: [vm], reserve: { nodes: '0,9' } }, 'reserve.nodes', /nodes of the host \(0-1\), got 9/],
    [LARGE, { vms: [{ ...vm, devices: [{ node: 7 }] }] }, 'vms[0].devices[0].node', /nodes of the host \(0-1\), got 7/],
    [nodeOfPages([12, 13, 14, 15, 16, 17, 18, 19, 20]), { vms: [vm] }, 'nodes', /at most 8 sizes of pages, got 9/],
  ]
  for (const [host, request, where, message] of cases) {
    await plan(host, request).then(
      () => assert.unreachable(where),
      (error) => {
        assert.instance(error, InputError)
        assert.is(error.where, where)
        assert.match(error.message, message)
      },
    )
  }
  assert.is((await plan(nodeOfPages([12, 13, 14, 15, 16, 17, 18, 52]), { vms: [vm] })).status, 'optimal')
})

test('more devices than the module takes are an error that names the limit', async () => {
  const devices = Array.from({ length: 9000 }, () => ({ node: 0, strict: false }))
  const vms = ['a', 'b'].map((name) => ({ name, vcpus: 1, memory: '1GiB', devices }))
  await plan(LARGE, { vms }).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /^vms\[1\]\.devices: expected at most 16384 devices in all VMs together/),
  )
})

test('cells have a price: no more of them than nodes that the VM needs', async () => {
  const host = hostOf({
    nodes: Object.fromEntries([0, 1, 2, 3, 4, 5, 6].map((node) => [node, 8])),
    cores: coresOf([4, 4, 4, 4, 4, 4, 4]),
  })
  const found = await planned(host, [{ name: 'a', vcpus: 24, memory: '12GiB' }])
  assert.is(found.vms[0]!.cells.length, 6)
  // 0.01 x 24 x 5
  assert.is(found.cost.terms.cells, 1.2)
  assert.is(found.vms[0]!.cost.terms.cells, 1.2)
  const free = await planned(host, [{ name: 'a', vcpus: 24, memory: '12GiB' }], { model: { cells: 0 } })
  assert.is(free.cost.terms.cells, 0)
  const asked = await planned(host, [{ name: 'a', vcpus: 4, cells: 4, weight: 2 }])
  // 2 x 0.01 x 4 x 3, all on one node.
  assert.is(asked.cost.lostVcpus, 0.24)
  assert.is(asked.status, 'optimal')
  assert.equal(cpusOf(asked, 'a'), ['0', '1', '2', '3'])
})

test.run()
