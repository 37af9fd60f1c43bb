/** Where the memory of processes is, and how often that is looked at. */

import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MemoryWalks, residentByNode } from '../../../executor/meter/memory.js'
import { QEMU, Recorded } from './recorded.js'

const LINES = [
  '557f7b50b000 default file=/usr/bin/qemu-system-x86_64 mapped=900 N1=900 kernelpagesize_kB=4',
  '557f7c50b000 default heap anon=10 dirty=10 N0=10 kernelpagesize_kB=4',
  '7f0000000000 bind:1 anon=512 dirty=512 N0=512 kernelpagesize_kB=4',
  '7f1000000000 bind:1 file=/dev/hugepages/qemu\\040ram\\040(deleted) huge dirty=3 N0=1 N1=2 kernelpagesize_kB=2048',
  '7f2000000000 default file=/memfd:ram\\040(deleted) mapped=7 N2=7 kernelpagesize_kB=4',
  '7f3000000000 default file=/mnt/tmpfs/ram dirty=5 active=0 N2=5 kernelpagesize_kB=4',
]

test('memory by node: anonymous, huge pages, shared memory and files that were written to; no programs', () => {
  assert.equal(residentByNode(`${LINES.join('\n')}\n`), [
    { node: 0, bytes: (10 + 512) * 4096 + 2 ** 21 },
    { node: 1, bytes: 2 * 2 ** 21 },
    { node: 2, bytes: 12 * 4096 },
  ])
  assert.equal(residentByNode(''), [])
})

const tree = () => new Recorded([QEMU, { ...QEMU, pid: 200 }, { ...QEMU, pid: 300 }])
const processes = [
  { pid: 100, residentPages: 9000 },
  { pid: 200, residentPages: 10 },
  { pid: 300, residentPages: 500 },
]

/** Goes on until this holds: on a busy machine a walk takes longer than the meter waits for one. */
async function until(walks: MemoryWalks, holds: () => boolean): Promise<void> {
  while (!holds()) {
    await walks.next(processes)
    if (!holds()) await sleep(1)
  }
}

test('one process at a time, the smallest first, then the one that waits longest', async () => {
  const walks = new MemoryWalks(tree().root, 0)
  const known = () => processes.filter(({ pid }) => walks.of(pid) !== null).map(({ pid }) => pid)
  const seen = []
  for (let round = 0; round < 3; round++) {
    await until(walks, () => known().length > round)
    seen.push(known())
  }
  assert.equal(seen, [[200], [200, 300], [100, 200, 300]])
  const first = walks.of(200)!
  await until(walks, () => walks.of(200)!.at > first.at)
  assert.ok([100, 300].every((pid) => walks.of(pid)!.at < walks.of(200)!.at))
})

test('after a walk comes a rest of many times its length', async () => {
  const walks = new MemoryWalks(tree().root, 1e6)
  await until(walks, () => walks.of(200) !== null)
  const { at } = walks.of(200)!
  for (let round = 0; round < 20; round++) await walks.next(processes)
  assert.is(walks.of(200)!.at, at)
  assert.equal([walks.of(100), walks.of(300)], [null, null])
})

test('a process whose memory cannot be looked at is passed over, one that has gone is forgotten', async () => {
  const recorded = tree()
  recorded.remove('proc/200/numa_maps')
  const walks = new MemoryWalks(recorded.root, 0)
  await until(walks, () => walks.of(100) !== null)
  assert.equal(
    processes.map(({ pid }) => [walks.of(pid) !== null, walks.isRefused(pid)]),
    [
      [true, false],
      [false, true],
      [true, false],
    ],
  )
  await walks.next([processes[2]!])
  assert.equal([walks.of(100), walks.isRefused(200)], [null, false])
})

test.run()
