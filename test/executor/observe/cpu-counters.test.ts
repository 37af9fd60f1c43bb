import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PERF_COUNT_SW_CONTEXT_SWITCHES, PERF_TYPE_SOFTWARE } from '../../../executor/abi/perf.js'
import { CpuCounters } from '../../../executor/observe/cpu-counters.js'
import { SyscallError } from '../../../src/errors.js'
import { skipUnless } from '../../skip.js'
import { cpus } from '../plans.js'
import { holdings } from '../process.js'

/** Counted by the kernel, so that there are such counters where the CPUs have none. */
const SWITCHES = [{ type: PERF_TYPE_SOFTWARE, config: PERF_COUNT_SW_CONTEXT_SWITCHES }]

function refusal(open: () => CpuCounters): SyscallError | null {
  try {
    open().close()
    return null
  } catch (error) {
    assert.instance(error, SyscallError)
    return error as SyscallError
  }
}

const switches = refusal(() => CpuCounters.open(cpus, SWITCHES))
const cache = refusal(() => CpuCounters.open(cpus))
const testWithCounters = skipUnless(switches === null, String(switches?.message))
const testWithCache = skipUnless(cache === null, String(cache?.message))

testWithCounters('events on each CPU are counted, and go up', async () => {
  using counters = CpuCounters.open(cpus, SWITCHES)
  const sum = () => [...counters.read().values()].reduce((total, [count]) => total + count!, 0)
  const before = sum()
  assert.equal([...counters.read().keys()], [...cpus])
  await delay(20)
  assert.ok(sum() > before)
})

testWithCache('references to the cache and misses in it are counted', async () => {
  using counters = CpuCounters.open(cpus)
  await delay(20)
  const counts = [...counters.read().values()]
  assert.ok(counts.some(([references]) => references! > 0))
})

testWithCounters('a CPU that is not there is refused, and nothing stays open', () => {
  const before = holdings().fds
  const error = refusal(() => CpuCounters.open([...cpus, 60_000], SWITCHES))
  assert.ok(error?.message.includes('perf_event_open(CPU 60000)'), error?.message)
  assert.equal(holdings().fds, before)
})

testWithCounters('closed counters leave no descriptor', () => {
  const before = holdings().fds
  const counters = CpuCounters.open(cpus, SWITCHES)
  assert.is(holdings().fds.length, before.length + cpus.length)
  counters.close()
  counters.close()
  assert.equal(holdings().fds, before)
})

test('an event that no kernel knows is refused', () => {
  assert.ok(refusal(() => CpuCounters.open(cpus.slice(0, 1), [{ type: PERF_TYPE_SOFTWARE, config: 9999 }])) !== null)
})

test.run()
