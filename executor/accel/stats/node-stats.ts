/** What happened on a node between two readings of its counters. */

import type { NodeId } from '../../../src/types.js'
import { type Counters, type CpuTime, type NodeCounters, NUMA_COUNTERS, type NumaCounter } from './node-counters.js'

/** Pages a second, by the kernel's names (numastat): it counts pages that it gives out, not accesses to them. */
export type NumaRates = Readonly<Record<NumaCounter, number>>

/**
 * What the kernel and the CPUs say of a node. `null`: nothing on this system says it, or it takes two updates and there was
 * only one.
 */
export interface KernelNodeStats {
  /** Seconds between the two updates that the rates are about. */
  readonly seconds: number | null
  /** Share of the time in which the node's CPUs were not idle, 0 to 1. Source: /proc/stat */
  readonly cpuUsage: number | null
  /** Bytes; `usage` is the share that is not free, 0 to 1, with page cache. Source: nodeN/meminfo */
  readonly memory: {
    readonly total: number | null
    readonly free: number | null
    readonly usage: number | null
  }
  /** Source: nodeN/numastat */
  readonly numa: NumaRates | null
  /**
   * Of the pages that the node gave out, the share that went to threads on its own CPUs: local_node / (local_node +
   * other_node), 0 to 1; `null` where it gave out none.
   */
  readonly localAccessRate: number | null
  /** Between the node's CPUs and any memory, and that of the node itself. Source: resctrl */
  readonly bandwidth: { readonly bytesPerSecond: number; readonly localBytesPerSecond: number } | null
  /** Of the node's CPUs in the last-level cache; `rate`: misses of the references, 0 to 1. Source: perf_event_open(2) */
  readonly cacheMisses: { readonly perSecond: number; readonly rate: number | null } | null
}

export const NO_STATS: KernelNodeStats = {
  seconds: null,
  cpuUsage: null,
  memory: { total: null, free: null, usage: null },
  numa: null,
  localAccessRate: null,
  bandwidth: null,
  cacheMisses: null,
}

/** @param before the reading before, or `null`: there is none, so that there are no rates */
export function compareCounters(before: Counters | null, after: Counters): ReadonlyMap<NodeId, KernelNodeStats> {
  const seconds = before === null ? null : (after.at - before.at) / 1000
  return new Map(
    [...after.nodes].map(([node, now]) => {
      const memory = { ...now.memory, usage: usageOf(now.memory) }
      const then = before?.nodes.get(node)
      if (then === undefined || seconds === null || !(seconds > 0)) return [node, { ...NO_STATS, memory }]
      const numa = numaRates(then, now, seconds)
      const cache = cacheMisses(before!, after, [...now.cpus.keys()], seconds)
      return [
        node,
        {
          seconds,
          cpuUsage: cpuUsage(then.cpus, now.cpus),
          memory,
          numa,
          localAccessRate: numa === null ? null : shareOf(numa.local_node, numa.other_node),
          bandwidth: bandwidth(then, now, seconds),
          cacheMisses: cache,
        },
      ]
    }),
  )
}

/** The share of `part` in both; `null` where both are 0. */
export function shareOf(part: number, rest: number): number | null {
  return part + rest > 0 ? part / (part + rest) : null
}

function usageOf({ total, free }: NodeCounters['memory']): number | null {
  return total === null || free === null || total === 0 ? null : (total - free) / total
}

/** CPUs that are in both readings; iowait may go back a little. */
function cpuUsage(before: ReadonlyMap<number, CpuTime>, after: ReadonlyMap<number, CpuTime>): number | null {
  let busy = 0
  let all = 0
  for (const [cpu, now] of after) {
    const then = before.get(cpu)
    if (then === undefined) continue
    busy += now.busy - then.busy
    all += now.all - then.all
  }
  return all > 0 ? Math.min(1, Math.max(0, busy / all)) : null
}

function numaRates(before: NodeCounters, after: NodeCounters, seconds: number): NumaRates | null {
  const [then, now] = [before.numa, after.numa]
  if (then === null || now === null) return null
  const rates = NUMA_COUNTERS.map((name) => [name, Math.max(0, now[name] - then[name]) / seconds])
  return Object.fromEntries(rates) as NumaRates
}

/** Counters that went back were reset: a group of tasks is gone. */
function bandwidth(before: NodeCounters, after: NodeCounters, seconds: number): KernelNodeStats['bandwidth'] {
  const [then, now] = [before.traffic, after.traffic]
  if (then === null || now === null || now.total < then.total || now.local < then.local) return null
  return {
    bytesPerSecond: (now.total - then.total) / seconds,
    localBytesPerSecond: (now.local - then.local) / seconds,
  }
}

function cacheMisses(
  before: Counters,
  after: Counters,
  cpus: readonly number[],
  seconds: number,
): KernelNodeStats['cacheMisses'] {
  const both = cpus.filter((cpu) => before.cache.has(cpu) && after.cache.has(cpu))
  if (both.length === 0) return null
  const [references, misses] = [0, 1].map((event) =>
    both.reduce((sum, cpu) => sum + after.cache.get(cpu)![event]! - before.cache.get(cpu)![event]!, 0),
  ) as [number, number]
  return { perSecond: misses / seconds, rate: references > 0 ? Math.min(1, misses / references) : null }
}
