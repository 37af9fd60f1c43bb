/** What the firmware says of memory that was not measured. */

import type { NodeId, NodeMatrix } from '../../src/types.js'

/** A figure by the firmware's word. */
export interface Filled {
  readonly from: NodeId
  readonly to: NodeId
  /** What the firmware has: of the pair, and of `from` to its own memory. */
  readonly ns: number
  readonly local: number
  /** What is taken for it. */
  readonly latency: number
}

/**
 * Figures for pairs of nodes that were not measured. The firmware's ns are of another kind than those measured (idle memory, or just numbers in
 * proportion), so they count by what they are to its own local figure, and that with the local one that was measured.
 * @param measured ns, rows and columns as `nodes`
 * @param firmware likewise, as `readLatencies` has them
 */
export function filledBy(firmware: NodeMatrix, measured: NodeMatrix, nodes: readonly NodeId[]): Filled[] {
  return nodes.flatMap((from, row) => {
    const [local, own] = [firmware[row]![row]!, measured[row]![row]!]
    if (local === null || own === null) return []
    return nodes.flatMap((to, column) => {
      const ns = firmware[row]![column]!
      if (ns === null || measured[row]![column] !== null) return []
      return [{ from, to, ns, local, latency: (own * ns) / local }]
    })
  })
}
