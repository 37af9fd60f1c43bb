/** Where the pages of what was given out are, held against where they should be. */

import type { NodeId } from '../../../src/types.js'
import { type ResidentBlock, strayBytes } from './node-memory.js'

/** Bytes that are not on the node that their block is bound to, by that node. */
export function straysByNode(blocks: readonly ResidentBlock[]): Map<NodeId, number> {
  return sumBy(blocks, ({ held, resident }) => [held.node, strayBytes(held.node, resident ?? {})])
}

/** Bytes that are bound elsewhere than was preferred, by the preferred node. */
export function farByNode(blocks: readonly ResidentBlock[]): Map<NodeId, number> {
  return sumBy(blocks, ({ held: { near, node, bytes } }) => [near ?? node, near === null || near === node ? 0 : bytes])
}

function sumBy<Item>(items: readonly Item[], partOf: (item: Item) => [NodeId, number]): Map<NodeId, number> {
  const sums = new Map<NodeId, number>()
  for (const item of items) {
    const [node, value] = partOf(item)
    if (value > 0) sums.set(node, (sums.get(node) ?? 0) + value)
  }
  return sums
}
