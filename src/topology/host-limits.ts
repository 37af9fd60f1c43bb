/**
 * What keeps this process from pages that the nodes have free: the limits of its cgroups, and huge pages that are promised
 * to others.
 * Sources: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, cgroup-v1/hugetlb.rst; mm/hugetlb_cgroup.c for
 * the names of sizes
 */

import type { HostLimit, HostNode } from '../types.js'
import type { Cgroups, Group, Hierarchy } from './cgroups.js'
import { readInteger, readText, type SysReader } from './files.js'

/** Free huge pages of one size, of the whole host, that nobody has reserved. */
export type Unreserved = Pick<HostLimit, 'size' | 'pages'>

/**
 * Ascending by size, of each size the tightest; none that leaves all that the nodes offer. */
export function readHostLimits(
  reader: SysReader,
  cgroups: Cgroups,
  nodes: readonly HostNode[],
  unreserved: readonly Unreserved[],
): readonly HostLimit[] {
  const sizes = [...new Set(nodes.flatMap(({ pages }) => pages.map(({ size }) => size)))].sort((a, b) => a - b)
  const [base = 0, ...hugeSizes] = sizes
  const limits = [
    ...memoryLimits(reader, cgroups('memory'), base, hugeSizes),
    ...hugeSizes.flatMap((size) => hugetlbLimits(reader, cgroups('hugetlb'), size)),
    ...unreserved.map((pages) => ({ ...pages, cause: 'resv_hugepages' })),
  ]
  return sizes.flatMap((size) => {
    const ofSize = limits.filter((limit) => limit.size === size && limit.pages < offered(nodes, size))
    return ofSize.length === 0 ? [] : [ofSize.reduce((least, limit) => (limit.pages < least.pages ? limit : least))]
  })
}

/** Pages of a size that the nodes have free, or can reclaim; infinitely many where one does not say. */
function offered(nodes: readonly HostNode[], size: number): number {
  const counts = nodes.map(({ memory, pages }) => {
    const pool = pages.find((each) => each.size === size)
    if (pool === undefined) return 0
    if (pool.free === null) return Number.POSITIVE_INFINITY
    return pool.free + (pool === pages[0] ? Math.floor((memory.reclaimable ?? 0) / size) : 0)
  })
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Names of the files of the two versions, and of the counters in memory.stat for what a group can give back. */
const MEMORY = {
  1: {
    limit: 'memory.limit_in_bytes',
    usage: 'memory.usage_in_bytes',
    caches: ['total_active_file', 'total_inactive_file'],
  },
  2: { limit: 'memory.max', usage: 'memory.current', caches: ['active_file', 'inactive_file', 'slab_reclaimable'] },
}
const HUGETLB = {
  1: { limit: 'limit_in_bytes', usage: 'usage_in_bytes' },
  2: { limit: 'max', usage: 'current' },
}

/**
 * The limits of memory count what a group and those below it use. This includes their page cache, which is given back when the
 * limit is reached. Not counted are memory.high, which only slows a group down, and swap, as guests are to be resident.
 * Huge pages are under this limit only where version 2 is mounted so.
 */
function memoryLimits(
  reader: SysReader,
  hierarchies: readonly Hierarchy[],
  base: number,
  hugeSizes: readonly number[],
): HostLimit[] {
  return hierarchies.flatMap(({ version, options, groups }) => {
    const { limit, usage, caches } = MEMORY[version]
    const sizes = options.includes('memory_hugetlb_accounting') ? [base, ...hugeSizes] : [base]
    return groups.flatMap((group) =>
      readLeft(reader, group, limit, usage, caches).flatMap((left) => sizes.map((size) => limitOf(left, size))),
    )
  })
}

/** Both limits of huge pages, on what is faulted in and on what is reserved by mapping it. */
function hugetlbLimits(reader: SysReader, hierarchies: readonly Hierarchy[], size: number): HostLimit[] {
  const [unit, bytes] = UNITS.find(([, least]) => size >= least)!
  const name = `hugetlb.${size / bytes}${unit}`
  return hierarchies.flatMap(({ version, groups }) => {
    const { limit, usage } = HUGETLB[version]
    return groups.flatMap((group) =>
      [name, `${name}.rsvd`].flatMap((file) =>
        readLeft(reader, group, `${file}.${limit}`, `${file}.${usage}`, []).map((left) => limitOf(left, size)),
      ),
    )
  })
}

/** As the kernel shortens sizes: 64KB, 2MB, 16GB. */
const UNITS = [
  ['GB', 2 ** 30],
  ['MB', 2 ** 20],
  ['KB', 2 ** 10],
] as const

/** What a limit leaves. */
interface Left {
  readonly bytes: number
  readonly cause: string
}

const limitOf = ({ bytes, cause }: Left, size: number): HostLimit => ({ size, pages: Math.floor(bytes / size), cause })

/**
 * None where the file is missing, says `max`, or is as good as that: version 1 shows the largest number there is.
 * @param caches counters in memory.stat of what is given back of what is used
 */
function readLeft(
  reader: SysReader,
  { directory, path }: Group,
  limit: string,
  usage: string,
  caches: readonly string[],
): Left[] {
  const most = readInteger(reader, `${directory}/${limit}`)
  if (most === undefined || most < 0) return []
  const stat = caches.length === 0 ? '' : (readText(reader, `${directory}/memory.stat`) ?? '')
  const counts = caches.map((name) => Number(new RegExp(`^${name} (\\d{1,15})$`, 'm').exec(stat)?.[1] ?? 0))
  const used = counts.reduce((sum, bytes) => sum - bytes, readInteger(reader, `${directory}/${usage}`) ?? 0)
  return [{ bytes: Math.max(0, most - Math.max(0, used)), cause: `${limit} of ${printable(path)}` }]
}

/** Names of cgroups are bytes, mostly UTF-8. */
function printable(path: string): string {
  const text = new TextDecoder().decode(Uint8Array.from(path, (char) => char.charCodeAt(0)))
  return text.replace(/\p{Cc}/gu, '?')
}
