import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ReadText, requireFreeMemory } from '../../../executor/observe/free-memory.js'
import { layoutVm } from '../../../executor/plan/layout.js'
import { MiB, planOf, type VmSketch } from '../plans.js'

function files(contents: Readonly<Record<string, string>>): ReadText {
  return (path) => contents[path] ?? null
}

function check(read: ReadText, ...vms: readonly VmSketch[]): void {
  requireFreeMemory(planOf(...vms).vms.map(layoutVm), read)
}

const NODE = '/sys/devices/system/node/node1'
const meminfo = [
  'Node 1 MemTotal:       999999 kB',
  'Node 1 MemFree:         65536 kB',
  'Node 1 Active(file):    32768 kB',
  'Node 1 Inactive(file):  16384 kB',
  'Node 1 SReclaimable:    16384 kB',
].join('\n')

test('what is free and what is page cache may be taken, and not a page more', () => {
  const read = files({ [`${NODE}/meminfo`]: meminfo })
  check(read, { vcpus: ['0'], node: 1, cells: [128 * MiB] })
  assert.throws(
    () => check(read, { vcpus: ['0'], node: 1, cells: [128 * MiB + 4096] }),
    /.* is needed from node 1, in pages of 4 KiB, where 128 MiB is free now/,
  )
})

test('the cells of all VMs on a node are counted together', () => {
  const read = files({ [`${NODE}/meminfo`]: meminfo })
  const vm: VmSketch = { vcpus: ['0'], node: 1, cells: [50 * MiB, 20 * MiB] }
  check(read, { ...vm, name: 'a' })
  assert.throws(() => check(read, { ...vm, name: 'a' }, { ...vm, name: 'b' }), /140 MiB is needed/)
})

test('huge pages are counted apart', () => {
  const read = files({
    [`${NODE}/meminfo`]: meminfo,
    [`${NODE}/hugepages/hugepages-2048kB/free_hugepages`]: '3\n',
  })
  check(read, { vcpus: ['0'], node: 1, cells: [6 * MiB], pageSize: 2 * MiB })
  assert.throws(
    () => check(read, { vcpus: ['0'], node: 1, cells: [8 * MiB], pageSize: 2 * MiB }),
    /8 MiB is needed from node 1, in pages of 2 MiB, where 6 MiB is free now/,
  )
})

test('the memory limit of a cgroup above this one counts', () => {
  const read = files({
    '/proc/self/cgroup': '0::/outer/inner\n',
    '/sys/fs/cgroup/outer/memory.max': String(100 * MiB),
    '/sys/fs/cgroup/outer/memory.current': String(70 * MiB),
    '/sys/fs/cgroup/outer/memory.stat': `anon 1\nfile ${10 * MiB}\n`,
    '/sys/fs/cgroup/outer/inner/memory.max': 'max\n',
    '/sys/fs/cgroup/outer/inner/memory.current': '5\n',
  })
  check(read, { vcpus: ['0'], cells: [40 * MiB] })
  assert.throws(() => check(read, { vcpus: ['0'], cells: [41 * MiB] }), /cgroup .* where 40 MiB is free now/)
})

test('nothing is refused where the system says nothing', () => {
  assert.not.throws(() => check(files({}), { vcpus: ['0'], cells: [2 ** 50] }))
})

test.run()
