/** Which node memory comes from: arithmetic on what is known of the nodes, nothing else. */

import { InputError, show } from '../../../src/errors.js'
import type { NodeId } from '../../../src/types.js'
import { formatBytes } from '../../../src/units.js'

const STRATEGIES = ['LocalFirst', 'LoadBalanced', 'BandwidthOptimized', 'Adaptive'] as const

/**
 * - `LocalFirst`: the preferred node while it has room, then the nearest to it (SLIT).
 * - `LoadBalanced`: the node of whose budget the least is in use.
 * - `BandwidthOptimized`: the node with the most spare memory bandwidth: as measured by resctrl, where it measures every node
 *   that has a budget; else estimated from the vCPUs and the memory that are there already.
 * - `Adaptive`: the node that costs the configured vCPUs the least (the term `remoteMemory` of the placement model).
 * @useDeclaredType
 */
export type AllocationStrategy = (typeof STRATEGIES)[number]

/** @throws {InputError} that lists the strategies */
export function requireStrategy(value: unknown): AllocationStrategy {
  const found = STRATEGIES.find((strategy) => strategy === value)
  if (found === undefined) throw new InputError('strategy', `one of ${STRATEGIES.join(', ')}`, show(value))
  return found
}

/** What is known of a node when memory is given out. */
export interface NodeLoad {
  readonly node: NodeId
  /** Bytes that may be given out in all, and that are. */
  readonly budget: number
  readonly used: number
  /** Bytes that can be given out now: what is left of the budget, or of the node if that is less. */
  readonly room: number
  /** Configured vCPUs on it. */
  readonly vcpus: number
  /** Bytes a second that its memory gives; `null`: unknown. */
  readonly capacity: number | null
  /** Bytes a second between its CPUs and memory, measured; `null`: nobody measures. */
  readonly traffic: number | null
}

export interface Site {
  readonly nodes: readonly NodeLoad[]
  /** SLIT units. */
  distance(from: NodeId, to: NodeId): number
  /** Lost vCPUs, in millionths, of who uses the memory if it comes from this node: a vCPU on `near`, or those configured. */
  cost(node: NodeId, near: NodeId | null): number
}

/** What a choice rests on. */
export type Basis = 'distance' | 'budget in use' | 'measured bandwidth' | 'vCPUs and memory there' | 'cost'

export interface Choice {
  readonly node: NodeId
  readonly basis: Basis
  /** The less the better; of one strategy and one state only. */
  readonly score: number
  /** The figure that decided, as text. */
  readonly why: string
}

/**
 * The nodes that have room, the one to take first. Where the strategy finds two alike: the nearer to `near`, then the lower
 * number.
 * @param near the node that is preferred; `null`: none
 */
export function rankNodes(
  strategy: AllocationStrategy,
  bytes: number,
  near: NodeId | null,
  site: Site,
): readonly Choice[] {
  const score = scorer(strategy, bytes, near, site)
  const away = (node: NodeId) => (near === null ? 0 : site.distance(near, node))
  return site.nodes
    .filter(({ room }) => room >= bytes)
    .map((load) => ({ load, choice: { node: load.node, ...score(load) } }))
    .sort(
      (a, b) =>
        a.choice.score - b.choice.score ||
        shareWith(a.load, bytes) * tie(strategy) - shareWith(b.load, bytes) * tie(strategy) ||
        away(a.load.node) - away(b.load.node) ||
        a.load.node - b.load.node,
    )
    .map(({ choice }) => choice)
}

/** Nodes of equal cost are filled evenly. */
function tie(strategy: AllocationStrategy): number {
  return strategy === 'Adaptive' ? 1 : 0
}

type Score = (load: NodeLoad) => Omit<Choice, 'node'>

function scorer(strategy: AllocationStrategy, bytes: number, near: NodeId | null, site: Site): Score {
  switch (strategy) {
    case 'LocalFirst':
      return ({ node }) => {
        if (near === null) return { basis: 'distance', score: 0, why: 'no node is preferred' }
        const distance = site.distance(near, node)
        return { basis: 'distance', score: distance, why: `distance ${distance} from node ${near}` }
      }
    case 'LoadBalanced':
      return (load) => {
        const share = shareWith(load, bytes)
        return { basis: 'budget in use', score: share, why: `${percent(share)} of its budget is then in use` }
      }
    case 'BandwidthOptimized':
      return spareBandwidth(site)
    case 'Adaptive':
      return ({ node }) => {
        const cost = site.cost(node, near)
        return { basis: 'cost', score: cost, why: `${cost / 1e6} lost vCPUs by remote memory` }
      }
  }
}

function shareWith({ used, budget }: NodeLoad, bytes: number): number {
  return (used + bytes) / budget
}

/** Capacities count where every node's is known, measured traffic where every node's is. */
function spareBandwidth({ nodes }: Site): Score {
  const inUse = nodes.filter(({ budget }) => budget > 0)
  const largest = Math.max(...inUse.map(({ capacity }) => capacity ?? Number.NaN))
  const knowsCapacity = Number.isFinite(largest)
  if (inUse.every(({ traffic }) => traffic !== null)) {
    return ({ traffic, capacity }) => {
      const spare = knowsCapacity ? (capacity ?? 0) - (traffic ?? 0) : null
      const why = `${formatBytes(traffic ?? 0)}/s measured${spare === null ? '' : `, ${formatBytes(Math.max(0, spare))}/s spare`}`
      return { basis: 'measured bandwidth', score: spare === null ? (traffic ?? 0) : -spare, why }
    }
  }
  return ({ vcpus, used, budget, capacity }) => {
    // A budget that is used up counts as one vCPU. One more vCPU would get its part of the capacity.
    const users = vcpus + used / budget
    const speed = knowsCapacity ? (capacity ?? 0) / largest : 1
    const why = `${vcpus} vCPUs and ${formatBytes(used)} there${knowsCapacity ? ` for ${formatBytes(capacity ?? 0)}/s` : ''}`
    return { basis: 'vCPUs and memory there', score: (1 + users) / speed, why }
  }
}

export function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}
