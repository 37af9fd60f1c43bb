/** How much memory of each node may be given out, and how much of that is. */

import { formatCpulist } from '../../../src/cpulist.js'
import { InputError, show } from '../../../src/errors.js'
import type { Host, NodeId } from '../../../src/types.js'
import { formatBytes } from '../../../src/units.js'
import { hasMemory } from '../checks.js'

/** Bytes of each node: the same number for every node that has memory, or by node; nodes that are not named have 0. */
export type MemoryPerNode = number | ReadonlyMap<NodeId, number> | { readonly [node: number]: number }

/**
 * The budget of each node of the host, ascending.
 * @throws {InputError} for a node that the host does not have, and for more than a node has
 */
export function budgetsOf(host: Host, memoryPerNode: MemoryPerNode): Map<NodeId, number> {
  const wanted = wantedOf(host, memoryPerNode)
  const ids = host.nodes.map(({ id }) => id)
  for (const [node, bytes] of wanted) {
    if (!ids.includes(node)) throw new InputError('memoryPerNode', `nodes among ${formatCpulist(ids)}`, show(node))
    const where = `memoryPerNode[${node}]`
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new InputError(where, 'a whole number of bytes', show(bytes))
    const found = host.nodes.find(({ id }) => id === node)!
    const most = hasMemory(found) ? (found.memory.total ?? Number.POSITIVE_INFINITY) : 0
    if (bytes > most) {
      throw new InputError(where, `at most ${formatBytes(most)}, what this process can have of it`, formatBytes(bytes))
    }
  }
  return new Map(ids.map((id) => [id, wanted.get(id) ?? 0]))
}

function wantedOf(host: Host, memoryPerNode: MemoryPerNode): Map<NodeId, number> {
  if (typeof memoryPerNode === 'number') {
    return new Map(host.nodes.filter(hasMemory).map(({ id }) => [id, memoryPerNode]))
  }
  if (memoryPerNode instanceof Map) return new Map(memoryPerNode)
  if (typeof memoryPerNode !== 'object' || memoryPerNode === null) {
    throw new InputError('memoryPerNode', 'bytes, or bytes by node', show(memoryPerNode))
  }
  return new Map(Object.entries(memoryPerNode).map(([node, bytes]) => [Number(node), bytes]))
}

/** What is taken of each node's budget. Never more than there is. */
export class NodeBudgets {
  readonly #budgets: ReadonlyMap<NodeId, number>
  readonly #used: Map<NodeId, number>

  constructor(budgets: ReadonlyMap<NodeId, number>) {
    this.#budgets = budgets
    this.#used = new Map([...budgets.keys()].map((node) => [node, 0]))
  }

  /** The nodes that have a budget, ascending. */
  get nodes(): readonly NodeId[] {
    return [...this.#budgets].flatMap(([node, bytes]) => (bytes > 0 ? [node] : []))
  }

  bytes(node: NodeId): number {
    return this.#budgets.get(node) ?? 0
  }

  used(node: NodeId): number {
    return this.#used.get(node) ?? 0
  }

  left(node: NodeId): number {
    return this.bytes(node) - this.used(node)
  }

  /** @throws {RangeError} beyond what is left */
  take(node: NodeId, bytes: number): void {
    if (bytes > this.left(node)) throw new RangeError(`node ${node} has ${this.left(node)} bytes left, not ${bytes}`)
    this.#used.set(node, this.used(node) + bytes)
  }

  /** @throws {RangeError} beyond what was taken */
  giveBack(node: NodeId, bytes: number): void {
    if (bytes > this.used(node))
      throw new RangeError(`of node ${node} ${this.used(node)} bytes are taken, not ${bytes}`)
    this.#used.set(node, this.used(node) - bytes)
  }
}
