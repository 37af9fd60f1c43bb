/** A host as if guests were not there. */

import type { Host, NodeId, PlanCell } from '../../src/types.js'

const BASE_PAGE = 4096

/** The memory of these cells is free again, in pages of their sizes. */
export function withFreed(host: Host, cells: readonly Pick<PlanCell, 'pageSize' | 'memory'>[]): Host {
  const heldOn = (node: NodeId, size: number) =>
    cells
      .filter(({ pageSize }) => pageSize === size)
      .flatMap(({ memory }) => memory.filter((part) => part.node === node))
      .reduce((sum, { bytes }) => sum + bytes, 0)
  const nodes = host.nodes.map((node) => {
    const { memory, pages, id } = node
    const base = pages[0]?.size ?? BASE_PAGE
    const free = memory.free === null ? null : memory.free + heldOn(id, base)
    const pools = pages.map((pool) => {
      const { size } = pool
      return pool.free === null ? pool : { ...pool, free: pool.free + Math.floor(heldOn(id, size) / size) }
    })
    return { ...node, memory: { ...memory, free }, pages: pools }
  })
  return { ...host, nodes }
}
