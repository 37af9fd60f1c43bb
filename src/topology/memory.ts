/**
 * Memory of nodes: bytes, huge pages, the size of the base page.
 * `free` is MemFree: page cache is not counted, though the kernel would give it up, because per node it does not say how much.
 */

import type { PagePool } from '../types.js'
import { readInteger, type SysReader } from './files.js'
import { DEFAULT_PAGE_SIZE } from './limits.js'
import { nodeDirectory } from './nodes.js'

export interface NodeMemory {
  /** Bytes; `null` where the kernel does not say. */
  readonly total: number | null
  readonly free: number | null
  /** Reserved huge pages, ascending by size. */
  readonly hugePages: readonly PagePool[]
}

/** `alone`: the only node, so that what the kernel says of the whole host is said of it. */
export function readNodeMemory(reader: SysReader, node: number, alone: boolean): NodeMemory {
  const directory = nodeDirectory(node)
  const ofNode = readMeminfo(reader, `${directory}/meminfo`)
  const bytes = ofNode.size === 0 && alone ? readMeminfo(reader, 'proc/meminfo') : ofNode
  const ofNodePages = readHugePages(reader, `${directory}/hugepages`)
  const hugePages = ofNodePages.length === 0 && alone ? readHugePages(reader, 'sys/kernel/mm/hugepages') : ofNodePages
  return { ...totalAndFree(bytes.get('MemTotal'), bytes.get('MemFree')), hugePages }
}

/** The counters that pages make up, in bytes by name. Those of a node are `Node 0 MemTotal: 65536 kB`. */
function readMeminfo(reader: SysReader, path: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>()
  for (const match of reader.readFile(path)?.matchAll(/^(?:Node \d+ )?([\w()]+): *(\d{1,12}) kB/gm) ?? []) {
    counters.set(match[1]!, Number(match[2]) * 1024)
  }
  return counters
}

function readHugePages(reader: SysReader, directory: string): readonly PagePool[] {
  return reader
    .list(directory)
    .map((name) => ({ name, kilobytes: Number(/^hugepages-(\d{1,12})kB$/.exec(name)?.[1] ?? 0) }))
    .filter(({ kilobytes }) => kilobytes > 0)
    .sort((a, b) => a.kilobytes - b.kilobytes)
    .map(({ name, kilobytes }) => ({
      size: kilobytes * 1024,
      ...totalAndFree(
        readInteger(reader, `${directory}/${name}/nr_hugepages`),
        readInteger(reader, `${directory}/${name}/free_hugepages`),
      ),
    }))
}

/** The two are read one after the other, so free may have become more than the total was. */
function totalAndFree(total: number | undefined, free: number | undefined) {
  const sound = (value: number | undefined) => (value !== undefined && value >= 0 ? value : null)
  const [all, unused] = [sound(total), sound(free)]
  return { total: all, free: all !== null && unused !== null ? Math.min(unused, all) : unused }
}

/**
 * Bytes of a base page. The kernel tells each process (AT_PAGESZ); of a recorded tree it can be told from meminfo,
 * whose counters are whole pages: with pages of 64 KiB all of them are multiples of 64.
 * Source: getauxval(3)
 */
export function readPageSize(reader: SysReader, nodes: readonly number[]): number {
  return (
    pageSizeOfAuxv(reader.readFile('proc/self/auxv') ?? '') ?? pageSizeOfMeminfo(reader, nodes) ?? DEFAULT_PAGE_SIZE
  )
}

const AT_PAGESZ = 6
const PAGE_SIZES = [4096, 8192, 16_384, 32_768, 65_536]

/** The vector is pairs of words, of the kernel's width and byte order. */
function pageSizeOfAuxv(auxv: string): number | undefined {
  for (const width of [8, 4]) {
    for (const littleEndian of [true, false]) {
      const wordAt = (at: number) => {
        const bytes = Array.from(auxv.slice(at, at + width), (char) => char.charCodeAt(0))
        return (littleEndian ? bytes.reverse() : bytes).reduce((word, byte) => word * 256 + byte, 0)
      }
      for (let at = 0; at + 2 * width <= auxv.length; at += 2 * width) {
        if (wordAt(at) === AT_PAGESZ && PAGE_SIZES.includes(wordAt(at + width))) return wordAt(at + width)
      }
    }
  }
  return undefined
}

const PAGE_COUNTERS = [
  'MemTotal',
  'MemFree',
  'Active(anon)',
  'Active(file)',
  'Inactive(file)',
  'AnonPages',
  'Mapped',
  'Slab',
]

function pageSizeOfMeminfo(reader: SysReader, nodes: readonly number[]): number | undefined {
  const files = ['proc/meminfo', ...nodes.map((node) => `${nodeDirectory(node)}/meminfo`)]
  const counters = files.flatMap((path) => {
    const meminfo = readMeminfo(reader, path)
    const found = PAGE_COUNTERS.map((name) => meminfo.get(name) ?? 0).filter((bytes) => bytes > 0)
    // With fewer, multiples of a larger page than the real one could be chance, or somebody's round numbers.
    return new Set(found).size < 6 ? [] : found
  })
  if (counters.length === 0) return undefined
  return PAGE_SIZES.filter((size) => counters.every((bytes) => bytes % size === 0)).at(-1)
}
