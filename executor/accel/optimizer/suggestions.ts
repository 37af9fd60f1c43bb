/** What could be better, each with the figure that says so: rules over what was measured, nothing else. */

import type { NodeId } from '../../../src/types.js'
import { formatBytes } from '../../../src/units.js'
import { type KernelNodeStats, shareOf } from '../stats/node-stats.js'
import type { Recorded } from './recorded-accesses.js'
import { percent } from './strategy.js'

/** What `nodeStats()` returns: what the kernel says, and what this optimizer knows itself. */
export interface NodeStats extends KernelNodeStats {
  /** The number of the node. */
  readonly node: NodeId
  /** Bytes that may be given out, and that are. */
  readonly budget: { readonly bytes: number; readonly used: number }
  /**
   * What `recordMemoryAccess` was told of accesses to the node's memory: by its own CPUs, and by others. Not the kernel's
   * figures, and not mixed with them.
   */
  readonly recorded: Recorded
}

/** What is wrong or could be better. */
export type SuggestionKind =
  | 'one-node'
  | 'stray-pages'
  | 'far-memory'
  | 'vcpu-placement'
  | 'budget-used'
  | 'node-full'
  | 'numa-miss'
  | 'remote-allocations'
  | 'remote-accesses'
  | 'cpu-imbalance'
  | 'cache-misses'

/** Something that could be better, and the figure that says so. */
export interface Suggestion {
  /** What it is about. */
  readonly kind: SuggestionKind
  /** The node that it is about; `null`: several. */
  readonly node: NodeId | null
  /** What was found. */
  readonly what: string
  /** Why it matters. */
  readonly why: string
  /** The figure behind it, and the limit that it is beyond. */
  readonly figure: { readonly name: string; readonly value: number; readonly limit: number; readonly unit: string }
  /** What to do. */
  readonly how: string
}

export interface Facts {
  readonly nodes: readonly NodeStats[]
  /** Bytes that are not on the node that their block is bound to, by that node. */
  readonly strays: ReadonlyMap<NodeId, number>
  /** Bytes that are bound elsewhere than was preferred, by the preferred node. */
  readonly far: ReadonlyMap<NodeId, number>
  /** Lost vCPUs by remote memory: as the vCPUs are configured, and as they could be; `null`: none are, or nothing is held. */
  readonly placement: { readonly now: number; readonly best: number } | null
}

/** Rules of thumb: beyond these a suggestion is made. */
const LIMITS = {
  full: 0.9,
  miss: 0.01,
  local: 0.5,
  lostVcpus: 0.01,
  busy: 0.9,
  idle: 0.5,
  cacheMissRate: 0.5,
} as const

/** In the order of what they are worth doing. */
export function suggest(facts: Facts): Suggestion[] {
  return [
    ...oneNode(facts),
    ...strayPages(facts),
    ...farMemory(facts),
    ...vcpuPlacement(facts),
    ...facts.nodes.flatMap((stats) => [
      ...budgetUsed(stats),
      ...nodeFull(stats),
      ...numaMiss(stats),
      ...remoteAllocations(stats),
      ...remoteAccesses(stats),
      ...cacheMisses(stats),
    ]),
    ...cpuImbalance(facts),
  ]
}

function oneNode({ nodes }: Facts): Suggestion[] {
  const count = nodes.filter(({ memory, budget }) => memory.total !== 0 || budget.bytes > 0).length
  if (count > 1) return []
  return [
    {
      kind: 'one-node',
      node: nodes[0]?.node ?? null,
      what: 'this host has one node with memory',
      why: 'all memory is equally far from every CPU: where it is makes no difference',
      figure: { name: 'nodes with memory', value: count, limit: 2, unit: 'nodes' },
      how: 'place vCPUs on cores and caches; leave the memory to the kernel',
    },
  ]
}

function strayPages({ strays }: Facts): Suggestion[] {
  return [...strays].map(([node, value]) => ({
    kind: 'stray-pages',
    node,
    what: `${formatBytes(value)} of memory bound to node ${node} are on other nodes`,
    why: 'somebody has moved these pages, or they could not be moved',
    figure: { name: 'bytes on other nodes', value, limit: 0, unit: 'bytes' },
    how: 'rebalanceMemory() brings them back',
  }))
}

function farMemory({ far }: Facts): Suggestion[] {
  return [...far].map(([node, value]) => ({
    kind: 'far-memory',
    node,
    what: `${formatBytes(value)} that should be on node ${node} are given out elsewhere`,
    why: `node ${node} had no room, or the strategy preferred another one`,
    figure: { name: 'bytes elsewhere', value, limit: 0, unit: 'bytes' },
    how: `free memory of node ${node} or raise its budget, then rebalanceMemory() with the strategy LocalFirst`,
  }))
}

function vcpuPlacement({ placement }: Facts): Suggestion[] {
  if (placement === null || placement.now - placement.best <= LIMITS.lostVcpus) return []
  return [
    {
      kind: 'vcpu-placement',
      node: null,
      what: 'the vCPUs could be nearer to the memory that is given out',
      why: `remote memory costs ${placement.now} vCPUs as it is, ${placement.best} with another placement`,
      figure: {
        name: 'lost vCPUs more than needed',
        value: placement.now - placement.best,
        limit: LIMITS.lostVcpus,
        unit: 'vCPUs',
      },
      how: 'optimizeVcpuPlacement(n), or rebalanceMemory() with the strategy Adaptive',
    },
  ]
}

function budgetUsed({ node, budget }: NodeStats): Suggestion[] {
  const value = budget.bytes === 0 ? 0 : budget.used / budget.bytes
  if (value <= LIMITS.full) return []
  return [
    {
      kind: 'budget-used',
      node,
      what: `${percent(value)} of the budget of node ${node} is given out`,
      why: 'what is asked for next goes to other nodes, or nowhere',
      figure: { name: 'share of the budget', value, limit: LIMITS.full, unit: 'of 1' },
      how: 'freeMemory(), a larger budget, or rebalanceMemory() with the strategy LoadBalanced',
    },
  ]
}

function nodeFull({ node, memory }: NodeStats): Suggestion[] {
  if (memory.usage === null || memory.usage <= LIMITS.full) return []
  return [
    {
      kind: 'node-full',
      node,
      what: `${percent(memory.usage)} of the memory of node ${node} is in use`,
      why: 'the kernel reclaims page cache there before it gives out more; when there is none left, bound memory fails',
      figure: { name: 'share of the memory', value: memory.usage, limit: LIMITS.full, unit: 'of 1' },
      how: 'end what uses it, or put new memory on other nodes (LoadBalanced)',
    },
  ]
}

function numaMiss({ node, numa }: NodeStats): Suggestion[] {
  const value = numa === null ? null : shareOf(numa.numa_foreign, numa.numa_hit)
  if (value === null || value <= LIMITS.miss) return []
  return [
    {
      kind: 'numa-miss',
      node,
      what: `of the pages wanted from node ${node}, ${percent(value)} came from others`,
      why: 'the node was full when somebody preferred it (numa_foreign)',
      figure: { name: 'numa_foreign / (numa_foreign + numa_hit)', value, limit: LIMITS.miss, unit: 'of 1' },
      how: 'end what uses its memory, or prefer other nodes',
    },
  ]
}

function remoteAllocations({ node, localAccessRate }: NodeStats): Suggestion[] {
  if (localAccessRate === null || localAccessRate >= LIMITS.local) return []
  return [
    {
      kind: 'remote-allocations',
      node,
      what: `${percent(1 - localAccessRate)} of the pages that node ${node} gave out went to threads on other nodes`,
      why: 'those threads reach their memory over the interconnect',
      figure: {
        name: 'local_node / (local_node + other_node)',
        value: localAccessRate,
        limit: LIMITS.local,
        unit: 'of 1',
      },
      how: `pin these threads to the CPUs of node ${node}, or give them memory where they run (allocateMemoryNumaAware)`,
    },
  ]
}

function remoteAccesses({ node, recorded: { localRate, local, remote } }: NodeStats): Suggestion[] {
  if (localRate === null || localRate >= LIMITS.local) return []
  return [
    {
      kind: 'remote-accesses',
      node,
      what: `${percent(1 - localRate)} of the recorded accesses to node ${node} were from other nodes`,
      why: `recordMemoryAccess was told of ${local} local and ${remote} remote ones`,
      figure: { name: 'recorded local accesses', value: localRate, limit: LIMITS.local, unit: 'of 1' },
      how: 'move what accesses it there (optimizeVcpuPlacement), or the memory (rebalanceMemory with Adaptive)',
    },
  ]
}

function cacheMisses({ node, cacheMisses: misses }: NodeStats): Suggestion[] {
  if (misses === null || misses.rate === null || misses.rate <= LIMITS.cacheMissRate) return []
  return [
    {
      kind: 'cache-misses',
      node,
      what: `${percent(misses.rate)} of the references to the last-level cache of node ${node} miss`,
      why: 'its CPUs wait for memory: how near that is matters most there',
      figure: { name: 'cache misses / references', value: misses.rate, limit: LIMITS.cacheMissRate, unit: 'of 1' },
      how: 'see that the memory of what runs there is local; put what shares the cache elsewhere; use huge pages',
    },
  ]
}

function cpuImbalance({ nodes }: Facts): Suggestion[] {
  const known = nodes.flatMap(({ node, cpuUsage }) => (cpuUsage === null ? [] : [{ node, usage: cpuUsage }]))
  known.sort((a, b) => a.usage - b.usage)
  const [idlest, busiest] = [known[0], known.at(-1)]
  if (idlest === undefined || busiest === undefined) return []
  if (busiest.usage <= LIMITS.busy || idlest.usage >= LIMITS.idle) return []
  return [
    {
      kind: 'cpu-imbalance',
      node: busiest.node,
      what: `the CPUs of node ${busiest.node} are ${percent(busiest.usage)} busy, those of node ${idlest.node} ${percent(idlest.usage)}`,
      why: 'threads wait for CPUs on one node while others are idle',
      figure: { name: 'share of the CPU time', value: busiest.usage, limit: LIMITS.busy, unit: 'of 1' },
      how: `move vCPUs, and their memory, from node ${busiest.node} to node ${idlest.node} (rebalanceVcpus of the manager)`,
    },
  ]
}
