/** How far nodes are from each other (docs/model.md, "Host"): what was measured, else what the firmware says. */

import type { Host, HostNode } from '../types.js'

const LOCAL = 10
const REMOTE = 20
/** The farthest that the planner takes. */
const MAX = 65_535
/** The cost of a busy SMT sibling where nothing is measured. */
const SMT = 0.38

type Matrix = readonly (readonly number[])[]

/** A ratio as a distance: no nearer than local memory. */
function tenths(ratio: number): number {
  return Math.min(MAX, Math.max(LOCAL, Math.floor(10 * ratio + 0.5)))
}

function hasMemory({ memory, allowed }: HostNode): boolean {
  return memory.total !== 0 && allowed !== false
}

/** The least latency of a node's CPUs to its own memory; `undefined`: none is known. */
function leastLocal({ latencies }: Host): number | undefined {
  const known = latencies?.flatMap((row, at) => row[at] ?? []) ?? []
  return known.length === 0 ? undefined : Math.min(...known)
}

/** Distances, row = from, in the order of the nodes. */
export function distancesOf(host: Host): Matrix {
  const { nodes, distances, latencies } = host
  const least = leastLocal(host)
  const isTarget = nodes.map(hasMemory)
  return nodes.map((_, from) => {
    const given = nodes.map((_, to) => distances[from]?.[to] ?? (from === to ? LOCAL : REMOTE))
    const row = latencies?.[from] ?? []
    const local = row[from] ?? least
    // Some measured and some not would be out of order.
    if (local === undefined || isTarget.some((it, to) => it && (row[to] ?? null) === null)) return given
    return given.map((distance, to) => (isTarget[to] ? tenths(row[to]! / local) : distance))
  })
}

/** Ten times the hops between vCPUs on different nodes; `null`: as far as the distance says. */
export function hopsOf(host: Host): readonly (readonly (number | null)[])[] {
  const { nodes, hops } = host
  const unit = hopUnit(host)
  return nodes.map((_, from) =>
    nodes.map((_, to) => {
      const time = hops?.nodes[from]?.[to] ?? null
      return from === to || time === null || unit === undefined ? null : tenths((time - hops!.llc!) / unit)
    }),
  )
}

/** ns of one hop: what leaving the LLC takes beyond staying in it. */
function hopUnit(host: Host): number | undefined {
  const { llc = null, node = null } = host.hops ?? {}
  const beyond = node ?? leastLocal(host) ?? null
  if (llc === null || beyond === null || beyond <= llc) return undefined
  return beyond - llc
}

/** Bytes a second that the memory of the node at this place gives; `undefined`: not known. */
export function bandwidthOf({ nodes, bandwidths }: Host, at: number): number | undefined {
  const measured = bandwidths?.flatMap((row) => row[at] ?? []) ?? []
  return measured.length === 0 ? nodes[at]?.bandwidth : Math.max(...measured)
}

/** Lost vCPUs per busy SMT sibling, where the request does not say. */
export function smtOf({ smt = null }: Host): number {
  return smt === null ? SMT : Math.max(0, 1 - smt / 2)
}
