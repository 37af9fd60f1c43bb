import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cpu, hostOf, meminfo, node, type Tree } from './tree.js'

const GIB = 2 ** 30

test('a kernel without NUMA is one node with the memory and the huge pages of the host', () => {
  const [only] = hostOf({
    ...cpu(0),
    'proc/meminfo': 'MemTotal:        1048576 kB\nMemFree:          524288 kB\n',
    'sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages': '7\n',
    'sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages': '5\n',
  }).nodes
  assert.equal(only, {
    id: 0,
    memory: { total: GIB, free: GIB / 2 },
    pages: [
      { size: 4096, total: 262144, free: 131072 },
      { size: 2097152, total: 7, free: 5 },
    ],
  })
})

test('nodes may be without CPUs or without memory', () => {
  const host = hostOf({
    ...cpu(0),
    ...cpu(1),
    ...node(0, { cpulist: '0-1\n', meminfo: meminfo(0, 0, 0) }),
    ...node(1, { cpulist: '\n', meminfo: meminfo(1, 1048576, 1048576) }),
  })
  assert.equal(
    host.nodes.map(({ memory }) => memory),
    [
      { total: 0, free: 0 },
      { total: GIB, free: GIB },
    ],
  )
  assert.equal(
    host.cpus.map((cpu) => cpu.node),
    [0, 0],
  )
})

test('memory of a node among several is unknown where its file is missing', () => {
  const host = hostOf({
    ...cpu(0),
    ...node(0, { cpulist: '0', meminfo: meminfo(0, 1048576, 4) }),
    ...node(1, {
      cpulist: '',
      'hugepages/hugepages-1048576kB/nr_hugepages': '2',
      'hugepages/hugepages-2048kB/nr_hugepages': '1',
    }),
    'proc/meminfo': 'MemTotal: 4 kB\nMemFree: 4 kB\n',
  })
  assert.equal(host.nodes[1], {
    id: 1,
    memory: { total: null, free: null },
    pages: [
      { size: 4096, total: null, free: null },
      { size: 2097152, total: 1, free: null },
      { size: GIB, total: 2, free: null },
    ],
  })
})

test('free memory read later than the total is no more than it', () => {
  const [only] = hostOf({ ...cpu(0), ...node(0, { meminfo: meminfo(0, 1000, 2000) }) }).nodes
  assert.equal(only!.memory, { total: 1024000, free: 1024000 })
})

test('the base page comes from the auxiliary vector', () => {
  const words = (...values: number[]) =>
    values.map((value) => String.fromCharCode(value & 255, (value >> 8) & 255, value >> 16, 0, 0, 0, 0, 0)).join('')
  const bigEndian = (...values: number[]) =>
    values.map((value) => String.fromCharCode(0, 0, 0, 0, 0, value >> 16, (value >> 8) & 255, value & 255)).join('')
  const sizeWith = (auxv: string) => hostOf({ ...cpu(0), 'proc/self/auxv': auxv }).nodes[0]!.pages[0]!.size
  assert.is(sizeWith(words(33, 0x7fff12, 16, 6, 6, 65536, 0, 0)), 65536)
  assert.is(sizeWith(bigEndian(33, 0x7fff12, 6, 16384, 0, 0)), 16384)
  assert.is(sizeWith(words(6, 262_144, 0, 0)), 262_144)
  assert.is(sizeWith(words(6, 5000, 0, 0)), 4096)
  assert.is(sizeWith('garbage'), 4096)
})

test('huge pages have the sizes that the host has, up to those that a number holds exactly', () => {
  const files = (kilobytes: string) => ({
    [`hugepages/hugepages-${kilobytes}kB/nr_hugepages`]: '3\n',
    [`hugepages/hugepages-${kilobytes}kB/free_hugepages`]: '2\n',
  })
  const sizes = ['64', '2048', '32768', '524288', '16777216', `${2 ** 42}`]
  const wrong = ['0', '3', '1000', `${2 ** 43}`, '99999999999999', '4', 'x']
  const trees = [...sizes, ...wrong].map(files)
  const [only] = hostOf({ ...cpu(0), ...node(0, Object.assign({}, ...trees)) }).nodes
  assert.equal(
    only!.pages.map(({ size }) => size),
    [4096, ...sizes.map((kilobytes) => Number(kilobytes) * 1024)],
  )
  assert.equal(only!.pages.at(-2), { size: 16 * GIB, total: 3, free: 2 })
})

test('without it, the base page divides all counters of meminfo', () => {
  const sizeOf = (unit: number, count = 8, files: Tree = {}) => {
    const names = [
      'MemTotal',
      'MemFree',
      'Active(anon)',
      'Active(file)',
      'Inactive(file)',
      'AnonPages',
      'Mapped',
      'Slab',
    ]
    const lines = names.slice(0, count).map((name, index) => `${name}: ${unit * (1001 + 2 * index)} kB`)
    return hostOf({ ...cpu(0), 'proc/meminfo': lines.join('\n'), ...files }).nodes[0]!.pages[0]!.size
  }
  assert.is(sizeOf(64), 65536)
  assert.is(sizeOf(16), 16384)
  assert.is(sizeOf(8), 8192)
  assert.is(sizeOf(1024), 65536)
  assert.is(sizeOf(4), 4096)
  assert.is(sizeOf(64, 3), 4096)
  const pool = (kB: number): Tree => ({ [`sys/kernel/mm/hugepages/hugepages-${kB}kB/nr_hugepages`]: '1' })
  assert.is(sizeOf(1024, 8, pool(64)), 4096, 'it is far smaller than every huge page')
  assert.is(sizeOf(1024, 8, pool(2048)), 65_536)
  assert.is(sizeOf(1024, 8, pool(4)), 4096)
})

test.run()
