import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readCgroups } from '../../src/topology/cgroups.js'
import { readCpuset } from '../../src/topology/cpuset.js'
import { readHost } from '../../src/topology/sysfs.js'
import { cpu, node, type Tree, treeReader } from './tree.js'

const cpusetOf = (tree: Tree) => {
  const reader = treeReader(tree)
  const { cpus, nodes } = readCpuset(reader, readCgroups(reader))
  return { cpus: cpus && [...cpus], nodes: nodes && [...nodes] }
}

const V1_MOUNT = 'cgroup /sys/fs/cgroup/cpuset cgroup rw,nosuid,cpuset 0 0\n'
const V2_MOUNT = 'cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n'

test('cgroup v2: the effective set of the group of the process', () => {
  const tree = {
    'proc/self/cgroup': '0::/user.slice/job\n',
    'proc/mounts': `proc /proc proc rw 0 0\n${V2_MOUNT}`,
    'sys/fs/cgroup/cpuset.cpus.effective': '0-7\n',
    'sys/fs/cgroup/user.slice/job/cpuset.cpus.effective': '2-3\n',
    'sys/fs/cgroup/user.slice/job/cpuset.mems.effective': '1\n',
  }
  assert.equal(cpusetOf(tree), { cpus: [2, 3], nodes: [1] })
})

test('cgroup v2: a group without the controller has the set of its parent', () => {
  const tree = {
    'proc/self/cgroup': '0::/user.slice/job/step\n',
    'proc/mounts': V2_MOUNT,
    'sys/fs/cgroup/cpuset.cpus.effective': '0-7\n',
    'sys/fs/cgroup/cpuset.mems.effective': '0-1\n',
    'sys/fs/cgroup/user.slice/cpuset.cpus.effective': '4-5\n',
  }
  assert.equal(cpusetOf(tree), { cpus: [4, 5], nodes: [0, 1] })
})

test('cgroup v1: the hierarchy with the cpuset controller', () => {
  const tree = {
    'proc/self/cgroup': '5:memory:/other\n2:cpuset,cpu:/docker/abc\n0::/elsewhere\n',
    'proc/mounts': `cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n${V1_MOUNT}cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n`,
    'sys/fs/cgroup/cpuset/docker/abc/cpuset.cpus': '0-3\n',
    'sys/fs/cgroup/cpuset/docker/abc/cpuset.effective_cpus': '1-3\n',
    'sys/fs/cgroup/cpuset/docker/abc/cpuset.mems': '0\n',
  }
  assert.equal(cpusetOf(tree), { cpus: [1, 2, 3], nodes: [0] })
})

test('in a container the group may be the mount itself', () => {
  const files = { 'sys/fs/cgroup/cpuset/cpuset.cpus': '6\n', 'proc/mounts': V1_MOUNT }
  assert.equal(cpusetOf({ ...files, 'proc/self/cgroup': '2:cpuset:/docker/abc\n' }).cpus, [6])
  assert.equal(cpusetOf({ ...files, 'proc/self/cgroup': '2:cpuset:/../../abc\n' }).cpus, [6])
})

test('the old cpuset file system, with names without a prefix', () => {
  const tree = {
    'proc/self/cpuset': '/batch\n',
    'proc/mounts': 'none /dev/cpu\\040set cpuset rw 0 0\n',
    'dev/cpu set/batch/cpus': '1,3\n',
    'dev/cpu set/batch/mems': '0\n',
  }
  assert.equal(cpusetOf(tree), { cpus: [1, 3], nodes: [0] })
})

test('proc/self/cpuset gives the path where proc/self/cgroup is missing', () => {
  const tree = { 'proc/self/cpuset': '/a/b\n', 'proc/mounts': V2_MOUNT, 'sys/fs/cgroup/a/b/cpuset.cpus.effective': '5' }
  assert.equal(cpusetOf(tree).cpus, [5])
})

test('without cgroup files nothing is restricted', () => {
  const open = { cpus: undefined, nodes: undefined }
  assert.equal(cpusetOf({}), open)
  assert.equal(cpusetOf({ 'proc/self/cgroup': '0::/\n', 'proc/mounts': V2_MOUNT }), open)
})

test('CPUs and nodes outside of the cpuset stay in the host, marked, and offer nothing', () => {
  const meminfo = 'Node 0 MemTotal: 1024 kB\nNode 0 MemFree: 512 kB\n'
  const host = readHost(
    treeReader({
      ...cpu(0),
      ...cpu(1),
      ...node(0, { cpulist: '0', meminfo }),
      ...node(1, {
        cpulist: '1',
        meminfo,
        'hugepages/hugepages-2048kB/nr_hugepages': '4',
        'hugepages/hugepages-2048kB/free_hugepages': '4',
      }),
      'proc/self/cgroup': '0::/\n',
      'proc/mounts': V2_MOUNT,
      'sys/fs/cgroup/cpuset.cpus.effective': '0\n',
      'sys/fs/cgroup/cpuset.mems.effective': '0\n',
    }),
  )
  assert.equal(
    host.cpus.map(({ allowed }) => allowed),
    [true, false],
  )
  assert.equal(host.nodes[0]!.memory, { total: 1048576, free: 524288 })
  assert.not('allowed' in host.nodes[0]!)
  assert.equal(host.nodes[1], {
    id: 1,
    memory: { total: 1048576, free: 0 },
    pages: [
      { size: 4096, total: 256, free: 0 },
      { size: 2097152, total: 4, free: 0 },
    ],
    allowed: false,
  })
})

test.run()
