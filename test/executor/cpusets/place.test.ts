/** Where a partition can be, on trees of cgroups that do not exist; test/lab/suites/partition.suite.ts makes real ones. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { placeFor } from '../../../executor/cpusets/place.js'
import { partitionState } from '../../../executor/cpusets/state.js'
import { Files } from '../../../executor/found/files.js'
import { InputError } from '../../../src/errors.js'
import { parseWith } from '../../../src/schema.js'
import { treeOf } from '../found/tree.js'

const CGROUP2 = '30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n'
const ROOT = {
  'cgroup.controllers': 'cpuset cpu memory\n',
  'cgroup.subtree_control': 'cpu memory\n',
  'cpuset.cpus.effective': '0-7\n',
}

interface Case {
  readonly cgroup?: string
  /** Of thread 102. */
  readonly threadCgroup?: string
  readonly mounts?: string
  /** By path below the mount. */
  readonly groups?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

function place({ cgroup = '/', threadCgroup = cgroup, mounts = CGROUP2, groups = { '': ROOT } }: Case, cpus = [2, 3]) {
  const threads = [
    { tid: 100, name: 'qemu', cgroup },
    { tid: 102, name: 'CPU 0/KVM', cgroup: threadCgroup },
  ]
  const files = Object.entries(groups).flatMap(([group, own]) =>
    Object.entries(own).map(([name, text]): [string, string] => [`sys/fs/cgroup${group}/${name}`, text]),
  )
  const root = treeOf([{ pid: 100, argv: ['qemu'], threads }], {
    'proc/self/mountinfo': mounts,
    ...Object.fromEntries(files),
  })
  return placeFor(new Files(root), 100, [102], cpus)
}

const why = (...args: Parameters<typeof place>) => (place(...args) as { why: string }).why

test('below the root of the hierarchy, with cpusets switched on where they are not', () => {
  assert.equal(place({}), { parent: '/sys/fs/cgroup', enables: true })
  const on = { ...ROOT, 'cgroup.subtree_control': 'cpuset cpu\n' }
  assert.equal(place({ groups: { '': on } }), { parent: '/sys/fs/cgroup', enables: false })
})

test('below a partition that nobody who is known has made', () => {
  const own = {
    ...ROOT,
    'cgroup.type': 'domain\n',
    'cpuset.cpus.partition': 'isolated\n',
    'cpuset.cpus.effective': '2-4',
  }
  assert.equal(place({ cgroup: '/vms', groups: { '/vms': own } }), { parent: '/sys/fs/cgroup/vms', enables: true })
  assert.match(why({ cgroup: '/vms', groups: { '/vms': own } }, [4, 5]), /CPU 5 is not free for it: .*CPUs 2-4/)
  assert.match(why({ cgroup: '/vms', groups: { '/vms': own } }, [2, 3, 4]), /no CPU would be left/)
  const broken = { ...own, 'cpuset.cpus.partition': 'root invalid (Cpu list in cpuset.cpus not exclusive)\n' }
  assert.match(why({ cgroup: '/vms', groups: { '/vms': broken } }), /is "root invalid \(Cpu list/)
})

test('cgroup v1, no cgroups, no cpusets: none, and why', () => {
  const v1 = '31 20 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n'
  assert.match(why({ mounts: CGROUP2 + v1 }), /those of cgroup v1/)
  assert.match(why({ mounts: '' }), /not mounted/)
  assert.match(why({ groups: { '': { ...ROOT, 'cgroup.controllers': 'cpu memory\n' } } }), /no cpuset controller/)
})

test("others' trees are left alone", () => {
  const owners = {
    '/machine/qemu-1-db.libvirt-qemu': /libvirt's/,
    '/machine.slice/machine-qemu\\x2d1\\x2ddb.scope/libvirt/emulator': /libvirt's/,
    '/user.slice/user-0.slice/session-1.scope': /systemd's/,
    '/system.slice/vm.service': /systemd's/,
    '/kubepods/burstable/pod1': /kubernetes's/,
    '/docker/0123': /container's runtime's/,
  }
  for (const [cgroup, text] of Object.entries(owners)) assert.match(why({ cgroup }), text)
  assert.match(why({ threadCgroup: '/vcpus' }), /cgroups of their own \(\/vcpus\)/)
})

test('in a container, and where the cgroup is not mounted', () => {
  assert.match(why({ groups: { '': { ...ROOT, 'cgroup.type': 'domain\n' } } }), /container/)
  assert.match(why({ cgroup: '/../other' }), /outside of what is mounted/)
  assert.match(why({ mounts: CGROUP2.replace(' / ', ' /inner ') }), /outside of what is mounted/)
})

test('a cgroup beside it with one of the CPUs is named; one that an ended process left behind is not in the way', () => {
  const rival = { 'cpuset.cpus': '3-4\n', 'cgroup.events': 'populated 0\nfrozen 0\n' }
  assert.match(why({ groups: { '': ROOT, '/other': rival } }), /CPU 3 is in the cpuset of cgroup .*\/other, too/)
  assert.match(why({ groups: { '': ROOT, '/homenode-100-102': rival } }), /homenode-100-102, too/)
  assert.equal(place({ groups: { '': ROOT, '/homenode-99-102': rival } }), { parent: '/sys/fs/cgroup', enables: true })
})

test('a state from a file is not believed: only a cgroup of a name of ours', () => {
  const thread = { tid: 102, startTime: 5, cpus: '2' }
  const state = {
    directory: '/sys/fs/cgroup/homenode-100-102',
    kind: 'root',
    cpus: '2-3',
    enables: true,
    threads: [thread],
    losers: [],
  }
  assert.equal(parseWith(partitionState, state), state)
  for (const directory of ['/sys/fs/cgroup', '/tmp/../homenode-1-2', 'homenode-1-2', '/etc/homenode-1-2/..']) {
    assert.throws(
      () => parseWith(partitionState, { ...state, directory }),
      (error: unknown) => error instanceof InputError,
    )
  }
})

test.run()
