/**
 * What a node's kernel gives back of its caches when memory is asked for.
 * Sources: si_mem_available() in mm/show_mem.c and calculate_totalreserve_pages() in mm/page_alloc.c of Linux 6;
 * Documentation/filesystems/proc.rst (MemAvailable, zoneinfo)
 */

import { readText, type SysReader } from './files.js'
import type { NodeBytes } from './memory.js'

/** What the kernel keeps of a node, in pages. */
export interface Kept {
  /** Below this many free pages, summed over the node's zones, it begins to reclaim (the low watermarks). */
  readonly low: number
  /** What it never gives to processes: of each zone the high watermark and what is kept from higher zones. */
  readonly reserve: number
}

/** By node. Empty where /proc/zoneinfo cannot be read. */
export function readKept(reader: SysReader): ReadonlyMap<number, Kept> {
  const kept = new Map<number, Kept>()
  for (const zone of (readText(reader, 'proc/zoneinfo') ?? '').split(/^(?=Node \d)/m)) {
    const node = Number(/^Node (\d{1,5}), zone/.exec(zone)?.[1] ?? Number.NaN)
    const pages = (name: string) => Number(new RegExp(`^ +${name} +(\\d{1,12})$`, 'm').exec(zone)?.[1] ?? Number.NaN)
    const protection = /^ +protection: \(([\d, ]+)\)/m.exec(zone)?.[1]?.split(',').map(Number) ?? []
    const managed =
      [pages('managed'), pages('present')].find((count) => !Number.isNaN(count)) ?? Number.MAX_SAFE_INTEGER
    const reserve = Math.min(pages('high') + Math.max(0, ...protection), managed)
    const sum = kept.get(node) ?? { low: 0, reserve: 0 }
    if (node >= 0 && pages('low') >= 0 && reserve >= 0) {
      kept.set(node, { low: sum.low + pages('low'), reserve: sum.reserve + reserve })
    }
  }
  return kept
}

/**
 * Bytes that can be had of a node beyond what is free, by the formula of MemAvailable for the node alone: file pages and
 * reclaimable slab, of each without the low watermark or half of it, whichever is less; and without the reserve. It is an
 * estimate, as MemAvailable is. Where the zones are not known, half of both, and a 16th of the node is kept in any case:
 * by default watermarks and what is kept from higher zones come to less than a 20th (lowmem_reserve_ratio: up to a 32nd).
 * @returns whole pages, with what is free no more than the node has; `undefined` where one of these is not known
 */
export function reclaimableBytes(
  { total, free, counters }: NodeBytes,
  kept: Kept | undefined,
  pageSize: number,
): number | undefined {
  const sumOf = (names: readonly string[]) => names.reduce((sum, name) => sum + (counters.get(name) ?? 0), 0)
  if (total === null || free === null || ![...FILE, ...SLAB].some((name) => counters.has(name))) return undefined
  const [file, slab] = [sumOf(FILE), sumOf(SLAB)]
  const without = (bytes: number, low: number) => bytes - Math.min(bytes / 2, low)
  const given =
    kept === undefined
      ? Math.min((file + slab) / 2, file + slab - total / 16)
      : without(file, kept.low * pageSize) + without(slab, kept.low * pageSize) - kept.reserve * pageSize
  return Math.floor(Math.min(Math.max(0, given), total - free) / pageSize) * pageSize
}

const FILE = ['Active(file)', 'Inactive(file)']
const SLAB = ['SReclaimable']
