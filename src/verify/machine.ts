/** The host as the checks ask for it: what is usable, what is free, what is how far (docs/model.md, "Host"). */

import type { CpuId, Host, HostCpu, HostNode, NodeId, Request } from '../types.js'

export interface MachineCpu {
  readonly id: CpuId
  readonly node: NodeId
  /** Unique in the host; made up (negative) where the kernel does not say. */
  readonly core: number
  readonly llc: number
  readonly capacity: number
  readonly usable: boolean
}

export interface Machine {
  /** The online CPUs that have a node. */
  readonly cpus: ReadonlyMap<CpuId, MachineCpu>
  /** The usable CPUs of each core that has any. */
  readonly usableOfCore: ReadonlyMap<number, readonly MachineCpu[]>
  /** The reserved CPUs that threads can run on, ascending. */
  readonly reserved: readonly MachineCpu[]
  /** The most online CPUs that a core of the host has. */
  readonly widestCore: number
  readonly nodes: ReadonlyMap<NodeId, HostNode>
  /** Ascending; the first is the base page. */
  readonly pageSizes: readonly number[]
  /** SLIT units. */
  distance(from: NodeId, to: NodeId): number
  /** The node whose memory the CPUs of `node` use. */
  memoryNode(node: NodeId): NodeId
  /** Distinct LLCs of the node's online CPUs. */
  llcs(node: NodeId): number
  /** Pages of the size that are free for guests. */
  freePages(node: NodeId, size: number): number
}

const BASE_PAGE = 4096
const LOCAL = 10
const REMOTE = 20

export function machineOf(host: Host, request: Request): Machine {
  const reservedIds = reservedOf(host, request)
  const online = host.cpus.filter((cpu) => cpu.online && cpu.node !== null)
  const cpus = new Map(online.map((cpu) => [cpu.id, machineCpu(cpu, cpu.allowed && !reservedIds.has(cpu.id))]))
  const allowed = new Set(online.filter((cpu) => cpu.allowed).map((cpu) => cpu.id))
  const all = [...cpus.values()]
  const index = new Map(host.nodes.map((node, at) => [node.id, at]))
  const nodes = new Map(host.nodes.map((node) => [node.id, node]))
  const pageSizes = pageSizesOf(host)

  const distance = (from: NodeId, to: NodeId): number =>
    host.distances[index.get(from) ?? -1]?.[index.get(to) ?? -1] ?? (from === to ? LOCAL : REMOTE)

  const memoryNode = (node: NodeId): NodeId => {
    const withMemory = host.nodes.filter(hasMemory).map((other) => other.id)
    if (withMemory.includes(node) || withMemory.length === 0) return node
    return withMemory.reduce((best, other) => (distance(node, other) < distance(node, best) ? other : best))
  }

  const llcCounts = new Map(
    [...groupBy(all, (cpu) => cpu.node)].map(([node, members]) => [node, new Set(members.map((cpu) => cpu.llc)).size]),
  )

  const freePages = (id: NodeId, size: number): number => {
    const node = nodes.get(id)
    if (node === undefined) return 0
    if (size !== pageSizes[0]) return node.pages.find((pool) => pool.size === size)?.free ?? 0
    return Math.max(0, Math.floor(((node.memory.free ?? 0) - request.reserve.memory) / size))
  }

  return {
    cpus,
    usableOfCore: groupBy(
      all.filter((cpu) => cpu.usable),
      (cpu) => cpu.core,
    ),
    reserved: all.filter((cpu) => reservedIds.has(cpu.id) && allowed.has(cpu.id)),
    widestCore: Math.max(1, ...[...groupBy(all, (cpu) => cpu.core).values()].map((members) => members.length)),
    nodes,
    pageSizes,
    distance,
    memoryNode,
    llcs: (node) => llcCounts.get(node) ?? 0,
    freePages,
  }
}

function reservedOf(host: Host, { reserve: { cpus } }: Request): Set<CpuId> {
  if (!('allBut' in cpus)) return new Set(cpus)
  const kept = new Set(cpus.allBut)
  return new Set(host.cpus.map(({ id }) => id).filter((id) => !kept.has(id)))
}

function machineCpu(cpu: HostCpu, usable: boolean): MachineCpu {
  const node = cpu.node ?? 0
  return {
    id: cpu.id,
    node,
    core: cpu.core ?? -1 - cpu.id,
    llc: cpu.llc ?? -1 - node,
    capacity: cpu.capacity ?? 1024,
    usable,
  }
}

/** `null`, unknown, counts as memory of which nothing is known to be free. */
function hasMemory(node: HostNode): boolean {
  return node.memory.total !== 0
}

function pageSizesOf(host: Host): number[] {
  const sizes = new Set(host.nodes.flatMap((node) => node.pages.map((pool) => pool.size)))
  if (sizes.size === 0) return [BASE_PAGE]
  return [...sizes].sort((a, b) => a - b)
}

export function groupBy<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
