/** `homenode balance` is killed in the middle of moves: started again it goes on, and one undo takes all of it back. */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listUndoFiles } from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isDone, startBalancing } from './balancing.js'
import { affinities, folder, memoryOf, pinTo, startGuest } from './guests.js'
import { homenode, machine } from './inside.js'

const cpusOn = (node: number) => machine.nodes[node]!.cpus!
const state = join(folder, 'state')
/** Slow enough to be killed in the middle. */
const RATE = '12MiB'
const args = [
  '--act',
  '--state',
  state,
  '--rate',
  RATE,
  '--interval',
  '2',
  '--set',
  'leastKnown=4',
  '--set',
  'settle=2',
]
const rests = ['--set', 'rest=1', '--set', 'leastGain=0.001', '--horizon', '10h']

/** Until more of it has moved, and not all. */
async function untilMoving(pid: number): Promise<void> {
  const { 0: before = 0 } = memoryOf(pid)
  for (let tries = 0; ; tries++) {
    const { 0: there = 0, 1: left = 0 } = memoryOf(pid)
    if (there > before + 8 && left > 8) return
    if (tries > 2000) throw new Error(`it does not move: ${JSON.stringify(memoryOf(pid))}`)
    await sleep(50)
  }
}

test('killed twice in the middle of one move, it goes on at once; the undo file is that of before the move', async () => {
  const guest = await startGuest('victim', ['-mem-prealloc'], ['numactl', '--cpunodebind=0', '--preferred=0'])
  const running = []
  try {
    pinTo(guest.pid, cpusOn(0))
    execFileSync('migratepages', [`${guest.pid}`, '0', '1'])
    const before = affinities(guest.pid)
    for (let kill = 0; kill < 2; kill++) {
      const balancing = startBalancing([...args, ...rests])
      running.push(balancing)
      await untilMoving(guest.pid)
      assert.is(await balancing.kill('SIGKILL'), null)
    }
    const half = memoryOf(guest.pid)
    assert.ok((half[0] ?? 0) > 8 && (half[1] ?? 0) > 8, JSON.stringify(half))

    const again = startBalancing([...args, ...rests])
    running.push(again)
    const { action } = await again.until(isDone)
    assert.is(action!.kind, 'resume')
    assert.ok((memoryOf(guest.pid)[1] ?? 0) < 1, JSON.stringify(memoryOf(guest.pid)))
    assert.ok(await guest.isSound())
    assert.equal(listUndoFiles({ state }), [action!.undoFile])
    assert.equal(
      (await again.rounds(3)).filter((round) => round.action !== null),
      [],
    )
    assert.is(await again.kill('SIGTERM'), 0)
    const { code, stderr } = await homenode(['undo', '--yes', '--state', state])
    assert.is(code, 0, stderr)
    assert.equal(affinities(guest.pid), before)
    assert.ok((memoryOf(guest.pid)[0] ?? 0) < 1, JSON.stringify(memoryOf(guest.pid)))
  } finally {
    for (const balancing of running) await balancing.kill('SIGKILL')
    await guest.stop()
  }
})

test.run()
