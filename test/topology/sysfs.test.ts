import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { readHost } from '../../src/topology/sysfs.js'
import { cpu, hostOf, node, type Tree, treeReader } from './tree.js'

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

test('files with nonsense are as good as none', () => {
  for (const nonsense of ['', '\0\0', 'x', '-', '99999999999999999999', '1,,', '\u00ff\u00fe', '0-', '{}', ' \n']) {
    const tree = {
      ...cpu(0, {
        online: nonsense,
        cpu_capacity: nonsense,
        'topology/core_cpus_list': nonsense,
        'topology/physical_package_id': nonsense,
        'topology/package_cpus_list': nonsense,
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
      'proc/self/mountinfo': nonsense,
      'proc/zoneinfo': nonsense,
      'proc/cpuinfo': nonsense,
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

test('any tree with CPUs gives a valid host', () => {
  const content = fc.constantFrom(
    ...[
      '0',
      '1',
      '-1',
      '0-1',
      '1,3',
      '0-3',
      '2-3',
      '3',
      '9',
      'f',
      '00000000,0000000a',
      '10 20',
      '10 20 30',
      '31 10 5',
      '',
      'x',
      '\0',
    ],
    ...[
      'Unified',
      'Instruction',
      'MemTotal: 8 kB\nMemFree: 64 kB',
      'Node 0 MemTotal: 1024 kB',
      'Node 0 MemTotal: 1024 kB\nNode 0 MemFree: 100 kB\nNode 0 Active(file): 4096 kB\nNode 0 SReclaimable: 4 kB',
      'Node 0, zone DMA\n  low 5\n  high 6\n  managed 9\n  protection: (0, 7)',
      '1 0 0:1 / /sys/fs/cgroup rw - cgroup2 c rw,memory_hugetlb_accounting',
      '0::/a/..',
      '1900000',
      '65536',
      '4096',
    ],
  )
  const cpuFiles = [
    'online',
    'cpu_capacity',
    'node1',
    'topology/core_cpus_list',
    'topology/thread_siblings',
    'topology/physical_package_id',
    'topology/package_cpus_list',
    'topology/package_cpus',
    'topology/book_id',
  ]
  const cacheFiles = ['level', 'type', 'shared_cpu_list', 'shared_cpu_map'].flatMap((file) => [
    `cache/index0/${file}`,
    `cache/index1/${file}`,
  ])
  const frequencies = ['acpi_cppc/highest_perf', 'cpufreq/base_frequency', 'cpufreq/cpuinfo_max_freq']
  const pools = [
    'hugepages/hugepages-2048kB/nr_hugepages',
    'hugepages/hugepages-2048kB/free_hugepages',
    'hugepages/hugepages-64kB/nr_hugepages',
  ]
  const nodeFiles = ['cpulist', 'cpumap', 'distance', 'meminfo', 'access1/initiators/read_bandwidth', ...pools]
  const paths = [
    ...[0, 1, 2, 3].flatMap((id) =>
      Object.keys(cpu(id, Object.fromEntries([...cpuFiles, ...cacheFiles, ...frequencies].map((f) => [f, ''])))),
    ),
    ...[0, 1, 4].flatMap((id) => Object.keys(node(id, Object.fromEntries(nodeFiles.map((f) => [f, '']))))),
    ...['cpu/online', 'cpu/isolated', 'node/online'].map((file) => `sys/devices/system/${file}`),
    ...[
      'sys/devices/cpu_core/cpus',
      'sys/devices/cpu_atom/cpus',
      'proc/meminfo',
      'sys/fs/cgroup/cpuset.cpus.effective',
      'sys/fs/cgroup/cpuset.mems.effective',
      'sys/fs/cgroup/cpuset.cpus.isolated',
      'sys/fs/cgroup/memory.max',
      'sys/fs/cgroup/memory.current',
      'sys/fs/cgroup/hugetlb.2MB.max',
      'sys/fs/cgroup/hugetlb.64KB.rsvd.max',
      'sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages',
      'sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages',
      'proc/zoneinfo',
      'proc/cpuinfo',
      'proc/self/mountinfo',
      'proc/self/auxv',
    ],
  ]
  const trees = fc.dictionary(fc.constantFrom(...paths), content, { minKeys: 10, maxKeys: paths.length })
  fc.assert(
    fc.property(trees, (tree) => {
      hostOf({ ...tree, ...cpu(0), 'proc/mounts': 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0', 'proc/self/cgroup': '0::/' })
    }),
    { numRuns: 600 },
  )
})

test.run()
