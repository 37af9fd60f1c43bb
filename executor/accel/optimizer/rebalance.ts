/** Which memory would be given out elsewhere today: arithmetic on what is known of the nodes, nothing else. */

import type { NodeId } from '../../../src/types.js'
import { type AllocationStrategy, type Choice, type NodeLoad, rankNodes, type Site } from './strategy.js'

export interface PlacedBlock {
  readonly address: number
  readonly bytes: number
  readonly node: NodeId
  /** The node that was preferred for it; `null`: none. */
  readonly near: NodeId | null
}

export interface BlockMove {
  readonly address: number
  readonly to: NodeId
  readonly why: string
}

/** Measured traffic is never quite the same twice: what differs by less than this share of it is taken for equal. */
const NOISE = 0.1

/**
 * Moves of single blocks, in an order in which each has room, until the strategy finds every block where it would put it. A
 * block moves only where that is better, not where it is as good. Where traffic is measured there is one move at most: what
 * it changes is not known before it is measured again.
 */
export function planMoves(
  strategy: AllocationStrategy,
  blocks: readonly PlacedBlock[],
  site: Site,
): readonly BlockMove[] {
  const moves: BlockMove[] = []
  let loads = site.nodes
  const placed = new Map(blocks.map((block) => [block.address, block]))
  // Each move makes the strategy's measure of the whole better, so there is an end. The bound is for the estimated measure.
  for (let moved = true; moved && moves.length < blocks.length * site.nodes.length; ) {
    moved = false
    for (const block of placed.values()) {
      const without = changed(loads, block.node, -block.bytes)
      const better = betterPlace(strategy, block, { ...site, nodes: without })
      if (better === null) continue
      moves.push({ address: block.address, to: better.node, why: better.why })
      if (better.basis === 'measured bandwidth') return moves
      loads = changed(without, better.node, block.bytes)
      placed.set(block.address, { ...block, node: better.node })
      moved = true
    }
  }
  return moves
}

function betterPlace(strategy: AllocationStrategy, { bytes, near, node }: PlacedBlock, site: Site): Choice | null {
  const choices = rankNodes(strategy, bytes, near, site)
  const here = choices.find((choice) => choice.node === node)
  const best = choices[0]
  if (here === undefined || best === undefined) return null
  const traffic = site.nodes.find((load) => load.node === node)?.traffic ?? 0
  const noise = best.basis === 'measured bandwidth' ? NOISE * traffic : 0
  return here.score - best.score > noise ? best : null
}

function changed(loads: readonly NodeLoad[], node: NodeId, bytes: number): readonly NodeLoad[] {
  return loads.map((load) =>
    load.node === node ? { ...load, used: load.used + bytes, room: load.room - bytes } : load,
  )
}
