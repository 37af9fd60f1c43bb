/** Where memory is, page by page, as the kernel says. */

import { pageNodes } from './ffi/numa.js'

/** A range of the process's memory in pages of one size. */
export interface MemorySpan {
  readonly address: number
  readonly bytes: number
  readonly pageSize: number
}

const PAGES_PER_CALL = 8192

/**
 * Bytes found on each node, by the node's number. Pages that are nowhere (never touched, given back) are not counted.
 * @param stopped asked between calls; what was found so far is returned when it is true
 * @throws {SyscallError}
 */
export function residentBytes(span: MemorySpan, stopped: () => boolean = () => false): Record<string, number> {
  const found: Record<string, number> = {}
  const pages = span.bytes / span.pageSize
  const status = new Int32Array(Math.min(PAGES_PER_CALL, pages))
  for (let first = 0; first < pages && !stopped(); first += PAGES_PER_CALL) {
    const part = status.subarray(0, Math.min(PAGES_PER_CALL, pages - first))
    pageNodes(span.address + first * span.pageSize, span.pageSize, part)
    for (const node of part) if (node >= 0) found[node] = (found[node] ?? 0) + span.pageSize
  }
  return found
}
