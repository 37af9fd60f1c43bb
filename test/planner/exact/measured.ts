/** What was measured on a host, as docs/model.md has it: distances, hops, bandwidths and the price of a busy sibling. */

import type { Host } from '../../../src/types.js'

type Matrix = readonly (readonly number[])[]

function ofLocal(host: Host): number {
  let least = Number.POSITIVE_INFINITY
  for (const [at, row] of (host.latencies ?? []).entries()) least = Math.min(least, row[at] ?? Number.POSITIVE_INFINITY)
  return least
}

function rounded(ratio: number): number {
  return Math.max(10, Math.min(65_535, Math.floor(10 * ratio + 0.5)))
}

export function measuredDistance(host: Host, slit: Matrix): Matrix {
  const targets = new Set<number>()
  for (const [at, node] of host.nodes.entries()) {
    if (node.memory.total !== 0 && node.allowed !== false) targets.add(at)
  }
  return slit.map((given, from) => {
    const row = host.latencies?.[from]
    const local = row?.[from] ?? ofLocal(host)
    if (row === undefined || local === Number.POSITIVE_INFINITY) return given
    if ([...targets].some((to) => typeof row[to] !== 'number')) return given
    return given.map((distance, to) => (targets.has(to) ? rounded(row[to]! / local) : distance))
  })
}

export function measuredHop({ hops, ...host }: Host, distance: Matrix): Matrix {
  if (hops === undefined || hops.llc === null) return distance
  const inside = hops.llc
  const outside = hops.node === null ? ofLocal(host) : hops.node
  if (outside === Number.POSITIVE_INFINITY || outside <= inside) return distance
  return distance.map((row, from) =>
    row.map((far, to) => {
      const time = hops.nodes[from]![to]!
      return from === to || time === null ? far : rounded((time - inside) / (outside - inside))
    }),
  )
}

export function measuredBandwidth(host: Host): (number | undefined)[] {
  return host.nodes.map((node, at) => {
    let most: number | undefined
    for (const row of host.bandwidths ?? []) {
      const bytes = row[at]
      if (typeof bytes === 'number' && bytes > (most ?? 0)) most = bytes
    }
    return most ?? node.bandwidth
  })
}

export function measuredSmt({ smt }: Host): number {
  return typeof smt === 'number' ? Math.max(0, 1 - smt / 2) : 0.38
}
