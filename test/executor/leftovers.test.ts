/** What many runs in one process add up to: the kernel's count of all memory, whoever mapped it. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bundleExecutor } from './bundle.js'
import { cpus, MiB, planOf } from './plans.js'
import { anonymousMemory, settledHoldings } from './process.js'

const { run, verified } = await bundleExecutor()

const KiB = 1024
const WARM_UP = 5
const RUNS = 20
/** One for the vCPU, and one beside it. */
const THREADS = RUNS * 2
/** What a thread may leave behind: see POOL_THREAD_SIZES in executor/ffi/libc.ts. */
const PER_THREAD = { mappings: 3, bytes: 76 * KiB }
/** For the heaps of V8 and the C library, which grow and shrink (seen: 13 MiB, 24 mappings); a guest is 4 MiB in each run. */
const NOISE = { mappings: 60, bytes: 24 * MiB }

test('many runs in one process do not add up in memory', async () => {
  const plan = verified.sealPlan(planOf({ vcpus: [String(cpus[0])], cells: [4 * MiB] }))
  const runs = async (count: number) => {
    for (let i = 0; i < count; i++) await run.runPlan(plan, { seconds: 0.02 })
    const { threads, fds } = await settledHoldings()
    return { threads, fds, ...anonymousMemory() }
  }
  const before = await runs(WARM_UP)
  const after = await runs(RUNS)
  assert.is(after.threads, before.threads)
  assert.equal(after.fds, before.fds)
  const grown = (what: 'mappings' | 'bytes' | 'residentBytes') => after[what] - before[what]
  const atMost = (what: 'mappings' | 'bytes' | 'residentBytes', limit: number) =>
    assert.ok(grown(what) <= limit, `${what} grew by ${grown(what)} in ${RUNS} runs, the limit is ${limit}`)
  atMost('mappings', THREADS * PER_THREAD.mappings + NOISE.mappings)
  atMost('bytes', THREADS * PER_THREAD.bytes + NOISE.bytes)
  atMost('residentBytes', THREADS * PER_THREAD.bytes + NOISE.bytes)
})

test.run()
