/** What a host's measures come to in the units of the model (docs/model.md, "Host"). */

import type { Host } from '../types.js'

const DEFAULT_SMT = 0.38
const FARTHEST = 65_535

/** A share of one hop, or of local memory, in tenths; what is nearer than that counts as that. */
function inTenths(part: number, whole: number): number {
  const rounded = Math.floor(10 * (part / whole) + 0.5)
  return rounded < 10 ? 10 : Math.min(rounded, FARTHEST)
}

/** The latencies of nodes to their own memory. */
function localLatencies({ nodes, latencies = [] }: Host): number[] {
  const own: number[] = []
  for (let at = 0; at < nodes.length; at++) {
    const latency = latencies[at]?.[at] ?? null
    if (latency !== null) own.push(latency)
  }
  return own
}

/**
 * Distances by latency, by row and column. A row is empty where the latency to some node with memory is not known, a
 * place in it is `undefined` where the node has none.
 */
export function measuredDistances(host: Host): readonly (readonly (number | undefined)[])[] {
  const { nodes, latencies } = host
  if (latencies === undefined) return []
  const least = localLatencies(host).sort((a, b) => a - b)[0]
  return latencies.map((row, from) => {
    const base = row[from] ?? least
    const distances: (number | undefined)[] = []
    for (const [to, { memory, allowed = true }] of nodes.entries()) {
      const latency = row[to] ?? null
      const takesMemory = allowed && memory.total !== 0
      if (takesMemory && (latency === null || base === undefined)) return []
      distances.push(takesMemory ? inTenths(latency!, base!) : undefined)
    }
    return distances
  })
}

/** Ten times the hop between two nodes, by row and column; `undefined` where hand-over times do not say it. */
export function measuredHops(host: Host): (from: number, to: number) => number | undefined {
  const llc = host.hops?.llc ?? null
  // Leaving the LLC: for another of the node, or else for memory.
  const outside = host.hops?.node ?? localLatencies(host).sort((a, b) => a - b)[0] ?? null
  if (llc === null || outside === null || !(outside > llc)) return () => undefined
  return (from, to) => {
    const time = host.hops!.nodes[from]?.[to] ?? null
    return from === to || time === null ? undefined : inTenths(time - llc, outside - llc)
  }
}

/** Lost vCPUs per busy sibling: two that get `smt` done between them have half of it each. */
export function siblingLoss({ smt }: Host): number {
  if (smt === undefined || smt === null) return DEFAULT_SMT
  return smt >= 2 ? 0 : 1 - smt / 2
}
