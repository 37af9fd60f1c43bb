import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { parseHost } from '../../src/topology/hostfile.js'
import { readHost } from '../../src/topology/sysfs.js'
import type { HostCpu } from '../../src/types.js'
import { cache, cpu, node, type Tree, treeReader } from './tree.js'

/** Also holds every tree of these tests to the promise that a detected host is a valid host file. */
function hostOf(tree: Tree) {
  const host = readHost(treeReader(tree))
  assert.equal(parseHost(JSON.parse(JSON.stringify(host))), host)
  return host
}

const column = <Field extends keyof HostCpu>(tree: Tree, field: Field) => hostOf(tree).cpus.map((cpu) => cpu[field])

const GIB = 2 ** 30
const meminfo = (node: number, totalKb: number, freeKb: number) =>
  `\nNode ${node} MemTotal:       ${totalKb} kB\nNode ${node} MemFree:  ${freeKb} kB\nNode ${node} HugePages_Total:     0\n`

test('CPUs alone are a host: one node, own cores, memory unknown', () => {
  const host = hostOf({ ...cpu(0), ...cpu(1) })
  assert.equal(host.nodes, [
    { id: 0, memory: { total: null, free: null }, pages: [{ size: 4096, total: null, free: null }] },
  ])
  assert.equal(host.distances, [[10]])
  assert.equal(host.cpus, [
    {
      id: 0,
      node: 0,
      package: null,
      llc: 0,
      core: 0,
      thread: 0,
      online: true,
      allowed: true,
      isolated: false,
      capacity: 1024,
    },
    {
      id: 1,
      node: 0,
      package: null,
      llc: 0,
      core: 1,
      thread: 0,
      online: true,
      allowed: true,
      isolated: false,
      capacity: 1024,
    },
  ])
})

test('a tree without CPUs is refused', () => {
  for (const tree of [{}, { 'sys/devices/system/cpu/uevent': '' }, { 'proc/meminfo': 'MemTotal: 1 kB' }] as Tree[]) {
    assert.throws(
      () => readHost(treeReader(tree)),
      (error: unknown) => error instanceof InputError && error.where === 'sys/devices/system/cpu',
    )
  }
})

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

test('siblings decide cores, not core_id', () => {
  const tree = {
    ...cpu(0, { 'topology/core_id': '0', 'topology/thread_siblings_list': '0,2' }),
    ...cpu(1, { 'topology/core_id': '0', 'topology/thread_siblings_list': '1,3' }),
    ...cpu(2, { 'topology/core_id': '0', 'topology/thread_siblings_list': '0,2' }),
    ...cpu(3, { 'topology/core_id': '0', 'topology/thread_siblings_list': '1,3' }),
  }
  assert.equal(column(tree, 'core'), [0, 1, 0, 1])
  assert.equal(column(tree, 'thread'), [0, 0, 1, 1])
})

test('masks do where there are no lists', () => {
  const tree = {
    ...cpu(0, {
      'topology/thread_siblings': '00000000,00000005\n',
      'cache/index0/level': '2',
      'cache/index0/type': 'Unified',
      'cache/index0/shared_cpu_map': '5',
    }),
    ...cpu(1, {
      'topology/thread_siblings': '0000000a\n',
      'cache/index0/level': '2',
      'cache/index0/type': 'Unified',
      'cache/index0/shared_cpu_map': 'a',
    }),
    ...cpu(2),
    ...cpu(3),
    ...node(0, { cpumap: '00000005' }),
    ...node(1, { cpumap: '0000000a' }),
  }
  assert.equal(column(tree, 'core'), [0, 1, 0, 1])
  assert.equal(column(tree, 'llc'), [0, 1, 0, 1])
  assert.equal(column(tree, 'node'), [0, 1, 0, 1])
})

test('siblings that the kernel puts on two nodes are two cores', () => {
  const tree = {
    ...cpu(0, { 'topology/core_cpus_list': '0-1' }),
    ...cpu(1, { 'topology/core_cpus_list': '0-1' }),
    ...node(0, { cpulist: '0' }),
    ...node(1, { cpulist: '1' }),
  }
  assert.equal(column(tree, 'core'), [0, 1])
})

test('a CPU is offline when its own file says so, or the list leaves it out', () => {
  const offline = { package: null, llc: null, core: null, thread: null, capacity: null }
  const own = hostOf({
    ...cpu(0),
    ...cpu(1, { online: '0\n', node0: '' }),
    ...cpu(2, { online: '1\n' }),
    ...node(0, { cpulist: '0,2' }),
  })
  assert.equal(own.cpus[1], { id: 1, node: 0, online: false, allowed: true, isolated: false, ...offline })
  assert.is(own.cpus[2]!.online, true)
  const listed = hostOf({ ...cpu(0), ...cpu(1), ...node(0, { cpulist: '0' }), 'sys/devices/system/cpu/online': '0\n' })
  assert.equal(listed.cpus[1], { id: 1, node: null, online: false, allowed: true, isolated: false, ...offline })
})

test('an offline sibling leaves its core and its cache', () => {
  const shared = { 'topology/core_cpus_list': '0-1', ...cache(0, 3, 'Unified', '0-1') }
  const tree = { ...cpu(0, { online: '0', ...shared }), ...cpu(1, { online: '1', ...shared }) }
  assert.equal(column(tree, 'core'), [null, 0])
  assert.equal(column(tree, 'thread'), [null, 0])
  assert.equal(column(tree, 'llc'), [null, 0])
})

test('the LLC is the last level for data; instruction caches do not count', () => {
  const caches = (cpu: number) => ({
    ...cache(0, 1, 'Data', `${cpu}`),
    ...cache(1, 4, 'Instruction', '0-3'),
    ...cache(2, 2, 'Unified', cpu < 2 ? '0-1' : '2-3'),
  })
  const tree = { ...cpu(0, caches(0)), ...cpu(1, caches(1)), ...cpu(2, caches(2)), ...cpu(3, caches(3)) }
  assert.equal(column(tree, 'llc'), [0, 0, 1, 1])
})

test('cores without the last level keep to the level that they have', () => {
  const tree = {
    ...cpu(0, cache(0, 3, 'Unified', '0-1')),
    ...cpu(1, cache(0, 3, 'Unified', '0-1')),
    ...cpu(2, cache(0, 2, 'Unified', '2-3')),
    ...cpu(3, cache(0, 2, 'Unified', '2-3')),
  }
  assert.equal(column(tree, 'llc'), [0, 0, 1, 1])
})

test('without cache information the LLC is the node, also for some of the CPUs', () => {
  const nodes = { ...node(0, { cpulist: '0,2' }), ...node(1, { cpulist: '1,3' }) }
  assert.equal(column({ ...cpu(0), ...cpu(1), ...cpu(2), ...cpu(3), ...nodes }, 'llc'), [0, 1, 0, 1])
  const some = { ...cpu(0), ...cpu(1, cache(0, 3, 'Unified', '1')), ...cpu(2), ...cpu(3), ...nodes }
  assert.equal(column(some, 'llc'), [0, 1, 0, 2])
})

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

test('packages have the numbers of the kernel, and none where it says -1', () => {
  const tree = {
    ...cpu(0, { 'topology/physical_package_id': '36\n' }),
    ...cpu(1, { 'topology/physical_package_id': '-1\n' }),
    ...cpu(2, { 'topology/physical_package_id': '8442\n\0' }),
  }
  assert.equal(column(tree, 'package'), [36, null, 8442])
})

test('isolated CPUs are marked', () => {
  const tree = { ...cpu(0), ...cpu(1), ...cpu(2), 'sys/devices/system/cpu/isolated': '1-2\n' }
  assert.equal(column(tree, 'isolated'), [false, true, true])
})

test('cpu_capacity is scaled so that the fastest has 1024', () => {
  const tree = {
    ...cpu(0, { cpu_capacity: '400' }),
    ...cpu(1, { cpu_capacity: '800\n' }),
    ...cpu(2, { cpu_capacity: '3' }),
  }
  assert.equal(column(tree, 'capacity'), [512, 1024, 4])
})

const hybrid = (id: number, perf: string, frequency: string, base = '1') =>
  cpu(id, {
    'acpi_cppc/highest_perf': perf,
    'cpufreq/cpuinfo_max_freq': frequency,
    'cpufreq/base_frequency': base,
  })

test('hybrid cores without cpu_capacity have the speed of their kind', () => {
  const kinds = { 'sys/devices/cpu_core/cpus': '0-2\n', 'sys/devices/cpu_atom/cpus': '3\n' }
  const tree = {
    ...hybrid(0, '64', '5000'),
    ...hybrid(1, '67', '5200'),
    ...hybrid(2, '64', '5000'),
    ...hybrid(3, '32', '3900'),
  }
  assert.equal(column({ ...tree, ...kinds }, 'capacity'), [1024, 1024, 1024, 512])
})

test('where the performance is not known, the frequency of the kind is taken', () => {
  const files = (frequency: string) => ({ 'cpufreq/cpuinfo_max_freq': frequency })
  const kinds = { 'sys/devices/cpu_core/cpus': '0', 'sys/devices/cpu_atom/cpus': '1' }
  assert.equal(column({ ...cpu(0, files('4000')), ...cpu(1, files('3000')), ...kinds }, 'capacity'), [1024, 768])
})

test('kinds show in the base frequency where nothing names them', () => {
  const tree = {
    ...hybrid(0, '64', '5000', '1900'),
    ...hybrid(1, '67', '5200', '1900'),
    ...hybrid(2, '32', '3900', '1400'),
  }
  assert.equal(column(tree, 'capacity'), [1024, 1024, 512])
})

test('favoured cores alone do not make a host hybrid', () => {
  const tree = { ...hybrid(0, '200', '5000'), ...hybrid(1, '236', '5500') }
  assert.equal(column(tree, 'capacity'), [1024, 1024])
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

test('the base page comes from the auxiliary vector', () => {
  const words = (...values: number[]) =>
    values.map((value) => String.fromCharCode(value & 255, (value >> 8) & 255, value >> 16, 0, 0, 0, 0, 0)).join('')
  const bigEndian = (...values: number[]) =>
    values.map((value) => String.fromCharCode(0, 0, 0, 0, 0, value >> 16, (value >> 8) & 255, value & 255)).join('')
  const sizeWith = (auxv: string) => hostOf({ ...cpu(0), 'proc/self/auxv': auxv }).nodes[0]!.pages[0]!.size
  assert.is(sizeWith(words(33, 0x7fff12, 16, 6, 6, 65536, 0, 0)), 65536)
  assert.is(sizeWith(bigEndian(33, 0x7fff12, 6, 16384, 0, 0)), 16384)
  assert.is(sizeWith('garbage'), 4096)
})

test('without it, the base page divides all counters of meminfo', () => {
  const sizeOf = (unit: number, count = 8) => {
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
    return hostOf({ ...cpu(0), 'proc/meminfo': lines.join('\n') }).nodes[0]!.pages[0]!.size
  }
  assert.is(sizeOf(64), 65536)
  assert.is(sizeOf(16), 16384)
  assert.is(sizeOf(4), 4096)
  assert.is(sizeOf(64, 3), 4096)
})

test('files with nonsense are as good as none', () => {
  for (const nonsense of ['', '\0\0', 'x', '-', '99999999999999999999', '1,,', '\u00ff\u00fe', '0-', '{}', ' \n']) {
    const tree = {
      ...cpu(0, {
        online: nonsense,
        cpu_capacity: nonsense,
        'topology/core_cpus_list': nonsense,
        'topology/physical_package_id': nonsense,
        'cache/index0/level': nonsense,
        'cache/index0/type': nonsense,
        'cache/index0/shared_cpu_list': nonsense,
        'cache/indexx/level': nonsense,
      }),
      ...cpu(1),
      ...node(0, {
        cpulist: nonsense,
        distance: nonsense,
        meminfo: nonsense,
        'hugepages/hugepages-xkB/nr_hugepages': nonsense,
      }),
      'sys/devices/system/cpu/online': nonsense,
      'sys/devices/system/cpu/isolated': nonsense,
      'sys/devices/system/node/online': nonsense,
      'proc/self/cgroup': nonsense,
      'proc/mounts': nonsense,
      'proc/meminfo': nonsense,
    }
    const host = hostOf(tree)
    assert.equal(
      host.cpus.map(({ core, llc, capacity }) => [core, llc, capacity]),
      [
        [0, 0, 1024],
        [1, 0, 1024],
      ],
      nonsense,
    )
    assert.equal(host.distances, [[10]])
    assert.is(host.nodes.length, 1)
  }
})

test('a distance row that cannot be right is replaced, the others stay', () => {
  const nodes = { ...node(0, { distance: '10 0' }), ...node(1, { distance: '16 10' }) }
  assert.equal(hostOf({ ...cpu(0), ...nodes }).distances, [
    [10, 20],
    [16, 10],
  ])
})

test.run()
