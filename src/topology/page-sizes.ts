/** How large pages are. Huge pages have their size in their name; the base page has to be found out. */

import { readMeminfo, type SysReader } from './files.js'
import { DEFAULT_PAGE_SIZE, isPageSize } from './limits.js'

/**
 * Bytes of a base page. The kernel tells each process (AT_PAGESZ); of a recorded tree it can be told from meminfo,
 * whose counters are whole pages: with pages of 64 KiB all of them are multiples of 64.
 * @param meminfos paths of the files whose counters are believed
 * @param hugePages sizes of the host's huge pages
 * Source: getauxval(3)
 */
export function readPageSize(reader: SysReader, meminfos: readonly string[], hugePages: readonly number[]): number {
  const most = Math.max(DEFAULT_PAGE_SIZE, Math.min(LARGEST_GUESS, ...hugePages.map((size) => size / LEAST_HUGE)))
  return (
    pageSizeOfAuxv(reader.readFile('proc/self/auxv') ?? '') ??
    pageSizeOfMeminfo(reader, meminfos, most) ??
    DEFAULT_PAGE_SIZE
  )
}

const AT_PAGESZ = 6

/** The vector is pairs of words, of the kernel's width and byte order. */
function pageSizeOfAuxv(auxv: string): number | undefined {
  for (const width of [8, 4]) {
    for (const littleEndian of [true, false]) {
      const wordAt = (at: number) => {
        const bytes = Array.from(auxv.slice(at, at + width), (char) => char.charCodeAt(0))
        return (littleEndian ? bytes.reverse() : bytes).reduce((word, byte) => word * 256 + byte, 0)
      }
      for (let at = 0; at + 2 * width <= auxv.length; at += 2 * width) {
        if (wordAt(at) === AT_PAGESZ && isPageSize(wordAt(at + width))) return wordAt(at + width)
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

/** The largest base page that kernels are commonly built with: beyond it, round numbers are chance. */
const LARGEST_GUESS = 65_536

/** Base pages in a huge page, at least: 64 KiB of 4 KiB on arm64 and RISC-V are the fewest where there is KVM. */
const LEAST_HUGE = 16

function pageSizeOfMeminfo(reader: SysReader, meminfos: readonly string[], most: number): number | undefined {
  const counters = meminfos.flatMap((path) => {
    const meminfo = readMeminfo(reader, path)
    const found = PAGE_COUNTERS.map((name) => meminfo.get(name) ?? 0).filter((bytes) => bytes > 0)
    // With fewer values, all could be multiples of a larger page than the real one by chance, or because they were rounded.
    return new Set(found).size < 6 ? [] : found
  })
  if (counters.length === 0) return undefined
  let size = most
  while (size > DEFAULT_PAGE_SIZE && counters.some((bytes) => bytes % size !== 0)) size /= 2
  return size
}
