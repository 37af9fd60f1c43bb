/** Which ranges of a process are guest memory, and where their pages are. Pure. */

import type { MappedRange, NumaRange } from './procfs.js'
import type { FactSource, FoundMapping } from './types.js'

/** A piece of guest memory that somebody has told of. */
export interface Block {
  /** QEMU's name; `null` where it has none. */
  readonly id: string | null
  readonly bytes: number
  /** An address in it, of the process; `null` where it is not known. */
  readonly address: number | null
  /** The guest's node that has it. */
  readonly cell: number | null
}

/** Neighbours that are of a kind: the kernel keeps a range in parts where parts were treated apart. */
interface Span {
  readonly start: number
  readonly end: number
  readonly ranges: readonly MappedRange[]
}

type Named = Pick<FoundMapping, 'backend' | 'cell' | 'source'>

/**
 * The ranges of these blocks. `null` where some cannot be told: then none is, since the rest would be taken for all.
 * @param told who told of the blocks' addresses
 */
export function mappingsOf(
  blocks: readonly Block[],
  told: FactSource,
  maps: readonly MappedRange[],
  numa: readonly NumaRange[],
): FoundMapping[] | null {
  const spans = spansOf(maps)
  const found = new Map<Span, Named>()
  for (const { id, cell, address, bytes } of blocks.filter((block) => block.address !== null)) {
    const span = spans.find(({ start, end }) => start <= address! && address! < end)
    // A span of another size holds something else, too.
    if (span === undefined || span.end - span.start !== bytes) return null
    found.set(span, { backend: id, cell, source: told })
  }
  for (const bytes of new Set(blocks.filter((block) => block.address === null).map((block) => block.bytes))) {
    const alike = blocks.filter((block) => block.address === null && block.bytes === bytes)
    const fitting = spans.filter((span) => span.end - span.start === bytes && !found.has(span))
    if (fitting.length !== alike.length) return null
    // Of several that are alike it is known that all are guest memory, not which is which.
    const [only] = alike
    const named = alike.length === 1 ? { backend: only!.id, cell: only!.cell } : { backend: null, cell: null }
    for (const span of fitting) found.set(span, { ...named, source: 'size' })
  }
  return joined(found, numa)
}

const LEAST = 16 * 2 ** 20
const MOST_PARTS = 4

/**
 * Where nobody tells: ranges that together have all of the guest's bytes, or, where these are not known, those that are by far the largest.
 * Memory is in more than one range where the guest has a hole below 4 GiB.
 */
export function likelyMappings(
  bytes: number | null,
  maps: readonly MappedRange[],
  numa: readonly NumaRange[],
): FoundMapping[] | null {
  const writable = maps.filter((range) => range.writable).sort((a, b) => size(b) - size(a))
  if (bytes !== null) {
    for (let parts = 1; parts <= MOST_PARTS; parts++) {
      const largest = writable.slice(0, parts)
      if (largest.reduce((sum, range) => sum + size(range), 0) === bytes) return mapped(largest, 'size', numa)
    }
    return null
  }
  const [first] = writable
  if (first === undefined || size(first) < LEAST) return null
  return mapped(
    writable.filter((range) => size(range) >= size(first) / 8 && size(range) >= LEAST),
    'largest',
    numa,
  )
}

function size({ start, end }: MappedRange): number {
  return end - start
}

function mapped(ranges: readonly MappedRange[], source: FactSource, numa: readonly NumaRange[]): FoundMapping[] {
  const spans = ranges.map((range): [Span, Named] => [
    { start: range.start, end: range.end, ranges: [range] },
    { backend: null, cell: null, source },
  ])
  return joined(new Map(spans), numa)
}

function spansOf(maps: readonly MappedRange[]): Span[] {
  const spans: { start: number; end: number; ranges: MappedRange[] }[] = []
  for (const range of maps.filter(({ writable }) => writable)) {
    const before = spans.at(-1)
    if (before !== undefined && continues(before.ranges.at(-1)!, range)) {
      before.ranges.push(range)
      before.end = range.end
    } else spans.push({ start: range.start, end: range.end, ranges: [range] })
  }
  return spans
}

function continues(before: MappedRange, range: MappedRange): boolean {
  if (before.end !== range.start || before.shared !== range.shared) return false
  if (before.inode !== range.inode || before.path !== range.path) return false
  return range.inode === 0 || before.offset + size(before) === range.offset
}

function joined(spans: ReadonlyMap<Span, Named>, numa: readonly NumaRange[]): FoundMapping[] {
  const byStart = new Map(numa.map((range) => [range.start, range]))
  const mappings = [...spans].flatMap(([{ ranges }, named]) =>
    ranges.map((range): FoundMapping => {
      const { policy = 'unknown', pageSize = 4096, pages = [] } = byStart.get(range.start) ?? {}
      return {
        start: range.start,
        bytes: size(range),
        policy,
        pageSize,
        resident: pages.map(({ node, count }) => ({ node, bytes: count * pageSize })),
        file: range.path === '' ? null : range.path,
        shared: range.shared,
        ...named,
      }
    }),
  )
  return mappings.sort((a, b) => a.start - b.start)
}
