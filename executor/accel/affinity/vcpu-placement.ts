/** Placing vCPUs by the planner near memory that is there already. */

import { UnsupportedError } from '../../../src/errors.js'
import type { Host, NodeId, VerifiedPlan } from '../../../src/types.js'
import { type ConfigureOptions, placeVcpus } from './vcpu-request.js'

/**
 * What the planner is asked for a VM whose memory is where it is: on a host that has this memory and no other, all of which
 * the VM takes. So the plan is about the CPUs alone, and its price counts how far each of them is from the memory.
 * @param memory bytes by node, whole pages; nothing is asked for where there is none
 */
export function nearMemory(host: Host, memory: ReadonlyMap<NodeId, number>): ConfigureOptions {
  const total = [...memory.values()].reduce((sum, bytes) => sum + bytes, 0)
  if (total === 0) return {}
  const nodes = host.nodes.map((node) => {
    const bytes = memory.get(node.id) ?? 0
    const { size } = node.pages[0]!
    const pages = bytes / size
    return { ...node, memory: { total: bytes, free: bytes }, pages: [{ size, total: pages, free: pages }] }
  })
  return { host: { ...host, nodes }, memory: `${total}B`, memoryPolicy: 'preferred', span: true }
}

/** The plan for so many vCPUs near this memory; `null` where they do not fit, each on a CPU of its own. */
export async function planNear(
  host: Host,
  vcpus: number,
  memory: ReadonlyMap<NodeId, number>,
): Promise<VerifiedPlan | null> {
  const { host: itsHost = host, ...options } = nearMemory(host, memory)
  return placeVcpus(itsHost, vcpus, options).catch((error: unknown) => {
    if (error instanceof UnsupportedError) return null
    throw error
  })
}
