/** `homenode balance` on two nodes: what was pulled away comes back, what is well placed stays, and the rules hold. */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isDone, isRound, policyFile, startBalancing } from './balancing.js'
import { affinities, folder, memoryOf, pinTo, startGuest } from './guests.js'
import { homenode, machine } from './inside.js'

const state = join(folder, 'state')
const cpusOn = (node: number) => machine.nodes[node]!.cpus!
/** One that floats over the CPUs of a node, with its memory there, bound to nothing. */
const guestOn = async (name: string, node: number) => {
  const guest = await startGuest(name, ['-mem-prealloc'], ['numactl', `--cpunodebind=${node}`, `--preferred=${node}`])
  pinTo(guest.pid, cpusOn(node))
  return guest
}
/** These guests do little. */
const quick = [
  '--interval',
  '1',
  '--set',
  'leastKnown=2',
  '--set',
  'settle=2',
  '--set',
  'rest=1',
  '--set',
  'leastGain=0.001',
]
const pullAway = (pid: number) => promisify(execFile)('migratepages', [`${pid}`, '0', '1'])
const mostlyOn = (pid: number, node: number) => {
  const { [node]: there = 0, ...others } = memoryOf(pid)
  return Object.values(others).every((mib) => mib < there / 50)
}

test('two equal guests, each on its node: nothing moves in 20 rounds; what migratepages pulls away is back in three', async () => {
  const guests = [await guestOn('left', 0), await guestOn('right', 1)]
  const balancing = startBalancing(['--act', '--state', state, ...quick])
  try {
    const before = guests.map(({ pid }) => affinities(pid))
    for (const { decision, action, why } of await balancing.rounds(20)) {
      assert.equal([decision, action], ['stay', null], why)
    }
    assert.equal(
      guests.map(({ pid }) => affinities(pid)),
      before,
    )

    const { pid } = guests[0]!
    await pullAway(pid)
    assert.ok(mostlyOn(pid, 1), JSON.stringify(memoryOf(pid)))
    const { round: last } = [...balancing.lines].reverse().find(isRound)!
    const done = await balancing.until(isDone, balancing.lines.length)
    // The one that is going on is none of the three.
    assert.ok(done.round! <= last! + 4, `pulled away in round ${last}, back in round ${done.round}`)
    assert.equal(
      done.moves!.map(({ vm }) => vm),
      ['left'],
    )
    assert.ok(mostlyOn(pid, 0), JSON.stringify(memoryOf(pid)))
    for (const guest of guests) assert.ok(await guest.isSound(), guest.name)
    const settled = await balancing.rounds(3)
    assert.equal(
      settled.filter(({ action }) => action !== null),
      [],
    )
    assert.is(await balancing.kill('SIGTERM'), 0)
    const { code, stderr } = await homenode(['undo', '--yes', '--state', state])
    assert.is(code, 0, stderr)
    assert.ok(mostlyOn(pid, 1), JSON.stringify(memoryOf(pid)))
  } finally {
    await balancing.kill('SIGKILL')
    for (const guest of guests) await guest.stop()
  }
})

test('what the rules forbid does not move, and the round says which rule; when they allow it, it does', async () => {
  const rules = (moves: string) => `rules: [{name: still, match: {name: "kept"}, set: {moves: ${moves}}}]\n`
  const policy = policyFile('still.yaml', rules('never'))
  const guest = await guestOn('kept', 0)
  const balancing = startBalancing(['--act', '--state', join(folder, 'ruled'), '--policy', policy, ...quick])
  try {
    await balancing.until(isRound)
    await pullAway(guest.pid)
    const round = await balancing.until(({ reason }) => reason === 'policy')
    assert.match(JSON.stringify(round), /rule still: it never moves/)
    await balancing.rounds(4)
    assert.ok(mostlyOn(guest.pid, 1))
    policyFile('still.yaml', rules('null'))
    balancing.kill('SIGHUP')
    await balancing.until(isDone)
    assert.ok(mostlyOn(guest.pid, 0))
    assert.ok(await guest.isSound())
    assert.is(await balancing.kill('SIGTERM'), 0)
  } finally {
    await balancing.kill('SIGKILL')
    await guest.stop()
  }
})

test.run()
