/** A guest that is balanced: its vCPUs, and the memory that goes with them. */

import type { CpuId, Host, NodeId } from '../../../../src/types.js'
import type { AccelKvm } from '../../guest/accel-kvm.js'
import type { NodeMemory } from '../node-memory.js'

/** Memory that can be moved to another node as a whole: a part of the guest's, or a block of the optimizer's. */
export interface MovablePart {
  /** The same for as long as it is there. */
  readonly key: string
  readonly bytes: number
  /** Bytes of a page. */
  readonly pageSize: number
  /** The node that it is bound to. */
  readonly node: NodeId
  /** The same, asked anew. */
  readonly nodeNow: () => NodeId
  /** A block of the optimizer's, which has a budget for each node. */
  readonly isBlock: boolean
  /** Does nothing to a block that was given back. */
  readonly moveTo: (node: NodeId) => Promise<unknown>
}

/** A vCPU that has its thread. */
export interface VcpuNow {
  /** Its number in the guest. */
  readonly id: number
  readonly tid: number
  /** CPUs that its thread may use, ascending. */
  readonly cpus: readonly CpuId[]
  /** The node that it is bound to by `bindVcpuToNumaNode()`. */
  readonly bound: NodeId | undefined
  /** Which of the guest's cells it is of. */
  readonly cell: number
}

/** As it is at one time. */
export interface GuestNow {
  readonly guest: BalancedGuest
  /** At least one, in the order of their numbers. */
  readonly vcpus: readonly VcpuNow[]
  /** At least one. */
  readonly parts: readonly (MovablePart & { readonly cell: number })[]
  /** How many cells it has. */
  readonly cells: number
  /** Nodes that its memory may go to; none: it stays. */
  readonly nodes: readonly NodeId[]
}

export class BalancedGuest {
  /** Another one for each guest. */
  readonly key: string
  readonly accel: AccelKvm
  /** Addresses of blocks that the guest's vCPUs use. */
  readonly blocks: readonly number[]
  /** The cell of each vCPU and each part, by key. What is together stays together, wherever it goes. */
  #cellOf: ReadonlyMap<string, number> = new Map()

  constructor(key: string, accel: AccelKvm, blocks: readonly number[]) {
    this.key = key
    this.accel = accel
    this.blocks = blocks
  }

  /** It has ended, and will not run any more. */
  get isOver(): boolean {
    const { state } = this.accel
    return state?.name === 'stopped' || state?.name === 'failed'
  }

  /** `null`: it does not run (yet), or has no vCPU left that does. */
  look(host: Host, memory: NodeMemory, pageSize: number): GuestNow | null {
    const { accel } = this
    if (accel.state?.name !== 'running' && accel.state?.name !== 'paused') return null
    const threads = [...accel.vcpuIds()]
      .sort((a, b) => a - b)
      .map((id) => ({ id, tid: accel.getVcpuThread(id), cpus: accel.getVcpuAffinity(id) }))
    const vcpus = threads.filter(({ tid }) => tid !== 0)
    const parts = [...this.#memory(), ...this.#held(memory, pageSize)]
    if (vcpus.length === 0 || parts.length === 0) return null
    const cellOf = this.#cells(host, vcpus, parts)
    return {
      guest: this,
      vcpus: vcpus.map((vcpu) => ({
        ...vcpu,
        bound: accel.getVcpuNumaNode(vcpu.id),
        cell: cellOf.get(vcpuKey(vcpu))!,
      })),
      parts: parts.map((part) => ({ ...part, cell: cellOf.get(part.key)! })),
      cells: Math.max(...cellOf.values()) + 1,
      nodes: this.#nodes(parts, memory),
    }
  }

  #memory(): MovablePart[] {
    const { accel } = this
    return accel.numaMemory().map(({ gpa, size, node, pageSize }) => {
      const nodeNow = () => accel.numaMemory().find((part) => part.gpa === gpa)?.node ?? node
      const moveTo = (to: NodeId) => accel.moveNumaMemory(gpa, to)
      return { key: `memory at ${gpa}`, bytes: size, pageSize, node, nodeNow, isBlock: false, moveTo }
    })
  }

  #held(memory: NodeMemory, pageSize: number): MovablePart[] {
    const held = memory.blocks.filter(({ address }) => this.blocks.includes(address))
    return held.map((block) => {
      const { address, bytes, node } = block
      const nodeNow = () => block.node
      const moveTo = (to: NodeId) => memory.move(block, to)
      return { key: `block at ${address}`, bytes, pageSize, node, nodeNow, isBlock: true, moveTo }
    })
  }

  /** Those that the guest is about, and whose budgets have room for its blocks. Pages of one size alone can be planned. */
  #nodes(parts: readonly MovablePart[], memory: NodeMemory): readonly NodeId[] {
    if (new Set(parts.map(({ pageSize }) => pageSize)).size > 1) return []
    const blocks = parts.filter(({ isBlock }) => isBlock)
    const bytesOn = (some: readonly MovablePart[]) => some.reduce((sum, { bytes }) => sum + bytes, 0)
    const comes = (node: NodeId) => bytesOn(blocks.filter((block) => block.node !== node))
    return this.accel.numaConfig().nodeIds.filter((node) => comes(node) === 0 || comes(node) <= memory.left(node))
  }

  #cells(host: Host, vcpus: readonly Thread[], parts: readonly MovablePart[]): ReadonlyMap<string, number> {
    const keys = [...vcpus.map(vcpuKey), ...parts.map(({ key }) => key)]
    const isKnown = keys.length === this.#cellOf.size && keys.every((key) => this.#cellOf.has(key))
    if (!isKnown) this.#cellOf = cellsOf(host, vcpus, parts)
    return this.#cellOf
  }
}

type Thread = Pick<VcpuNow, 'id' | 'cpus'>

function vcpuKey({ id }: Thread): string {
  return `vCPU ${id}`
}

/**
 * Where each vCPU is on one node that has a part of the guest's memory, and none of these nodes is without a vCPU, each of them is a cell. Else
 * there is one.
 */
function cellsOf(host: Host, vcpus: readonly Thread[], parts: readonly MovablePart[]): Map<string, number> {
  const nodeOf = new Map(host.cpus.map(({ id, node }) => [id, node]))
  const homes = vcpus.map((vcpu) => {
    const [node = null, ...others] = new Set(vcpu.cpus.map((cpu) => nodeOf.get(cpu) ?? null))
    return { key: vcpuKey(vcpu), node: others.length === 0 ? node : null }
  })
  const own = parts.filter(({ isBlock }) => !isBlock).map(({ node }) => node)
  const nodes = [...new Set(own)].sort((a, b) => a - b)
  const isDivided =
    homes.every(({ node }) => node !== null && nodes.includes(node)) &&
    nodes.every((node) => homes.some((home) => home.node === node))
  const cellAt = (node: NodeId | null) => (isDivided && node !== null ? Math.max(0, nodes.indexOf(node)) : 0)
  return new Map([...homes, ...parts].map(({ key, node }) => [key, cellAt(node)]))
}
