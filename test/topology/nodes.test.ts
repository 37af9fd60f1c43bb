import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readLatencies } from '../../src/topology/nodes.js'
import { column, cpu, hostOf, meminfo, node, treeReader } from './tree.js'

const GIB = 2 ** 30

test('node numbers may have gaps, and distances follow their order', () => {
  const host = hostOf({
    ...cpu(0),
    ...cpu(1),
    ...node(2, { cpulist: '0', distance: '10 21\n', meminfo: meminfo(2, 1048576, 1024) }),
    ...node(72, { cpulist: '1', distance: '31 10\n\0', meminfo: meminfo(72, 2097152, 2048) }),
  })
  assert.equal(
    host.nodes.map(({ id, memory }) => [id, memory.total]),
    [
      [2, GIB],
      [72, 2 * GIB],
    ],
  )
  assert.equal(host.distances, [
    [10, 21],
    [31, 10],
  ])
  assert.equal(
    host.cpus.map((cpu) => cpu.node),
    [2, 72],
  )
})

test('a node that is not online is not there', () => {
  const tree = {
    ...cpu(0),
    ...node(0, { cpulist: '0' }),
    ...node(1, { cpulist: '' }),
    'sys/devices/system/node/online': '0\n',
  }
  assert.equal(
    hostOf(tree).nodes.map(({ id }) => id),
    [0],
  )
})

test('links tell the node where nodes do not list CPUs', () => {
  const tree = {
    ...cpu(0, { node1: '' }),
    ...cpu(1, { node0: '' }),
    ...node(0, { meminfo: '' }),
    ...node(1, { meminfo: '' }),
  }
  assert.equal(column(tree, 'node'), [1, 0])
  const listed = { ...cpu(0), ...cpu(1), ...node(0, { cpu1: '' }), ...node(1, { cpu0: '' }) }
  assert.equal(column(listed, 'node'), [1, 0])
})

test('a CPU that no node claims has none, and one that two claim has the lower', () => {
  const tree = { ...cpu(0), ...cpu(1), ...node(0, { cpulist: '0' }), ...node(1, { cpulist: '0' }) }
  assert.equal(column(tree, 'node'), [0, null])
})

test('nodes that split one in two list the same CPUs, which are of the lower; the other half is a node at 10', () => {
  const half = (id: number, cpulist: string, distance: string) =>
    node(id, { cpulist, distance, meminfo: meminfo(id, 1048576, 1048576) })
  const host = hostOf({
    ...cpu(0, { node1: '' }),
    ...cpu(1, { node3: '' }),
    ...half(0, '0', '10 10 20 20'),
    ...half(1, '0', '10 10 20 20'),
    ...half(2, '1', '20 20 10 10'),
    ...half(3, '1', '20 20 10 10'),
  })
  assert.equal(
    host.cpus.map((each) => each.node),
    [0, 2],
  )
  assert.equal(host.distances[1], [10, 10, 20, 20])
  assert.equal(
    host.nodes.map(({ memory }) => memory.free),
    [GIB, GIB, GIB, GIB],
  )
})

test('CPUs of a node that is offline, with or without a directory, are online and of no node', () => {
  const core = { 'topology/core_cpus_list': '0,2\n' }
  const tree = {
    ...cpu(0, { node0: '', ...core }),
    ...cpu(1, { node1: '' }),
    ...cpu(2, { node0: '', ...core }),
    ...cpu(3, { node2: '' }),
    ...node(1, { cpulist: '1' }),
    ...node(2, { cpulist: '3' }),
    'sys/devices/system/node/online': '1\n',
  }
  assert.equal(column(tree, 'node'), [null, 1, null, null])
  assert.equal(column(tree, 'online'), [true, true, true, true])
  assert.equal(column(tree, 'core'), [0, 1, 0, 2])
})

test('bandwidth is that of the CPUs nearest to the node', () => {
  const access = (accessClass: number, megabytes: string) => ({
    [`access${accessClass}/initiators/read_bandwidth`]: megabytes,
  })
  const host = hostOf({
    ...cpu(0),
    ...node(0, { cpulist: '0', ...access(0, '9000'), ...access(1, '8000') }),
    ...node(1, access(0, '0')),
  })
  assert.equal(
    host.nodes.map(({ bandwidth }) => bandwidth),
    [8e9, undefined],
  )
})

const reached = (accessClass: number, ns: string, ...from: number[]) => ({
  [`access${accessClass}/initiators/read_latency`]: ns,
  ...Object.fromEntries(from.map((node) => [`access${accessClass}/initiators/node${node}/uevent`, ''])),
})
const kilobytes = (node: number) => ({ meminfo: meminfo(node, 4096, 1024) })

test('latencies of HMAT are taken where all of a row is said: those of the nodes that reach each memory best', () => {
  const tree = {
    ...cpu(0),
    ...cpu(1),
    ...node(0, { cpulist: '0', ...kilobytes(0), ...reached(1, '80', 0), ...reached(0, '70', 2) }),
    ...node(1, { cpulist: '1', ...kilobytes(1), ...reached(0, '90', 1, 0) }),
    ...node(2, { cpulist: '', ...kilobytes(2), ...reached(1, '250', 0, 1) }),
  }
  // Of node 0's memory nothing is said to node 1, and node 2, perhaps a device, is no CPU's.
  assert.equal(readLatencies(treeReader(tree), [0, 1, 2]), [
    [80, 90, 250],
    [null, 90, 250],
    [null, null, null],
  ])
  assert.equal(hostOf(tree).latencies, [
    [80, 90, 250],
    [null, null, null],
    [null, null, null],
  ])
})

test('latencies that say nothing of distances, or cannot be right, are left out', () => {
  const alone = { ...cpu(0), ...node(0, { cpulist: '0', ...kilobytes(0), ...reached(1, '80', 0) }) }
  assert.is(hostOf(alone).latencies, undefined)
  const far = (ns: string) => node(1, { cpulist: '', ...kilobytes(1), ...reached(1, ns, 0) })
  assert.equal(hostOf({ ...alone, ...far('250') }).latencies![0], [80, 250])
  for (const ns of ['0', '-1', '4294967295', 'no', '']) assert.is(hostOf({ ...alone, ...far(ns) }).latencies, undefined)
  // A node without memory needs no figure.
  const empty = node(2, { cpulist: '', meminfo: meminfo(2, 0, 0) })
  assert.equal(hostOf({ ...alone, ...far('250'), ...empty }).latencies![0], [80, 250, null])
})

test('a distance row that cannot be right is replaced, the others stay', () => {
  const nodes = { ...node(0, { distance: '10 0' }), ...node(1, { distance: '16 10' }) }
  assert.equal(hostOf({ ...cpu(0), ...nodes }).distances, [
    [10, 20],
    [16, 10],
  ])
})

test.run()
