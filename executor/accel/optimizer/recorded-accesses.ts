/** Accesses to memory that a caller knows of. */

import { InputError, show } from '../../../src/errors.js'
import type { CpuId, NodeId, VcpuId } from '../../../src/types.js'
import type { VcpuAffinityManager } from '../affinity/vcpu-affinity-manager.js'
import { requireNode } from '../checks.js'
import type { CpuTopology } from '../cpu-topology.js'
import { shareOf } from '../stats/node-stats.js'

/** Who accesses memory: a CPU (a plain number is one, too), a configured vCPU, or anybody on a node. */
export type Accessor = CpuId | { readonly cpu: CpuId } | { readonly vcpu: VcpuId } | { readonly node: NodeId }

/** What was recorded of accesses to a node's memory: by its own CPUs, and by others. */
export interface Recorded {
  /** Accesses from the node's own CPUs. */
  readonly local: number
  /** Accesses from other nodes. */
  readonly remote: number
  /** Share of the local ones, 0 to 1; `null` where nothing was recorded. */
  readonly localRate: number | null
}

export class RecordedAccesses {
  readonly #topology: CpuTopology
  readonly #manager: VcpuAffinityManager
  readonly #counts = new Map<NodeId, { local: number; remote: number }>()

  constructor(topology: CpuTopology, manager: VcpuAffinityManager) {
    this.#topology = topology
    this.#manager = manager
  }

  /** @throws {InputError} for a CPU, vCPU or node that is not known, or a count that is no whole number from 0 */
  record(from: Accessor, node: NodeId, count: number): void {
    this.#requireNode(node, 'node')
    if (!Number.isSafeInteger(count) || count < 0) throw new InputError('count', 'a whole number from 0', show(count))
    const isLocal = this.#nodeOf(from) === node
    const { local, remote } = this.#counts.get(node) ?? { local: 0, remote: 0 }
    this.#counts.set(node, isLocal ? { local: local + count, remote } : { local, remote: remote + count })
  }

  of(node: NodeId): Recorded {
    const { local, remote } = this.#counts.get(node) ?? { local: 0, remote: 0 }
    return { local, remote, localRate: shareOf(local, remote) }
  }

  #requireNode(node: NodeId, where: string): NodeId {
    return requireNode([...this.#topology.cpusPerNode.keys()], node, where)
  }

  #nodeOf(from: Accessor): NodeId {
    if (typeof from === 'object' && from !== null && 'node' in from) return this.#requireNode(from.node, 'from.node')
    if (typeof from === 'object' && from !== null && 'vcpu' in from) {
      const config = this.#manager.getVcpuConfig(from.vcpu)
      if (config !== undefined) return config.numaNode
      const known = this.#manager.vcpuIds().join(', ')
      throw new InputError(
        'from.vcpu',
        `a configured vCPU (${known === '' ? 'there is none' : known})`,
        show(from.vcpu),
      )
    }
    const cpu = typeof from === 'number' ? from : from?.cpu
    const node = this.#topology.cpuToNode.get(cpu)
    if (node !== undefined) return node
    throw new InputError('from', 'an online CPU, or {vcpu} or {node}', show(cpu))
  }
}
