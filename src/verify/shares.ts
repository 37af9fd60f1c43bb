/** Whether a cell's memory is divided among nodes as `strict` wants it. */

import type { NodeId } from '../types.js'

/** What the vCPUs on one node are to have, in whole pages, in any division among that node's memory nodes. */
export interface Share {
  readonly least: number
  readonly most: number
  readonly on: readonly NodeId[]
}

/**
 * Whether the pages `given` on each node can be told apart into the shares, and none is left over. That is a flow from shares to
 * nodes, since shares may have memory nodes in common: each gets its least, and then, up to its most, what is left.
 */
export function canBeShared(given: ReadonlyMap<NodeId, number>, shares: readonly Share[]): boolean {
  const left = new Map(given)
  const taken = shares.map(() => new Map<NodeId, number>())
  const fill = (from: number, wanted: number): number => {
    let got = 0
    while (got < wanted) {
      const pages = takeMore(shares, left, taken, from, wanted - got)
      if (pages === 0) break
      got += pages
    }
    return got
  }
  const hasLeast = shares.every(({ least }, at) => fill(at, least) === least)
  for (const [at, { least, most }] of shares.entries()) fill(at, most - least)
  return hasLeast && [...left.values()].every((pages) => pages === 0)
}

/**
 * Finds a node that has pages left for `from`, or for a share that leaves pages to it, or to one that does, and so on; the shortest such
 * row, so that there are few of them. All along it take what they are left.
 * @returns the pages that `from` got, at most `wanted`; 0 where there is none to be had
 */
function takeMore(
  shares: readonly Share[],
  left: Map<NodeId, number>,
  taken: readonly Map<NodeId, number>[],
  from: number,
  wanted: number,
): number {
  const taker = new Map<NodeId, number>()
  const leaves = new Map<number, NodeId>()
  const last = search()
  if (last === undefined) return 0
  const row: { readonly share: number; readonly takes: NodeId; readonly leaves: NodeId | undefined }[] = []
  for (let node: NodeId | undefined = last; node !== undefined; ) {
    const share: number = taker.get(node)!
    row.push({ share, takes: node, leaves: leaves.get(share) })
    node = leaves.get(share)
  }
  const own = row.map(({ share, leaves }) => (leaves === undefined ? wanted : taken[share]!.get(leaves)!))
  const pages = Math.min(left.get(last)!, ...own)
  add(left, last, -pages)
  for (const { share, takes, leaves } of row) {
    add(taken[share]!, takes, pages)
    if (leaves !== undefined) add(taken[share]!, leaves, -pages)
  }
  return pages

  /** The node with pages left, by way of `taker` and `leaves`. */
  function search(): NodeId | undefined {
    const queue = [from]
    for (const share of queue) {
      for (const node of shares[share]!.on) {
        if (taker.has(node)) continue
        taker.set(node, share)
        if ((left.get(node) ?? 0) > 0) return node
        for (const [other, pages] of taken.entries()) {
          if (other === from || leaves.has(other) || !((pages.get(node) ?? 0) > 0)) continue
          leaves.set(other, node)
          queue.push(other)
        }
      }
    }
    return undefined
  }
}

function add(pages: Map<NodeId, number>, node: NodeId, more: number): void {
  pages.set(node, (pages.get(node) ?? 0) + more)
}
