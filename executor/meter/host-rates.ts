/** What happened on the host between two readings. Pure. */

import { perSecond } from './per-second.js'
import type { HostReading, NodeReading, PressureReading, Resource } from './types.js'

/** The whole host. */
export interface HostRates {
  /** Those of the later reading, ascending. */
  readonly nodes: readonly NodeRates[]
  /** Shares of the time that tasks waited. */
  readonly pressure: Readonly<Record<Resource, Pressure | null>>
  /** Pages that the kernel moved, a second. */
  readonly migratedPages: number | null
  /** Accesses that NUMA balancing sampled, a second. */
  readonly hintFaults: { readonly all: number; readonly local: number } | null
}

/** Shares of the time, 0 to 1. */
export interface Pressure {
  /** At least one task waited. */
  readonly some: number
  /** All tasks waited. */
  readonly full: number | null
}

/** A node. */
export interface NodeRates extends Pick<NodeReading, 'node' | 'cpus' | 'total' | 'free' | 'reclaimable'> {
  /** Share of the time that its CPUs were busy. */
  readonly use: number | null
  /** Pages a second: wanted of this node, and got. */
  readonly hit: number | null
  /** Wanted of another node that had none. */
  readonly miss: number | null
  /** Wanted of this node, and got from another. */
  readonly foreign: number | null
  /** Taken by a process on this node. */
  readonly local: number | null
  /** Taken by a process on another node. */
  readonly other: number | null
  /** Bytes a second that its CPUs read and wrote. */
  readonly bandwidth: number | null
  /** Of these, in its own memory. */
  readonly bandwidthLocal: number | null
}

export function hostRates(before: HostReading, after: HostReading, seconds: number): HostRates {
  const known = new Map(before.nodes.map((node) => [node.node, node]))
  const pressure = (name: Resource) => pressureBetween(before.pressure[name], after.pressure[name], seconds)
  const all = perSecond(before.hintFaults?.all, after.hintFaults?.all, seconds)
  const local = perSecond(before.hintFaults?.local, after.hintFaults?.local, seconds)
  return {
    nodes: after.nodes.map((node) => nodeRates(known.get(node.node), node, seconds)),
    pressure: { cpu: pressure('cpu'), memory: pressure('memory'), io: pressure('io') },
    migratedPages: perSecond(before.migratedPages, after.migratedPages, seconds),
    hintFaults: all === null || local === null ? null : { all, local },
  }
}

/** The node of each CPU. */
export function nodeOfCpus({ nodes }: HostReading): Map<number, number> {
  return new Map(nodes.flatMap(({ node, cpus }) => cpus.map((cpu): [number, number] => [cpu, node])))
}

function pressureBetween(
  before: PressureReading | null,
  after: PressureReading | null,
  seconds: number,
): Pressure | null {
  const some = perSecond(before?.someNs, after?.someNs, seconds)
  const full = perSecond(before?.fullNs, after?.fullNs, seconds)
  if (some === null) return null
  return { some: Math.min(1, some / 1e9), full: full === null ? null : Math.min(1, full / 1e9) }
}

function nodeRates(before: NodeReading | undefined, after: NodeReading, seconds: number): NodeRates {
  const { node, cpus, total, free, reclaimable, allocations, traffic } = after
  const rate = (counter: 'hit' | 'miss' | 'foreign' | 'local' | 'other') =>
    perSecond(before?.allocations?.[counter], allocations?.[counter], seconds)
  const busy = perSecond(before?.busyNs, after.busyNs, seconds)
  const idle = perSecond(before?.idleNs, after.idleNs, seconds)
  return {
    node,
    cpus,
    total,
    free,
    reclaimable,
    use: busy === null || idle === null || busy + idle === 0 ? null : busy / (busy + idle),
    hit: rate('hit'),
    miss: rate('miss'),
    foreign: rate('foreign'),
    local: rate('local'),
    other: rate('other'),
    bandwidth: perSecond(before?.traffic?.all, traffic?.all, seconds),
    bandwidthLocal: perSecond(before?.traffic?.local, traffic?.local, seconds),
  }
}
