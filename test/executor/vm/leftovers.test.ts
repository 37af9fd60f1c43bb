/** What many runs and many VMs in one process add up to: the kernel's count of all memory, whoever mapped it. */

import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { count } from '../guests/programs.js'
import { MiB, planOf } from '../plans.js'
import { anonymousMemory, holdings, settledHoldings } from '../process.js'
import { accel, first, makeVmWith, run, testWithKvm, verified } from '../vms.js'

const threadsBefore = holdings().threads

/** For the heaps of V8 and the C library, which grow and shrink (seen: 18 MiB, 70 mappings). */
const NOISE = { mappings: 150, bytes: 40 * MiB }

/** Does it so often, then so often again, and compares. */
async function addUp(what: string, warmUp: number, times: number, once: () => Promise<unknown>): Promise<void> {
  const repeat = async (count: number) => {
    for (let i = 0; i < count; i++) await once()
    const { threads, fds } = await settledHoldings()
    return { threads, fds, ...anonymousMemory() }
  }
  const before = await repeat(warmUp)
  const after = await repeat(times)
  // Idle ones of the pool may have ended meanwhile.
  assert.ok(after.threads <= before.threads, `${before.threads} threads became ${after.threads}`)
  assert.ok(after.fds.length <= before.fds.length, `${before.fds.length} descriptors became ${after.fds.length}`)
  const atMost = (of: 'mappings' | 'bytes' | 'residentBytes', limit: number) =>
    assert.ok(after[of] - before[of] <= limit, `${of} grew by ${after[of] - before[of]} in ${times} ${what}`)
  atMost('mappings', NOISE.mappings)
  atMost('bytes', NOISE.bytes)
  atMost('residentBytes', NOISE.bytes)
}

const small = verified.sealPlan(planOf({ vcpus: [first], cells: [4 * MiB] }))
const runSmall = () => run.runPlan(small, { seconds: 0.01 })

test('many runs in one process do not add up in memory', async () => {
  // A guest is 4 MiB: one in ten that stayed would be seen.
  await addUp('runs', 10, 100, runSmall)
})

testWithKvm('a thousand VMs in turn do not add up in descriptors, mappings, threads or memory', async () => {
  await addUp('VMs', 300, 1000, async () => {
    await using vm = await makeVmWith(count, { rdi: 0x3000n }, { cells: [4 * MiB] })
    vm.serial(() => {})
    await vm.run()
  })
})

testWithKvm('guests that are made and closed without ever running do not add up', async () => {
  await addUp('guests', 200, 600, async () => {
    await using guest = new accel.AccelKvm()
    await guest.init()
  })
})

test('threads that nobody needs end after a while', async () => {
  await runSmall()
  assert.ok(holdings().threads > threadsBefore)
  for (let i = 0; i < 300 && holdings().threads > threadsBefore; i++) await delay(100)
  assert.is(holdings().threads, threadsBefore)
})

test.run()
