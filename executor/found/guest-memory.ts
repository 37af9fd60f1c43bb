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
  /** The policy that it was given, as the kernel writes it; `null` where that is not known. */
  readonly policy: string | null
}

/** Neighbours that together have the size of a block. The kernel splits a range where parts of it were treated differently. */
type Span = readonly MappedRange[]

type Named = Pick<FoundMapping, 'backend' | 'cell' | 'source'>

/**
 * The ranges of these blocks. `null` where some cannot be told: else the rest would be taken for all.
 * @param told who told of the blocks' addresses
 */
export function mappingsOf(
  blocks: readonly Block[],
  told: FactSource,
  maps: readonly MappedRange[],
  numa: readonly NumaRange[],
): FoundMapping[] | null {
  const ranges = maps.filter(canBeMemory)
  const found = new Map<Span, Named>()
  const isFree = (span: Span) => ![...found.keys()].some((other) => other.some((range) => span.includes(range)))
  for (const { id, cell, address, bytes } of blocks.filter((block) => block.address !== null)) {
    const fitting = spansOf(ranges, bytes).filter((span) => span[0]!.start <= address! && address! < span.at(-1)!.end)
    const [span] = fitting
    if (span === undefined || fitting.length > 1 || !isFree(span)) return null
    found.set(span, { backend: id, cell, source: told })
  }
  for (const bytes of new Set(blocks.filter((block) => block.address === null).map((block) => block.bytes))) {
    const alike = blocks.filter((block) => block.address === null && block.bytes === bytes)
    const fitting = spansOf(ranges, bytes).filter(isFree)
    const distinct = new Set(fitting.flat()).size === fitting.flat().length
    if (fitting.length !== alike.length || !distinct) return null
    const which = fitting.map((span) => whichOf(alike, policiesOf(span, numa)))
    const isSure = new Set(which).size === which.length
    for (const [at, span] of fitting.entries()) {
      const { id, cell } = (isSure ? which[at] : undefined) ?? { id: null, cell: null }
      found.set(span, { backend: id, cell, source: 'size' })
    }
  }
  return joined(found, numa)
}

/** If several blocks have one size, all are known to be guest memory. Only the kernel's policies can tell which is which. */
function whichOf(alike: readonly Block[], policies: ReadonlySet<string>): Block | undefined {
  const fitting = alike.length === 1 ? alike : alike.filter(({ policy }) => policy !== null && policies.has(policy))
  return fitting.length === 1 ? fitting[0] : undefined
}

function policiesOf(span: Span, numa: readonly NumaRange[]): Set<string> {
  const starts = new Set(span.map(({ start }) => start))
  return new Set(numa.filter(({ start }) => starts.has(start)).map(({ policy }) => policy))
}

const LEAST = 16 * 2 ** 20
const MOST_PARTS = 4

/**
 * If no source tells: the ranges that together have all of the guest's bytes. If these are not known: the ranges that are by far the largest.
 * Memory is in more than one range where the guest has a hole below 4 GiB.
 */
export function likelyMappings(
  bytes: number | null,
  maps: readonly MappedRange[],
  numa: readonly NumaRange[],
): FoundMapping[] | null {
  const writable = maps.filter(canBeMemory).sort((a, b) => size(b) - size(a))
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
  return joined(new Map(ranges.map((range) => [[range], { backend: null, cell: null, source }])), numa)
}

/** Code that a VMM has made is writable, too. */
function canBeMemory({ writable, executable }: MappedRange): boolean {
  return writable && !executable
}

/** All rows of neighbours that have so many bytes, the single ranges among them. */
function spansOf(ranges: readonly MappedRange[], bytes: number): Span[] {
  return ranges.flatMap((_, first) => {
    let sum = 0
    for (let at = first; at < ranges.length; at++) {
      if (at > first && !continues(ranges[at - 1]!, ranges[at]!)) return []
      sum += size(ranges[at]!)
      if (sum > bytes) return []
      if (sum === bytes) return [ranges.slice(first, at + 1)]
    }
    return []
  })
}

function continues(before: MappedRange, range: MappedRange): boolean {
  if (before.end !== range.start || before.shared !== range.shared) return false
  if (before.inode !== range.inode || before.path !== range.path) return false
  return range.inode === 0 || before.offset + size(before) === range.offset
}

function joined(spans: ReadonlyMap<Span, Named>, numa: readonly NumaRange[]): FoundMapping[] {
  const byStart = new Map(numa.map((range) => [range.start, range]))
  const mappings = [...spans].flatMap(([span, named]) =>
    span.map((range): FoundMapping => {
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
