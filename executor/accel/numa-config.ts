/** Which nodes of the host a VM is about, and which of its vCPUs are bound to one. */

import { formatCpulist } from '../../src/cpulist.js'
import { InputError, show } from '../../src/errors.js'
import type { NodeId } from '../../src/types.js'
import { requireNode } from './checks.js'

/** What `AccelKvm.numaConfig()` returns. */
export interface NumaConfig {
  /** Whether `enableNuma()` has been called, and `disableNuma()` has not since. */
  readonly enabled: boolean
  /** How many nodes; 0 where it is not enabled. */
  readonly nodes: number
  /** Their numbers, ascending. */
  readonly nodeIds: readonly NodeId[]
}

/**
 * The nodes that are asked for: as many of the host's, in the order of their numbers, or those that are named.
 * @param host numbers of the host's nodes, ascending; `null`: they are not known, and nothing depends on them
 */
export function chooseNodes(host: readonly NodeId[] | null, nodes: number | readonly NodeId[]): readonly NodeId[] {
  if (Array.isArray(nodes)) {
    if (nodes.length === 0) throw new InputError('nodes', 'at least one node', show(nodes))
    for (const node of nodes) if (host !== null) requireNode(host, node, 'nodes')
    return [...new Set(nodes)].sort((a, b) => a - b)
  }
  const most = host?.length ?? Number.MAX_SAFE_INTEGER
  if (typeof nodes !== 'number' || !Number.isInteger(nodes) || nodes < 1 || nodes > most) {
    const expected =
      host === null ? 'a whole number from 1' : `how many of the host's nodes (${formatCpulist(host)}): 1 to ${most}`
    throw new InputError('nodes', expected, show(nodes))
  }
  return host?.slice(0, nodes) ?? Array.from({ length: nodes }, (_, id) => id)
}

/** The node of a call, if it is one of those that are enabled. */
export function requireEnabled(enabled: readonly NodeId[] | null, node: NodeId): NodeId {
  if (enabled === null) throw new InputError('node', 'a call of enableNuma() before', 'none')
  return requireNode(enabled, node)
}
