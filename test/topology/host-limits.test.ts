import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cpu, hostOf, meminfo, node, type Tree } from './tree.js'

const MIB = 2 ** 20
const GIB = 2 ** 30
const HUGE = 2 * MIB

/** Files of huge pages below a directory, as the kernel shows them. */
const pool = (directory: string, kilobytes: number, total: number, free: number): Tree => ({
  [`${directory}/hugepages-${kilobytes}kB/nr_hugepages`]: `${total}\n`,
  [`${directory}/hugepages-${kilobytes}kB/free_hugepages`]: `${free}\n`,
})
const reserved = (kilobytes: number, pages: number): Tree => ({
  [`sys/kernel/mm/hugepages/hugepages-${kilobytes}kB/resv_hugepages`]: `${pages}\n`,
})

/** Two nodes with 8 GiB free and 64 pages of 2 MiB each; a process in the cgroup /job/step. */
const HOST: Tree = {
  ...cpu(0),
  ...node(0, { cpulist: '0', meminfo: meminfo(0, 2 ** 24, 2 ** 23), ...pool('hugepages', 2048, 64, 64) }),
  ...node(1, { meminfo: meminfo(1, 2 ** 24, 2 ** 23), ...pool('hugepages', 2048, 80, 64) }),
  'proc/self/cgroup': '0::/job/step\n',
  'proc/mounts': 'cgroup2 /cg cgroup2 rw 0 0\n',
}
const limitsOf = (files: Tree) => hostOf({ ...HOST, ...files }).limits

test('a host that nothing limits has no limits', () => {
  assert.not('limits' in hostOf(HOST))
  assert.is(limitsOf({ 'cg/job/memory.max': 'max\n', 'cg/job/hugetlb.2MB.max': 'max\n' }), undefined)
  const enough = { 'cg/job/memory.max': `${16 * GIB}\n`, 'cg/job/hugetlb.2MB.max': `${128 * HUGE}\n` }
  assert.is(limitsOf(enough), undefined)
})

test('memory.max leaves what the group does not use, in whole pages', () => {
  const files = { 'cg/job/step/memory.max': `${8 * GIB + 5000}\n`, 'cg/job/step/memory.current': `${GIB}\n` }
  assert.equal(limitsOf(files), [{ size: 4096, pages: (7 * GIB) / 4096 + 1, cause: 'memory.max of /job/step' }])
})

test('of what a group uses, its page cache and reclaimable slab are given back', () => {
  const files = {
    'cg/job/memory.max': `${8 * GIB}\n`,
    'cg/job/memory.current': `${4 * GIB}\n`,
    'cg/job/memory.stat': `anon 77\nfile ${3 * GIB}\ninactive_file ${GIB}\nactive_file ${GIB / 2}\nslab_reclaimable 8192\n`,
  }
  assert.equal(limitsOf(files), [{ size: 4096, pages: (5.5 * GIB + 8192) / 4096, cause: 'memory.max of /job' }])
})

test('the tightest of the whole chain of groups counts, up to the root of the mount', () => {
  const files = {
    'cg/job/step/memory.max': `${4 * GIB}\n`,
    'cg/job/memory.max': `${6 * GIB}\n`,
    'cg/job/memory.current': `${3 * GIB}\n`,
    'cg/memory.max': `${10 * GIB}\n`,
    'cg/memory.current': `${4 * GIB}\n`,
  }
  assert.equal(limitsOf(files), [{ size: 4096, pages: (3 * GIB) / 4096, cause: 'memory.max of /job' }])
  const above = { ...files, 'cg/memory.current': `${9 * GIB}\n` }
  assert.equal(limitsOf(above), [{ size: 4096, pages: GIB / 4096, cause: 'memory.max of /' }])
  const full = { ...files, 'cg/job/memory.current': `${7 * GIB}\n` }
  assert.equal(limitsOf(full), [{ size: 4096, pages: 0, cause: 'memory.max of /job' }])
})

test('memory.high stops nothing', () => {
  assert.is(limitsOf({ 'cg/job/memory.high': '4096\n', 'cg/job/memory.current': '0\n' }), undefined)
})

test('what can be reclaimed is under the limit, too', () => {
  const cached = `${meminfo(0, 2 ** 24, 2 ** 23)}Node 0 Inactive(file): ${2 ** 22} kB\n`
  const tree = { ...node(0, { cpulist: '0', meminfo: cached }), 'cg/memory.max': `${17 * GIB}\n` }
  const { nodes, limits } = hostOf({ ...HOST, ...tree })
  assert.ok(nodes[0]!.memory.reclaimable! > GIB)
  assert.equal(limits, [{ size: 4096, pages: (17 * GIB) / 4096, cause: 'memory.max of /' }])
})

test('limits of huge pages are named by their sizes, and both of what is used and of what is reserved', () => {
  const files = {
    ...pool('sys/devices/system/node/node0/hugepages', 64, 500, 500),
    ...pool('sys/devices/system/node/node0/hugepages', 524_288, 5, 5),
    ...pool('sys/devices/system/node/node0/hugepages', 16_777_216, 2, 2),
    'cg/job/hugetlb.64KB.max': `${65_536 * 100}\n`,
    'cg/job/hugetlb.2MB.max': `${50 * HUGE}\n`,
    'cg/job/hugetlb.2MB.current': `${10 * HUGE}\n`,
    'cg/job/hugetlb.2MB.rsvd.max': `${50 * HUGE}\n`,
    'cg/job/hugetlb.2MB.rsvd.current': `${20 * HUGE}\n`,
    'cg/hugetlb.512MB.max': `${GIB}\n`,
    'cg/job/step/hugetlb.16GB.max': '0\n',
  }
  assert.equal(limitsOf(files), [
    { size: 65_536, pages: 100, cause: 'hugetlb.64KB.max of /job' },
    { size: HUGE, pages: 30, cause: 'hugetlb.2MB.rsvd.max of /job' },
    { size: 512 * MIB, pages: 2, cause: 'hugetlb.512MB.max of /' },
    { size: 16 * GIB, pages: 0, cause: 'hugetlb.16GB.max of /job/step' },
  ])
})

test('version 1 has the limits in hierarchies of their own, beside version 2', () => {
  const files = {
    'proc/self/cgroup': '9:memory:/m/n\n8:hugetlb:/h\n0::/job\n',
    'proc/mounts': 'c /v1/memory cgroup rw,memory 0 0\nc /v1/huge cgroup rw,hugetlb 0 0\nc /cg cgroup2 rw 0 0\n',
    'v1/memory/m/n/memory.limit_in_bytes': `${5 * GIB}\n`,
    'v1/memory/m/n/memory.usage_in_bytes': `${2 * GIB}\n`,
    'v1/memory/m/n/memory.stat': `active_file 5\ntotal_active_file ${GIB}\ntotal_inactive_file 4096\n`,
    'v1/memory/m/memory.limit_in_bytes': '9223372036854771712\n',
    'v1/huge/h/hugetlb.2MB.limit_in_bytes': `${33 * HUGE}\n`,
    'v1/huge/h/hugetlb.2MB.usage_in_bytes': `${HUGE}\n`,
    'v1/huge/hugetlb.2MB.limit_in_bytes': '9223372036850581504\n',
    'v1/huge/hugetlb.2MB.rsvd.limit_in_bytes': `${31 * HUGE}\n`,
  }
  assert.equal(limitsOf(files), [
    { size: 4096, pages: (4 * GIB) / 4096 + 1, cause: 'memory.limit_in_bytes of /m/n' },
    { size: HUGE, pages: 31, cause: 'hugetlb.2MB.rsvd.limit_in_bytes of /' },
  ])
})

test('huge pages are under memory.max where the hierarchy is mounted so', () => {
  const max = { 'cg/job/memory.max': `${GIB / 8}\n` }
  assert.equal(
    limitsOf(max)?.map(({ size }) => size),
    [4096],
  )
  const both = limitsOf({ ...max, 'proc/mounts': 'cgroup2 /cg cgroup2 rw,memory_hugetlb_accounting 0 0\n' })
  assert.equal(both?.[1], { size: HUGE, pages: 64, cause: 'memory.max of /job' })
})

test('huge pages that are reserved and not touched yet are not free: of one node they are taken off', () => {
  const alone = { ...cpu(0), ...node(0, { cpulist: '0', ...pool('hugepages', 2048, 64, 54) }) }
  const host = hostOf({ ...alone, ...reserved(2048, 7) })
  assert.equal(host.nodes[0]!.pages[1], { size: HUGE, total: 64, free: 47 })
  assert.not('limits' in host)
  assert.is(hostOf({ ...alone, ...reserved(2048, 60) }).nodes[0]!.pages[1]!.free, 0)
  const withoutNuma = { ...cpu(0), ...pool('sys/kernel/mm/hugepages', 2048, 9, 8), ...reserved(2048, 3) }
  assert.is(hostOf(withoutNuma).nodes[0]!.pages[1]!.free, 5)
})

test('reserved huge pages are of no node among several: they limit all together', () => {
  const limits = [{ size: HUGE, pages: 28, cause: 'resv_hugepages' }]
  assert.equal(limitsOf(reserved(2048, 100)), limits)
  assert.equal(limitsOf({ ...reserved(2048, 100), 'cg/job/hugetlb.2MB.max': `${29 * HUGE}\n` }), limits)
  assert.is(limitsOf({ ...reserved(2048, 200) })?.[0]?.pages, 0)
  assert.is(limitsOf({ ...reserved(2048, 0) }), undefined)
})

test('pages outside of the cpuset serve those who reserved pages, as well', () => {
  const restricted = { 'cg/cpuset.mems.effective': '0\n' }
  assert.is(limitsOf({ ...restricted, ...reserved(2048, 64) }), undefined)
  assert.equal(limitsOf({ ...restricted, ...reserved(2048, 65) })?.[0]?.pages, 63)
})

test('a name of a cgroup is shown as text', () => {
  const limits = limitsOf({
    'proc/self/cgroup': '0::/caf\xc3\xa9\x1b[31m\n',
    'cg/caf\xc3\xa9\x1b[31m/memory.max': '0\n',
  })
  assert.is(limits?.[0]?.cause, 'memory.max of /café?[31m')
})

test('limits that cannot be understood are none', () => {
  for (const nonsense of ['', 'x', '-1', '1e3', '99999999999999999999', '\0']) {
    const files = {
      'cg/job/memory.max': nonsense,
      'cg/job/hugetlb.2MB.max': nonsense,
      ...pool('sys/kernel/mm/hugepages', 2048, 0, 0),
      'sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages': nonsense,
    }
    assert.is(limitsOf(files), undefined, nonsense)
  }
})

test.run()
