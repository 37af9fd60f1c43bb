import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isNobodys } from '../../../executor/apply/cpusets.js'
import { Draft } from '../../../executor/apply/draft.js'
import { cpusetsFor, withoutRoom } from '../../../executor/apply/obstacles.js'
import type { ChangeStep } from '../../../executor/apply/types.js'
import type { FoundThread, FoundVm } from '../../../executor/found/types.js'

const MIB = 2 ** 20

function moves(step: number, pid: number, mib: number, from: number, to: number, pageSize = 4096): ChangeStep {
  const bytes = mib * MIB
  const range = { start: 0, bytes, pageSize, policy: 'default', through: 'kernel' as const }
  const memory = [{ ...range, from: [{ node: from, bytes }], to: [{ node: to, bytes }] }]
  return { step, vm: `vm${pid}`, pid, through: 'kernel', threads: [], memory, cpusets: [], bytes }
}

/** MiB that are free, by node; in huge pages there is nothing. */
const free = (mib: readonly number[]) => (node: number, pageSize: number) => (pageSize > 4096 ? 0 : mib[node]! * MIB)

test('room is what is free when all that went before has gone', () => {
  assert.is(withoutRoom([moves(1, 1, 64, 0, 1)], free([0, 64])), null)
  const lacking = withoutRoom([moves(1, 1, 64, 0, 1)], free([0, 63]))
  assert.is(lacking?.pid, 1)
  assert.match(lacking!.obstacle.why, /64 MiB would come in pages of 4 KiB, and 63 MiB is free then/)
  assert.is(withoutRoom([moves(1, 1, 64, 1, 2), moves(2, 2, 64, 0, 1)], free([0, 0, 64])), null)
  assert.is(withoutRoom([moves(1, 2, 64, 0, 1), moves(2, 1, 64, 1, 2)], free([0, 0, 64]))?.pid, 2)
  // What is made together may change places.
  assert.is(withoutRoom([moves(1, 1, 64, 1, 0), moves(1, 2, 64, 0, 1)], free([0, 0])), null)
  assert.is(withoutRoom([moves(1, 1, 2, 0, 1, 2 * MIB)], free([64, 64]))?.pid, 1)
  assert.is(
    withoutRoom([moves(1, 1, 64, 0, 1)], () => null),
    null,
  )
})

test("cgroups are of nobody unless a part of their path is somebody else's", () => {
  for (const path of ['/guests', '/homenode/db', '/my-machine-guests']) assert.ok(isNobodys(path), path)
  for (const path of [
    '/',
    '/user.slice/user-0.slice/session-1.scope',
    '/system.slice/vm.service',
    '/machine/qemu-1-db.libvirt-qemu/vcpu0',
    '/kubepods/burstable/pod1',
    '/docker/0123',
    '/lxc.payload.c1',
    '/libpod_parent/x',
  ]) {
    assert.not(isNobodys(path), path)
  }
})

/** Its main thread floats over all CPUs that there may ever be. */
function floating(cpus: string): { readonly vm: FoundVm; readonly draft: Draft } {
  const threads = [
    { tid: 10, startTime: 1, role: 'emulator' as const, number: null, cpus: '0-1023' },
    { tid: 11, startTime: 1, role: 'vcpu' as const, number: 0, cpus: '0-1023' },
  ]
  const draft = new Draft({ vm: 'a', pid: 10, startTime: 1, threads, memory: [] })
  draft.add(1, { threads: new Map([[11, '1']]), memory: new Map() })
  const thread = (tid: number): FoundThread => ({ tid, name: 'x', cpus: '0-1023', lastCpu: 0, load: 0, cgroup: 0 })
  const cgroups = [{ path: '/user.slice', version: 2 as const, cpus, mems: '0', threads: 2 }]
  const parts = {
    vcpus: [{ ...thread(11), vcpu: 0, source: 'kernel' }],
    emulator: [thread(10)],
    iothreads: [],
    unknownThreads: [],
  }
  return { vm: { pid: 10, cgroups, ...parts } as unknown as FoundVm, draft }
}

test('only what is to change has to be within the cpuset: others may float over CPUs that are not there', () => {
  const within = floating('0-3')
  assert.equal(cpusetsFor(within.vm, within.draft), { changes: [], obstacles: [] })
  const outside = floating('2-3')
  const { changes, obstacles } = cpusetsFor(outside.vm, outside.draft)
  assert.equal(changes, [])
  assert.match(obstacles[0]!.why, /has CPUs 2-3.*who manages that cgroup/)
})

test.run()
