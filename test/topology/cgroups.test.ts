import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readCgroups } from '../../src/topology/cgroups.js'
import { type Tree, treeReader } from './tree.js'

const hierarchies = (tree: Tree, controller = 'memory') => readCgroups(treeReader(tree))(controller)
const directories = (tree: Tree, controller = 'memory') =>
  hierarchies(tree, controller).map(({ groups }) => groups.map(({ directory }) => directory))

/** A line of mountinfo: which part of a hierarchy is mounted where. */
const mounted = (root: string, directory: string, type = 'cgroup2', options = 'rw,nsdelegate') =>
  `31 23 0:26 ${root} ${directory} rw,nosuid,relatime shared:4 master:1 - ${type} ${type} ${options}\n`

test('the groups go from that of the process to the root of the mount', () => {
  const tree = { 'proc/self/cgroup': '0::/a/b\n', 'proc/self/mountinfo': mounted('/', '/sys/fs/cgroup') }
  assert.equal(hierarchies(tree), [
    {
      version: 2,
      options: ['rw', 'nsdelegate'],
      groups: [
        { path: '/a/b', directory: 'sys/fs/cgroup/a/b' },
        { path: '/a', directory: 'sys/fs/cgroup/a' },
        { path: '/', directory: 'sys/fs/cgroup' },
      ],
    },
  ])
})

test('of a hierarchy that is mounted in part only that part is seen', () => {
  const tree = {
    'proc/self/cgroup': '0::/docker/abc/inner\n',
    'proc/self/mountinfo': mounted('/docker/abc', '/sys/fs/cgroup'),
  }
  assert.equal(directories(tree), [['sys/fs/cgroup/inner', 'sys/fs/cgroup']])
})

test('a name that begins like that of the mount is another group', () => {
  const tree = { 'proc/self/cgroup': '0::/docker/abcd\n', 'proc/self/mountinfo': mounted('/docker/abc', '/cg') }
  assert.equal(directories(tree), [['cg']])
})

test('in cgroup namespaces the path may lead out of what is mounted, or the mount be above', () => {
  const cgroup = { 'proc/self/cgroup': '0::/../../other/job\n' }
  assert.equal(directories({ ...cgroup, 'proc/self/mountinfo': mounted('/', '/cg') }), [['cg']])
  assert.equal(directories({ ...cgroup, 'proc/self/mountinfo': mounted('/../..', '/cg') }), [
    ['cg/other/job', 'cg/other', 'cg'],
  ])
  const own = { 'proc/self/cgroup': '0::/\n', 'proc/self/mountinfo': mounted('/..', '/cg') }
  assert.equal(directories(own), [['cg']])
})

test('of several mounts of a hierarchy the one that shows most groups is read', () => {
  const tree = {
    'proc/self/cgroup': '0::/a/b\n',
    'proc/self/mountinfo': mounted('/other', '/one') + mounted('/a', '/two') + mounted('/', '/three'),
  }
  assert.equal(directories(tree), [['three/a/b', 'three/a', 'three']])
})

test('with both versions, each controller of version 1 has its own mount and path', () => {
  const tree = {
    'proc/self/cgroup': '5:memory:/m\n4:hugetlb:/h\n3:name=systemd:/s\n0::/u\n',
    'proc/self/mountinfo':
      mounted('/', '/sys/fs/cgroup/unified') +
      mounted('/', '/sys/fs/cgroup/memory', 'cgroup', 'rw,memory') +
      mounted('/', '/sys/fs/cgroup/hugetlb', 'cgroup', 'rw,hugetlb'),
  }
  const unified = ['sys/fs/cgroup/unified/u', 'sys/fs/cgroup/unified']
  assert.equal(directories(tree, 'memory'), [['sys/fs/cgroup/memory/m', 'sys/fs/cgroup/memory'], unified])
  assert.equal(directories(tree, 'hugetlb'), [['sys/fs/cgroup/hugetlb/h', 'sys/fs/cgroup/hugetlb'], unified])
  assert.equal(directories(tree, 'cpuset'), [unified])
})

test('the table of mounts does where mountinfo has no cgroups', () => {
  const tree = {
    'proc/self/cgroup': '0::/a b\n',
    'proc/self/mountinfo': '22 27 0:21 / /proc rw,relatime - proc proc rw\n',
    'proc/mounts': 'cgroup2 /sys/fs/c\\040group cgroup2 rw,nsdelegate 0 0\n',
  }
  assert.equal(directories(tree), [['sys/fs/c group/a b', 'sys/fs/c group']])
  assert.equal(hierarchies(tree)[0]!.options, ['rw', 'nsdelegate'])
})

test('without a table of mounts, or with nonsense in it, there are no groups', () => {
  for (const nonsense of ['', 'x', ' - - ', '1 2 3', ' - cgroup2', '\0']) {
    const tree = { 'proc/self/cgroup': nonsense, 'proc/self/mountinfo': nonsense, 'proc/mounts': nonsense }
    assert.equal(directories(tree), [], nonsense)
  }
})

test.run()
