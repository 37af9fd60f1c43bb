/** What strategies want to know of the nodes, asked when they choose. */

import type { Host, NodeId } from '../../../src/types.js'
import { distancesOf, remoteMemoryCost } from './memory-cost.js'
import type { Survey } from './node-memory.js'

/** Where the answers come from. */
export interface Sources {
  readonly host: Host
  readonly pageSize: number
  /** Bytes that the kernel could give; `null`: unknown. */
  readonly freeOn: (node: NodeId) => number | null
  /** Bytes a second between the node's CPUs and its memory; `null`: nobody measures. */
  readonly trafficOf: (node: NodeId) => number | null
  /** The node of each configured vCPU. */
  readonly vcpuNodes: readonly NodeId[]
  /** The node of the calling thread, who uses the memory where no vCPU is configured; `undefined`: unknown. */
  readonly here: NodeId | undefined
}

export function surveyOf({ host, pageSize, freeOn, trafficOf, vcpuNodes, here }: Sources): Survey {
  const caller = here === undefined ? [] : [here]
  const costs = new Map<string, number>()
  return {
    of: (node) => ({
      free: freeOn(node),
      vcpus: vcpuNodes.filter((each) => each === node).length,
      capacity: host.nodes.find(({ id }) => id === node)?.bandwidth ?? null,
      traffic: trafficOf(node),
    }),
    distance: distancesOf(host),
    cost: (node, near) => {
      const key = `${node}/${near}`
      const users = near !== null ? [near] : vcpuNodes.length > 0 ? vcpuNodes : caller
      // When all bytes are on one node, their number makes no difference to what a vCPU loses.
      const cost = costs.get(key) ?? remoteMemoryCost(host, users, new Map([[node, pageSize]]))
      costs.set(key, cost)
      return cost
    },
  }
}
