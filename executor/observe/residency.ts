/** Where memory is, page by page, as the kernel says. */

import { closeSync, openSync } from 'node:fs'
import { BASE_PAGE } from '../ffi/mapping.js'
import { pageNodes } from '../ffi/numa.js'
import { hugeRanges } from '../ffi/pagemap.js'
import type { MemorySpan } from '../wire/shared-span.js'

/** Memory of a span that is on one node in pages of one size. */
export interface ResidentPages {
  /** The node that they are on. */
  readonly node: number
  /**
   * Bytes of the page: huge where the kernel has joined base pages, too. `null`: base pages that may have been joined,
   * of which the kernel does not say (before Linux 6.7, or /proc is restricted).
   */
  readonly pageSize: number | null
  /** All of them together. */
  readonly bytes: number
}

const PAGES_PER_CALL = 8192

/** Of x86-64, and of arm64 with base pages of 4 KiB: an entry of the second level. */
const TRANSPARENT_HUGE_PAGE = 2 * 1024 ** 2

/**
 * Bytes found on each node, by the node's number. Pages that are nowhere (never touched, given back) are not counted.
 * @param stopped asked between calls; what was found so far is returned when it is true
 * @throws {SyscallError}
 */
export function residentBytes(span: MemorySpan, stopped: () => boolean = () => false): Record<string, number> {
  const found: Record<string, number> = {}
  forEachPart(span, stopped, (_, status) => {
    for (const node of status) if (node >= 0) found[node] = (found[node] ?? 0) + span.pageSize
  })
  return found
}

/**
 * Bytes found on each node in pages of each size, by node and then by size, the smallest first.
 * @param stopped as for `residentBytes`
 * @throws {SyscallError}
 */
export function residentPages(span: MemorySpan, stopped: () => boolean = () => false): ResidentPages[] {
  if (span.pageSize > BASE_PAGE) {
    return Object.entries(residentBytes(span, stopped)).map(([node, bytes]) => ({
      node: Number(node),
      pageSize: span.pageSize,
      bytes,
    }))
  }
  const base = new Map<number, number>()
  const huge = new Map<number, number>()
  let unknown = false
  const pagemap = openPagemap()
  try {
    forEachPart(span, stopped, (address, status) => {
      const part = { start: address, end: address + status.length * BASE_PAGE }
      const ranges = pagemap === null ? null : hugeRanges(pagemap, part)
      unknown ||= ranges === null
      const isHuge = new Uint8Array(status.length)
      for (const { start, end } of ranges ?? [])
        isHuge.fill(1, (start - address) / BASE_PAGE, (end - address) / BASE_PAGE)
      status.forEach((node, i) => {
        if (node < 0) return
        const counts = isHuge[i] === 1 ? huge : base
        counts.set(node, (counts.get(node) ?? 0) + BASE_PAGE)
      })
    })
  } finally {
    if (pagemap !== null) closeSync(pagemap)
  }
  const rows = (counts: Map<number, number>, pageSize: number | null): ResidentPages[] =>
    [...counts].map(([node, bytes]) => ({ node, pageSize, bytes }))
  return [...rows(base, unknown ? null : BASE_PAGE), ...rows(huge, TRANSPARENT_HUGE_PAGE)].sort(
    (a, b) => a.node - b.node,
  )
}

export function bytesByNode(pages: readonly ResidentPages[]): Record<string, number> {
  const found: Record<string, number> = {}
  for (const { node, bytes } of pages) found[node] = (found[node] ?? 0) + bytes
  return found
}

function openPagemap(): number | null {
  try {
    return openSync('/proc/self/pagemap', 'r')
  } catch {
    return null
  }
}

/** Asks the kernel for the nodes of the pages, some thousand at a time. `status` is used again. */
function forEachPart(
  span: MemorySpan,
  stopped: () => boolean,
  found: (address: number, status: Int32Array) => void,
): void {
  const pages = span.bytes / span.pageSize
  const status = new Int32Array(Math.min(PAGES_PER_CALL, pages))
  for (let first = 0; first < pages && !stopped(); first += PAGES_PER_CALL) {
    const address = span.address + first * span.pageSize
    const part = status.subarray(0, Math.min(PAGES_PER_CALL, pages - first))
    pageNodes(address, span.pageSize, part)
    found(address, part)
  }
}
