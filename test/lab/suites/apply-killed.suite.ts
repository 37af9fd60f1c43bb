/** Applying is killed at random moments: what is left can always be undone, and applied again. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { applyChanges, type Changes, listUndoFiles, prepareMemory, preparePin, undo } from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { affinities, backend, findThese, folder, type Guest, memoryOf, pinTo, startGuest } from './guests.js'
import { MiB, machine, withMemory } from './inside.js'

const state = join(folder, 'state')
const [first, last] = [withMemory[0]!, withMemory.at(-1)!]
const cpusOn = (node: number) => machine.nodes[node]!.cpus!
const executor = pathToFileURL(join(process.env.LAB_PACKAGE ?? '', 'dist/executor.js')).href

/** On each of the machines. */
const TIMES = 10
/** Of one move, at this rate: killed somewhere in it, or just before or after. */
const RATE = 32 * MiB
const LONGEST_MS = 2500

/** Both vCPUs and all memory to the first node. */
async function changesOf(guest: Guest): Promise<Changes> {
  const [vm] = (await findThese([guest])).vms
  const memory = await prepareMemory(vm!, { to: first })
  const pins = await Promise.all(
    vm!.vcpus.map(({ vcpu }) => preparePin(vm!, { role: 'vcpu', number: vcpu }, cpusOn(first))),
  )
  const steps = [...pins, memory].flatMap((changes) => changes.steps)
  return { ...memory, vms: [memory, ...pins].find(({ vms }) => vms.length > 0)?.vms ?? [], steps }
}

/** A process that says when it begins, and is killed so long after that. */
async function killedAfter(changes: Changes, ms: number): Promise<boolean> {
  const script = `
    const { applyChanges } = await import(${JSON.stringify(executor)})
    console.log('begins')
    await applyChanges(${JSON.stringify(changes)}, { state: ${JSON.stringify(state)}, rate: ${RATE} })`
  const args = [...process.execArgv, '--input-type=module', '-e', script]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('close', (_, signal) => resolve(signal)))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  await sleep(ms)
  child.kill('SIGKILL')
  return (await ended) === 'SIGKILL'
}

test('killed again and again, then undone or applied again: it always ends right, and the guest goes on', async () => {
  const guest = await startGuest('victim', backend('ram', `policy=bind,host-nodes=${last}`))
  let [killed, halfway] = [0, 0]
  try {
    pinTo(guest.pid, cpusOn(last))
    const before = affinities(guest.pid)
    const changes = await changesOf(guest)
    for (let time = 0; time < TIMES; time++) {
      if (await killedAfter(changes, Math.random() * LONGEST_MS)) killed++
      const { [first]: there = 0, [last]: left = 0 } = memoryOf(guest.pid)
      assert.is(there + left, 64)
      if (there > 0 && left > 0) halfway++
      if (time % 3 === 2) {
        const again = await applyChanges(await changesOf(guest), { state })
        assert.equal(again.differences, [])
        assert.equal(memoryOf(guest.pid), { [first]: 64 })
      }
      while (listUndoFiles({ state }).length > 0) assert.equal((await undo(undefined, { state })).differences, [])
      assert.equal(affinities(guest.pid), before)
      assert.equal(memoryOf(guest.pid), { [last]: 64 })
    }
    assert.ok(await guest.isSound())
    assert.ok(
      killed >= TIMES / 2 && halfway > 0,
      `${killed} of ${TIMES} were killed, ${halfway} with memory on both nodes`,
    )
  } finally {
    await guest.stop()
  }
})

test.run()
