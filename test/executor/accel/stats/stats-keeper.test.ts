/** Counters of CPUs in the statistics: those that the kernel has everywhere stand in for those of the caches. */

import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PERF_COUNT_SW_CONTEXT_SWITCHES, PERF_TYPE_SOFTWARE } from '../../../../executor/abi/perf.js'
import { CpuTopology } from '../../../../executor/accel/cpu-topology.js'
import { type OpenCacheCounters, StatsKeeper } from '../../../../executor/accel/stats/stats-keeper.js'
import { CpuCounters } from '../../../../executor/observe/cpu-counters.js'
import { SyscallError } from '../../../../src/errors.js'
import { directoryReader } from '../../../../src/topology/node-fs.js'
import { skipUnless } from '../../../skip.js'
import { cpus } from '../../plans.js'
import { holdings } from '../../process.js'

const topology = await CpuTopology.detect()
const node = topology.cpuToNode.get(cpus[0]!)!
const SWITCHES = { type: PERF_TYPE_SOFTWARE, config: PERF_COUNT_SW_CONTEXT_SWITCHES }
/** "References" and "misses" are the same event. */
const openSwitches: OpenCacheCounters = async (on) => CpuCounters.open(on, [SWITCHES, SWITCHES])
const why = await openSwitches(cpus).then(
  (counters) => counters.close(),
  (error: Error) => error.message,
)
const testWithCounters = skipUnless(why === undefined, why ?? '')

function keeper(open: OpenCacheCounters | null): StatsKeeper {
  return new StatsKeeper(topology, directoryReader('/'), open)
}

testWithCounters(
  'what the CPUs of a node count is in its statistics, and the counters are closed with it',
  async () => {
    const before = holdings().fds
    const stats = keeper(openSwitches)
    assert.not.equal(stats.whyNoCacheMisses, '')
    await stats.update()
    assert.is(stats.whyNoCacheMisses, '')
    assert.is(stats.of(node).cacheMisses, null)
    assert.is(holdings().fds.length, before.length + 2 * topology.cpuToNode.size)
    await delay(30)
    await stats.update()
    const { cacheMisses } = stats.of(node)
    assert.ok(cacheMisses!.perSecond > 0)
    assert.is(cacheMisses!.rate, 1)
    await stats.close()
    await stats.close()
    assert.equal(holdings().fds, before)
  },
)

test('why there are no counters is kept, and asked once', async () => {
  let asked = 0
  const stats = keeper(async () => {
    asked++
    throw new SyscallError('perf_event_open(CPU 0)', 2, 'ENOENT', 'no such counter')
  })
  await stats.update()
  await stats.update()
  assert.is(asked, 1)
  assert.is(stats.of(node).cacheMisses, null)
  assert.match(stats.whyNoCacheMisses, /perf_event_open\(CPU 0\): ENOENT .*no such counter/)
  assert.ok(stats.of(node).cpuUsage !== undefined)
  await stats.close()
})

test.run()
