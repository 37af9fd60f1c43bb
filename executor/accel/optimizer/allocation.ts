/** What a caller gets of memory that was given out. */

import type { NodeId } from '../../../src/types.js'
import { type Effect, ENFORCED } from '../platform.js'
import { type HeldBlock, strayBytes } from './node-memory.js'
import type { Basis } from './strategy.js'

/** Memory that was given out. */
export type Allocation = Effect & {
  /** Virtual address in this process; what `freeMemory` and `memoryOf` take. */
  readonly address: number
  /** The node that it is bound to; where nothing is bound, the one that the strategy chose. */
  readonly node: NodeId
  /** What was asked for, rounded up to whole pages. */
  readonly bytes: number
  /** Bytes found on each node, read back page by page; `null` where nobody says. */
  readonly residentBytes: Readonly<Record<string, number>> | null
  /** What the choice of the node rests on, and the figure. */
  readonly basis: Basis
  readonly why: string
}

/** @param refusal why nothing can be bound here; `null`: it can */
export async function allocationOf(
  held: HeldBlock,
  refusal: (Effect & { enforced: false }) | null,
): Promise<Allocation> {
  const { address, bytes, node, choice, block } = held
  const residentBytes = await block.residentBytes()
  const { basis, why } = choice
  const strays = strayBytes(node, residentBytes ?? {})
  const effect: Effect =
    strays === 0 ? ENFORCED : { enforced: false, reason: `${strays} bytes were found on other nodes than node ${node}` }
  return { ...(refusal ?? effect), address, node, bytes, residentBytes, basis, why }
}
