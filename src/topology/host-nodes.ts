/** The nodes of a Host, and what limits all of them together. */

import type { HostLimit, HostNode, PagePool } from '../types.js'
import type { Cgroups } from './cgroups.js'
import type { SysReader } from './files.js'
import { readHostLimits, type Unreserved } from './host-limits.js'
import { meminfoOfNode, type NodeBytes, readHugePages, readNodeBytes, readReservedPages } from './memory.js'
import { readBandwidth } from './nodes.js'
import { readPageSize } from './page-sizes.js'
import { readKept, reclaimableBytes } from './reclaimable.js'

/**
 * @param ids of the nodes, ascending
 * @param cpuset the nodes that the process may use; `undefined`: not restricted
 */
export function readNodes(
  reader: SysReader,
  ids: readonly number[],
  cpuset: ReadonlySet<number> | undefined,
  cgroups: Cgroups,
): { readonly nodes: readonly HostNode[]; readonly limits?: readonly HostLimit[] } {
  const alone = ids.length === 1
  const allPools = ids.map((id) => readHugePages(reader, id, alone))
  const hugePages = allPools.flat().map(({ size }) => size)
  const pageSize = readPageSize(reader, ['proc/meminfo', ...ids.map(meminfoOfNode)], hugePages)
  // Figures for sizes up to the base page are not believed.
  const pools = allPools.map((ofNode) => ofNode.filter(({ size }) => size > pageSize))
  const kept = readKept(reader)
  const nodes = ids.map((id, index) => {
    const bytes = readNodeBytes(reader, id, alone)
    // The kernel leaves nodes without memory out of every cpuset.
    const allowed = cpuset === undefined || cpuset.has(id) || bytes.total === 0
    const offer = offerOf(bytes, reclaimableBytes(bytes, kept.get(id), pageSize), pools[index]!, pageSize)
    const bandwidth = readBandwidth(reader, id)
    return {
      id,
      ...(allowed ? offer : { ...withheld(offer), allowed }),
      ...(bandwidth === undefined ? {} : { bandwidth }),
    }
  })
  // If there is a single node, the reserved pages are taken off already.
  const limits = readHostLimits(reader, cgroups, nodes, alone ? [] : readUnreserved(reader, pools.flat()))
  return { nodes, ...(limits.length === 0 ? {} : { limits }) }
}

type Offer = Pick<HostNode, 'memory' | 'pages'>

function offerOf(
  { total, free }: NodeBytes,
  reclaimable: number | undefined,
  hugePages: readonly PagePool[],
  pageSize: number,
): Offer {
  const inPages = (bytes: number | null) => (bytes === null ? null : Math.floor(bytes / pageSize))
  return {
    memory: { total, free, ...(reclaimable === undefined ? {} : { reclaimable }) },
    pages: [{ size: pageSize, total: inPages(total), free: inPages(free) }, ...hugePages],
  }
}

/** Nothing of it can be had. */
function withheld({ memory, pages }: Offer): Offer {
  const { total, reclaimable } = memory
  return {
    memory: { total, free: 0, ...(reclaimable === undefined ? {} : { reclaimable: 0 }) },
    pages: pages.map((pool) => ({ ...pool, free: 0 })),
  }
}

/** How many are free on all nodes, those outside of the cpuset too, and not reserved; of sizes that are reserved. */
function readUnreserved(reader: SysReader, pools: readonly PagePool[]): readonly Unreserved[] {
  return [...new Set(pools.map(({ size }) => size))].flatMap((size) => {
    const reserved = readReservedPages(reader, size)
    const free = pools.reduce((sum, pool) => sum + (pool.size === size ? (pool.free ?? Number.NaN) : 0), 0)
    return reserved === 0 || Number.isNaN(free) ? [] : [{ size, pages: Math.max(0, free - reserved) }]
  })
}
