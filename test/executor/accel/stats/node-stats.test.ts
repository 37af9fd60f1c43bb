/** Counters from files, and the rates between two readings. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Counters, readNodeCounters } from '../../../../executor/accel/stats/node-counters.js'
import { compareCounters } from '../../../../executor/accel/stats/node-stats.js'
import { type Tree, treeReader } from '../../../topology/tree.js'

/** Nodes 0 and 2, the latter without CPUs. */
const CPUS = new Map([
  [0, [0, 1]],
  [2, []],
])
const NODE = 'sys/devices/system/node/node'
const RESCTRL = 'sys/fs/resctrl'

const numastat = (hit: number, local: number, other: number) =>
  `numa_hit ${hit}\nnuma_miss 1\nnuma_foreign 2\ninterleave_hit 3\nlocal_node ${local}\nother_node ${other}\n`
const meminfo = (node: number, total: number, free: number) =>
  `\nNode ${node} MemTotal: ${total} kB\nNode ${node} MemFree: ${free} kB\n`

const first: Tree = {
  'proc/stat': 'cpu  300 0 0 700 0 0 0 0 0 0\ncpu0 100 0 50 800 50 0 0 0 90 0\ncpu1 0 0 0 1000 0 0 0 0 0 0\nintr 5 0\n',
  [`${NODE}0/meminfo`]: meminfo(0, 1000, 400),
  [`${NODE}0/numastat`]: numastat(100, 80, 20),
  [`${NODE}2/meminfo`]: meminfo(2, 500, 500),
  [`${NODE}2/numastat`]: numastat(10, 0, 10),
}
/** CPU 0: 60 user, 20 system, 10 idle, 10 iowait; CPU 1: 100 idle. */
const second: Tree = {
  ...first,
  'proc/stat': 'cpu  0\ncpu0 160 0 70 810 60 0 0 0 150 0\ncpu1 0 0 0 1100 0 0 0 0 0 0\n',
  [`${NODE}0/meminfo`]: meminfo(0, 1000, 100),
  [`${NODE}0/numastat`]: numastat(300, 180, 120),
}

const counters = (files: Tree, at: number, cache: Counters['cache'] = new Map()): Counters => ({
  at,
  nodes: readNodeCounters(treeReader(files), CPUS),
  cache,
})
const statsOf = (before: Counters | null, after: Counters, node = 0) => compareCounters(before, after).get(node)!

test('the first reading has memory, and no rates', () => {
  assert.equal(statsOf(null, counters(first, 0)), {
    seconds: null,
    cpuUsage: null,
    memory: { total: 1000 * 1024, free: 400 * 1024, usage: 0.6 },
    numa: null,
    localAccessRate: null,
    bandwidth: null,
    cacheMisses: null,
  })
})

test('rates are of the time between two readings', () => {
  const stats = statsOf(counters(first, 1000), counters(second, 3000))
  assert.is(stats.seconds, 2)
  // 80 of 200 ticks; waiting for a disk is idle, time in guests is in the user time already.
  assert.is(stats.cpuUsage, 0.4)
  assert.is(stats.memory.usage, 0.9)
  assert.equal(stats.numa, {
    numa_hit: 100,
    numa_miss: 0,
    numa_foreign: 0,
    interleave_hit: 0,
    local_node: 50,
    other_node: 50,
  })
  assert.is(stats.localAccessRate, 0.5)
})

test('a node without CPUs has no CPU use, and one that gave nothing out no share', () => {
  const stats = statsOf(counters(first, 0), counters(second, 1000), 2)
  assert.is(stats.cpuUsage, null)
  assert.is(stats.localAccessRate, null)
  assert.is(stats.numa?.other_node, 0)
  assert.is(stats.memory.usage, 0)
})

test('what is not there is unknown', () => {
  const stats = statsOf(counters({}, 0), counters({}, 1000))
  assert.equal(
    { ...stats, memory: { ...stats.memory } },
    {
      seconds: 1,
      cpuUsage: null,
      memory: { total: null, free: null, usage: null },
      numa: null,
      localAccessRate: null,
      bandwidth: null,
      cacheMisses: null,
    },
  )
})

test('a CPU that comes or goes between two readings is left out', () => {
  const gone = { ...second, 'proc/stat': 'cpu0 160 0 70 810 60 0 0 0 150 0\n' }
  assert.is(statsOf(counters(first, 0), counters(gone, 1000)).cpuUsage, 0.8)
  assert.is(statsOf(counters(gone, 0), counters(gone, 1000)).cpuUsage, null)
})

test('two readings at one moment give no rates', () => {
  assert.is(statsOf(counters(first, 5), counters(second, 5)).seconds, null)
})

/** Two CPUs that share an L3 cache, number 4; bytes of the default group and of a group of tasks. */
function traffic(total: readonly [string, string], local: readonly [string, string], shared = '0-1'): Tree {
  const cache = (cpu: number): Tree => ({
    [`sys/devices/system/cpu/cpu${cpu}/cache/index0/level`]: '1',
    [`sys/devices/system/cpu/cpu${cpu}/cache/index3/level`]: '3',
    [`sys/devices/system/cpu/cpu${cpu}/cache/index3/id`]: '4',
    [`sys/devices/system/cpu/cpu${cpu}/cache/index3/shared_cpu_list`]: shared,
  })
  const group = (directory: string, i: 0 | 1): Tree => ({
    [`${directory}/mon_data/mon_L3_04/mbm_total_bytes`]: total[i],
    [`${directory}/mon_data/mon_L3_04/mbm_local_bytes`]: local[i],
    [`${directory}/mon_data/mon_L3_00/mbm_total_bytes`]: '999999',
    [`${directory}/mon_data/mon_L3_00/mbm_local_bytes`]: '999999',
  })
  return {
    ...first,
    ...cache(0),
    ...cache(1),
    ...group(RESCTRL, 0),
    ...group(`${RESCTRL}/guests`, 1),
    [`${RESCTRL}/info/x`]: '',
  }
}

test('bandwidth is what resctrl measures in the caches of the node, in all groups of tasks', () => {
  const before = counters(traffic(['1000', '500'], ['600', '100']), 0)
  const after = counters(traffic(['5000', '2500'], ['1600', '300']), 2000)
  assert.equal(statsOf(before, after).bandwidth, { bytesPerSecond: 3000, localBytesPerSecond: 600 })
  assert.is(statsOf(before, after, 2).bandwidth, null)
})

test('bandwidth is unknown where a counter is not available, was reset, or counts another node as well', () => {
  const before = counters(traffic(['1000', '500'], ['600', '100']), 0)
  const of = (files: Tree) => statsOf(before, counters(files, 1000)).bandwidth
  assert.is(of(traffic(['Unavailable', '900'], ['700', '200'])), null)
  assert.is(of(traffic(['2000', '0'], ['100', '0'])), null)
  assert.is(of(traffic(['2000', '900'], ['700', '200'], '0-3')), null)
  assert.is(of(first), null)
})

test("cache misses are those of the node's CPUs, by second and by reference", () => {
  const before = new Map([
    [0, [100, 10]],
    [1, [0, 0]],
    [9, [0, 0]],
  ])
  const after = new Map([
    [0, [300, 60]],
    [1, [200, 50]],
    [9, [999, 999]],
  ])
  const stats = (from: Counters['cache'], to: Counters['cache']) =>
    statsOf(counters(first, 0, from), counters(second, 2000, to)).cacheMisses
  assert.equal(stats(before, after), { perSecond: 50, rate: 0.25 })
  assert.equal(stats(after, after), { perSecond: 0, rate: null })
  assert.is(stats(before, new Map()), null)
})

test.run()
