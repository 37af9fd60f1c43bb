/** Whether CPUs and nodes that somebody names are there and may be used. Each error lists those that are. */

import { formatCpulist } from '../../src/cpulist.js'
import { InputError, show } from '../../src/errors.js'
import type { CpuId, HostCpu, HostNode, NodeId } from '../../src/types.js'
import type { CpuTopology } from './cpu-topology.js'

function isUsable(cpu: HostCpu): boolean {
  return cpu.online && cpu.allowed
}

/** CPUs of the host that this process may use, ascending. */
export function usableCpus({ host }: CpuTopology): readonly CpuId[] {
  return host.cpus.filter(isUsable).map(({ id }) => id)
}

/** The same CPUs ascending, each once, if all of them can be used. */
export function requireCpus(topology: CpuTopology, cpus: readonly CpuId[], where: string): readonly CpuId[] {
  const expected = `one or more of the CPUs that are online and allowed (${formatCpulist(usableCpus(topology))})`
  if (!Array.isArray(cpus) || cpus.length === 0) throw new InputError(where, expected, show(cpus))
  for (const id of cpus) {
    const cpu = topology.host.cpus.find((each) => each.id === id)
    if (cpu === undefined) throw new InputError(where, expected, `${show(id)}, which is not present`)
    if (!cpu.online) throw new InputError(where, expected, `${id}, which is offline`)
    if (!cpu.allowed) throw new InputError(where, expected, `${id}, which is not in the cpuset of this process`)
  }
  return [...new Set(cpus)].sort((a, b) => a - b)
}

/** The node, if it is one of `among`. */
export function requireNode(among: readonly NodeId[], node: NodeId, where = 'node'): NodeId {
  if (among.includes(node)) return node
  throw new InputError(where, `one of the nodes ${formatCpulist(among)}`, show(node))
}

/** The node's CPUs that can be used; at least one. */
export function requireNodeCpus(topology: CpuTopology, node: NodeId, where = 'node'): readonly CpuId[] {
  const usable = new Set(usableCpus(topology))
  const cpusOf = (id: NodeId) => topology.getNodeCpus(id).filter((cpu) => usable.has(cpu))
  const cpus = cpusOf(node)
  if (cpus.length > 0) return cpus
  const others = topology.host.nodes.map(({ id }) => id).filter((id) => cpusOf(id).length > 0)
  const expected = `a node with CPUs that are online and allowed (${formatCpulist(others)})`
  throw new InputError(where, expected, `${node}, which has none`)
}

/** Whether this process may have memory of the node; where the kernel does not say how much there is, there is some. */
export function hasMemory({ memory, allowed }: HostNode): boolean {
  return memory.total !== 0 && allowed !== false
}

/** The node, if it has memory that this process may use. */
export function requireMemoryNode({ host }: CpuTopology, node: NodeId): HostNode {
  const found = host.nodes.find(({ id }) => id === node)
  if (found !== undefined && hasMemory(found)) return found
  const others = host.nodes.filter(hasMemory).map(({ id }) => id)
  const why = found === undefined ? 'does not exist' : found.memory.total === 0 ? 'has none' : 'is not in the cpuset'
  const expected = `a node with memory that this process may use (${formatCpulist(others)})`
  throw new InputError('node', expected, `${show(node)}, which ${why}`)
}

/** A page size that the node has. */
export function requirePageSize({ id, pages }: HostNode, pageSize: number | undefined): void {
  if (pageSize === undefined || pages.some(({ size }) => size === pageSize)) return
  const sizes = pages.map(({ size }) => size).join(', ')
  throw new InputError('pageSize', `bytes of a page that node ${id} has (${sizes})`, show(pageSize))
}
