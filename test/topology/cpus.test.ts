import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readCaches } from '../../src/topology/caches.js'
import { cache, column, cpu, hostOf, node, treeReader } from './tree.js'

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

test('the own file of a CPU, and a cpuset that has it, outweigh a list that a container fakes', () => {
  const tree = {
    ...cpu(0, { online: '1\n' }),
    ...cpu(1, { online: '0\n' }),
    ...cpu(2),
    ...cpu(3),
    ...node(0, { cpulist: '0-3' }),
    'sys/devices/system/cpu/online': '1\n',
    'proc/self/cgroup': '0::/\n',
    'proc/mounts': 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n',
    'sys/fs/cgroup/cpuset.cpus.effective': '2\n',
  }
  assert.equal(column(tree, 'online'), [true, false, true, false])
  assert.equal(column(tree, 'allowed'), [false, false, true, false])
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

test('a list without the CPU itself is passed over for the mask, of caches and of cores', () => {
  const files = (mask: string, wrong: string) => ({
    'topology/core_cpus_list': wrong,
    'topology/core_cpus': mask,
    'cache/index0/level': '2',
    'cache/index0/type': 'Unified',
    'cache/index0/shared_cpu_list': wrong,
    'cache/index0/shared_cpu_map': mask,
  })
  const tree = {
    ...cpu(0, files('5', '1-2')),
    ...cpu(1, files('a', '')),
    ...cpu(2, files('5', '0')),
    ...cpu(3, files('a', '1')),
  }
  assert.equal(column(tree, 'core'), [0, 1, 0, 1])
  assert.equal(column(tree, 'llc'), [0, 1, 0, 1])
  assert.equal(
    readCaches(treeReader(tree)).map(({ sharedCpus }) => sharedCpus),
    [
      [0, 2],
      [1, 3],
    ],
  )
})

test('isolated CPUs are marked; CPUs without a tick, or without interrupts only, are not isolated', () => {
  const tree = {
    ...cpu(0),
    ...cpu(1),
    ...cpu(2),
    ...cpu(3),
    'sys/devices/system/cpu/isolated': '1-2\n',
    'sys/devices/system/cpu/nohz_full': '1-3\n',
    'proc/cmdline': 'isolcpus=domain,1-2 isolcpus=managed_irq,3 nohz_full=1-3\n',
  }
  assert.equal(column(tree, 'isolated'), [false, true, true, false])
})

test('CPUs of isolated partitions are marked, too', () => {
  const tree = {
    ...cpu(0),
    ...cpu(1),
    ...cpu(2),
    'sys/devices/system/cpu/isolated': '2\n',
    'proc/self/cgroup': '0::/user\n',
    'proc/mounts': 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n',
    'sys/fs/cgroup/cpuset.cpus.isolated': '1\n',
  }
  assert.equal(column(tree, 'isolated'), [false, true, true])
})

test.run()
