import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cpu, hostOf, node, type Tree } from './tree.js'

const KIB = 1024
const PAGE = 4 * KIB

/** A node's meminfo with these counters, in KiB. */
const counting = (counters: Readonly<Record<string, number>>) =>
  Object.entries(counters)
    .map(([name, kilobytes]) => `Node 0 ${name}: ${kilobytes} kB\n`)
    .join('')

/** A zone as /proc/zoneinfo words it, with the lines between that mean something else. */
const zone = (
  of: number,
  name: string,
  { low, high, managed, protection }: { low: number; high: number; managed: number; protection: string },
) =>
  `Node ${of}, zone ${name.padStart(8)}
  per-node stats
      nr_inactive_file 101689
  pages free     3840
        boost    0
        min      ${low - 1}
        low      ${low}
        high     ${high}
        promo    80
        spanned  4095
        present  ${managed + 10}
        managed  ${managed}
        cma      0
        protection: (${protection})
      nr_free_pages 3840
  pagesets
    cpu: 0
              count: 1
              high:  99999
              batch: 63
`

const GIB_KB = 1024 * 1024
const CACHED = {
  MemTotal: 8 * GIB_KB,
  MemFree: GIB_KB,
  'Active(file)': 2 * GIB_KB,
  'Inactive(file)': GIB_KB,
  SReclaimable: 1000,
}

const reclaimableOf = (meminfo: Readonly<Record<string, number>>, tree: Tree = {}) =>
  hostOf({ ...cpu(0), ...node(0, { cpulist: '0', meminfo: counting(meminfo) }), ...tree }).nodes[0]!.memory.reclaimable

test('what can be reclaimed is what MemAvailable counts on top of what is free', () => {
  const zones =
    zone(0, 'DMA', { low: 58, high: 69, managed: 3840, protection: '0, 3019, 5323, 5323' }) +
    zone(0, 'DMA32', { low: 11945, high: 14334, managed: 772917, protection: '0, 0, 2304, 2304' }) +
    zone(0, 'Normal', { low: 9115, high: 10938, managed: 589824, protection: '0, 0, 0, 0' })
  const low = (58 + 11945 + 9115) * 4
  // Of the first zone all is kept: 5323 + 69 pages are more than it has.
  const reserve = (3840 + (2304 + 14334) + 10938) * 4
  const slab = 1000 / 2
  assert.is(reclaimableOf(CACHED, { 'proc/zoneinfo': zones }), (3 * GIB_KB - low + slab - reserve) * KIB)
})

test('half of a small page cache is kept, and never more is given than the reserve leaves', () => {
  const zones = zone(0, 'Normal', { low: 5000, high: 6000, managed: 1e6, protection: '0' })
  const small = { ...CACHED, 'Active(file)': 30_000, 'Inactive(file)': 0, SReclaimable: 40_000 }
  assert.is(reclaimableOf(small, { 'proc/zoneinfo': zones }), (15_000 + 20_000 - 6000 * 4) * KIB)
  assert.is(reclaimableOf({ ...small, 'Active(file)': 4000, SReclaimable: 0 }, { 'proc/zoneinfo': zones }), 0)
})

test('each node has its own zones', () => {
  const meminfo = counting(CACHED)
  const host = hostOf({
    ...cpu(0),
    ...node(0, { cpulist: '0', meminfo }),
    ...node(3, { meminfo: meminfo.replaceAll('Node 0', 'Node 3') }),
    'proc/zoneinfo':
      zone(0, 'Normal', { low: 1000, high: 1500, managed: 1e6, protection: '0' }) +
      zone(3, 'Normal', { low: 2000, high: 2500, managed: 1e6, protection: '0' }),
  })
  const reclaimable = host.nodes.map(({ memory }) => memory.reclaimable! / KIB)
  assert.equal(
    reclaimable,
    [1000 + 1500, 2000 + 2500].map((pages) => 3 * GIB_KB + 500 - pages * 4),
  )
})

test('without zones it is half of the caches, and a 16th of the node is kept in any case', () => {
  assert.is(reclaimableOf({ ...CACHED, SReclaimable: 1000 }), (1.5 * GIB_KB + 500) * KIB)
  const small = { ...CACHED, 'Active(file)': 0, 'Inactive(file)': 0.75 * GIB_KB, SReclaimable: 0 }
  assert.is(reclaimableOf(small), 0.25 * GIB_KB * KIB)
  assert.is(reclaimableOf({ ...small, 'Inactive(file)': 0.25 * GIB_KB }), 0)
})

test('it is unknown where the caches, what is free, or what there is is unknown', () => {
  assert.is(reclaimableOf({ MemTotal: GIB_KB, MemFree: 1000 }), undefined)
  assert.is(reclaimableOf({ 'Active(file)': GIB_KB, 'Inactive(file)': GIB_KB, MemFree: 1000 }), undefined)
  assert.is(reclaimableOf({ MemTotal: GIB_KB, 'Inactive(file)': GIB_KB }), undefined)
})

test('no more is claimed than the node has, in whole pages', () => {
  const zones = zone(0, 'Normal', { low: 0, high: 0, managed: 1e6, protection: '0' })
  const wrong = { MemTotal: 1003, MemFree: 500, 'Active(file)': GIB_KB, 'Inactive(file)': GIB_KB }
  assert.is(reclaimableOf(wrong, { 'proc/zoneinfo': zones }), Math.floor(503 / 4) * PAGE)
})

test('of a node outside of the cpuset nothing can be reclaimed', () => {
  const host = hostOf({
    ...cpu(0),
    ...node(0, { cpulist: '0', meminfo: counting(CACHED) }),
    ...node(1, { meminfo: counting(CACHED) }),
    'proc/self/cgroup': '0::/\n',
    'proc/mounts': 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n',
    'sys/fs/cgroup/cpuset.mems.effective': '0\n',
  })
  assert.ok(host.nodes[0]!.memory.reclaimable! > 0)
  assert.equal(host.nodes[1]!.memory, { total: 8 * GIB_KB * KIB, free: 0, reclaimable: 0 })
})

test.run()
