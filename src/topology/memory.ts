/**
 * Memory of nodes: bytes and huge pages.
 * Source: Documentation/ABI/stable/sysfs-devices-node, Documentation/admin-guide/mm/hugetlbpage.rst
 */

import type { PagePool } from '../types.js'
import { readInteger, readMeminfo, type SysReader } from './files.js'
import { isPageSize } from './limits.js'
import { nodeDirectory } from './nodes.js'

/** Bytes; `null` where the kernel does not say. */
export interface NodeBytes {
  readonly total: number | null
  readonly free: number | null
  /** What meminfo counts, in bytes by name. */
  readonly counters: ReadonlyMap<string, number>
}

const HUGE_PAGES = 'sys/kernel/mm/hugepages'

export const meminfoOfNode = (node: number): string => `${nodeDirectory(node)}/meminfo`

/** `alone`: the only node, so that what the kernel says of the whole host is said of it. */
export function readNodeBytes(reader: SysReader, node: number, alone: boolean): NodeBytes {
  const ofNode = readMeminfo(reader, meminfoOfNode(node))
  const counters = ofNode.size === 0 && alone ? readMeminfo(reader, 'proc/meminfo') : ofNode
  return { ...totalAndFree(counters.get('MemTotal'), counters.get('MemFree')), counters }
}

/** Ascending by size. Pages that are reserved are not free where they can only be on this node, as it is `alone`. */
export function readHugePages(reader: SysReader, node: number, alone: boolean): readonly PagePool[] {
  const ofNode = readPools(reader, `${nodeDirectory(node)}/hugepages`)
  if (!alone) return ofNode
  return (ofNode.length === 0 ? readPools(reader, HUGE_PAGES) : ofNode).map((pool) => ({
    ...pool,
    free: pool.free === null ? null : Math.max(0, pool.free - readReservedPages(reader, pool.size)),
  }))
}

/**
 * Free pages of the host that a mapping has reserved, and not touched yet: nobody else gets them. They are of no node.
 * Source: Documentation/mm/hugetlbfs_reserv.rst
 */
export function readReservedPages(reader: SysReader, size: number): number {
  return Math.max(0, readInteger(reader, `${HUGE_PAGES}/hugepages-${size / 1024}kB/resv_hugepages`) ?? 0)
}

function readPools(reader: SysReader, directory: string): readonly PagePool[] {
  return reader
    .list(directory)
    .map((name) => ({ name, size: Number(/^hugepages-(\d{1,13})kB$/.exec(name)?.[1] ?? 0) * 1024 }))
    .filter(({ size }) => isPageSize(size))
    .sort((a, b) => a.size - b.size)
    .map(({ name, size }) => ({
      size,
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
