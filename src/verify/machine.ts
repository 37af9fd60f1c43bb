/** The host as the checks ask for it: what is usable, what is free, what is how far (docs/model.md, "Host"). */

import type { CpuId, Host, HostCpu, HostNode, NodeId, Request, RequestVm } from '../types.js'
import { measuredDistances, measuredHops, siblingLoss } from './measured.js'

export interface MachineCpu {
  readonly id: CpuId
  readonly node: NodeId
  /** Unique in the host; made up (negative) where the kernel does not say. */
  readonly core: number
  readonly llc: number
  readonly capacity: number
  readonly usable: boolean
  readonly isolated: boolean
}

/** What a VM says of the nodes that its memory may be on. */
type NodeWishes = Pick<RequestVm, 'memoryNodes' | 'avoidDeviceNodes'>

export interface Machine {
  /** The online CPUs. */
  readonly cpus: ReadonlyMap<CpuId, MachineCpu>
  /** The usable CPUs of each core that has any. */
  readonly usableOfCore: ReadonlyMap<number, readonly MachineCpu[]>
  /** The nodes that have usable CPUs. */
  readonly usableNodes: readonly NodeId[]
  /** The reserved CPUs of each core that has any: the host's own threads run there. */
  readonly reservedOfCore: ReadonlyMap<number, readonly MachineCpu[]>
  /** The reserved CPUs that threads of VMMs can run on, ascending. */
  readonly housekeeping: readonly MachineCpu[]
  /** The most online CPUs that a core of the host has. */
  readonly widestCore: number
  readonly nodes: ReadonlyMap<NodeId, HostNode>
  /** Ascending; the first is the base page. */
  readonly pageSizes: readonly number[]
  /** In SLIT units, of memory; by what was measured, else by the firmware. */
  distance(from: NodeId, to: NodeId): number
  /** Ten times the hop between vCPUs on different nodes. */
  tenHops(from: NodeId, to: NodeId): number
  /** Bytes a second that a node's memory gives, where known. */
  bandwidth(node: NodeId): number | undefined
  /** Lost vCPUs per busy SMT sibling. */
  readonly smt: number
  /** The nodes with memory that the VM may use, ascending. */
  memoryOf(vm: NodeWishes): ReadonlySet<NodeId>
  /** Those of them that are nearest to `node`: the VM's memory for CPUs of `node` is there. */
  memoryNodes(vm: NodeWishes, node: NodeId): readonly NodeId[]
  /** Distinct LLCs of the node's online CPUs. */
  llcs(node: NodeId): number
  /** Pages of the size that are free for guests. */
  freePages(node: NodeId, size: number): number
  /** The most pages of the size that all nodes together can give; Infinity where nothing limits them. */
  limitPages(size: number): number
}

const BASE_PAGE = 4096
const LOCAL = 10
const REMOTE = 20

export function machineOf(host: Host, request: Request): Machine {
  const { reserve, deviceNodes, freeMemoryOnly } = request
  const reservedIds = reservedOf(host, request)
  const kept = new Set(reserve.nodes)
  const withMemory = host.nodes.filter((node) => hasMemory(node) && !kept.has(node.id)).map(({ id }) => id)
  const nodeOf = nodeFinder(host, withMemory)
  const online = host.cpus.filter((cpu) => cpu.online)
  const all = online.map((cpu) => machineCpu(cpu, nodeOf(cpu), cpu.allowed && !reservedIds.has(cpu.id)))
  const usable = all.filter((cpu) => cpu.usable)
  const reserved = all.filter((cpu) => reservedIds.has(cpu.id))
  const allowed = new Set(online.filter((cpu) => cpu.allowed).map(({ id }) => id))
  const housekeeping = reserved.filter((cpu) => allowed.has(cpu.id) && !cpu.isolated)
  const index = new Map(host.nodes.map((node, at) => [node.id, at]))
  const nodes = new Map(host.nodes.map((node) => [node.id, node]))
  const pageSizes = pageSizesOf(host)
  const limits = new Map(host.limits?.map(({ size, pages }) => [size, pages]))

  const pair = (from: NodeId, to: NodeId): [number, number] => [index.get(from) ?? -1, index.get(to) ?? -1]
  const latencies = measuredDistances(host)
  const distance = (from: NodeId, to: NodeId): number => {
    const [row, column] = pair(from, to)
    return latencies[row]?.[column] ?? host.distances[row]?.[column] ?? (from === to ? LOCAL : REMOTE)
  }
  const handOver = measuredHops(host)
  const tenHops = (from: NodeId, to: NodeId): number => {
    const [row, column] = pair(from, to)
    return handOver(row, column) ?? distance(from, to)
  }
  const bandwidth = (node: NodeId): number | undefined => {
    const at = index.get(node) ?? -1
    const known = (host.bandwidths ?? []).map((row) => row[at] ?? 0).filter((bytes) => bytes > 0)
    return known.length > 0 ? Math.max(...known) : nodes.get(node)?.bandwidth
  }

  const memoryOf = remembered(({ memoryNodes, avoidDeviceNodes }: NodeWishes): ReadonlySet<NodeId> => {
    const named = new Set(memoryNodes ?? withMemory)
    const avoided = new Set(avoidDeviceNodes ? deviceNodes : [])
    return new Set(withMemory.filter((node) => named.has(node) && !avoided.has(node)))
  })

  const llcCounts = new Map(
    [...groupBy(all, (cpu) => cpu.node)].map(([node, members]) => [node, new Set(members.map((cpu) => cpu.llc)).size]),
  )

  const freePages = (id: NodeId, size: number): number => {
    const node = nodes.get(id)
    if (node === undefined) return 0
    if (size !== pageSizes[0]) return node.pages.find((pool) => pool.size === size)?.free ?? 0
    const { free, reclaimable = 0 } = node.memory
    const bytes = (free ?? 0) + (freeMemoryOnly ? 0 : reclaimable)
    return Math.max(0, Math.floor((bytes - reserve.memory) / size))
  }

  return {
    cpus: new Map(all.map((cpu) => [cpu.id, cpu])),
    usableOfCore: groupBy(usable, (cpu) => cpu.core),
    usableNodes: [...new Set(usable.map((cpu) => cpu.node))],
    reservedOfCore: groupBy(reserved, (cpu) => cpu.core),
    housekeeping,
    widestCore: [...groupBy(all, (cpu) => cpu.core).values()].reduce((most, { length }) => Math.max(most, length), 1),
    nodes,
    pageSizes,
    distance,
    tenHops,
    bandwidth,
    smt: request.model.smt ?? siblingLoss(host),
    memoryOf,
    memoryNodes: (vm, node) => nearest([...memoryOf(vm)], (to) => distance(node, to)),
    llcs: (node) => llcCounts.get(node) ?? 0,
    freePages,
    limitPages: (size) => limits.get(size) ?? Number.POSITIVE_INFINITY,
  }
}

/** All of `nodes` that are at the least distance. */
export function nearest(nodes: readonly NodeId[], distanceOf: (node: NodeId) => number): NodeId[] {
  const distances = nodes.map(distanceOf)
  const least = Math.min(...distances)
  return nodes.filter((_, at) => distances[at] === least)
}

function reservedOf(host: Host, { reserve: { cpus } }: Request): Set<CpuId> {
  if (!('allBut' in cpus)) return new Set(cpus)
  const kept = new Set(cpus.allBut)
  return new Set(host.cpus.map(({ id }) => id).filter((id) => !kept.has(id)))
}

/** The node of an online CPU; where the host does not say: that of its package, else the lowest with memory, else the lowest. */
function nodeFinder({ cpus, nodes }: Host, withMemory: readonly NodeId[]): (cpu: HostCpu) => NodeId {
  const ofPackage = new Map<number, NodeId>()
  for (const { online, node, package: id } of cpus) {
    if (online && node !== null && id !== null && !ofPackage.has(id)) ofPackage.set(id, node)
  }
  const last = withMemory[0] ?? nodes[0]?.id ?? 0
  return ({ node, package: id }) => node ?? (id === null ? undefined : ofPackage.get(id)) ?? last
}

function machineCpu(cpu: HostCpu, node: NodeId, usable: boolean): MachineCpu {
  return {
    id: cpu.id,
    node,
    core: cpu.core ?? -1 - cpu.id,
    llc: cpu.llc ?? -1 - node,
    capacity: cpu.capacity ?? 1024,
    usable,
    isolated: cpu.isolated,
  }
}

/** `null`, unknown, counts as memory of which nothing is known to be free. */
function hasMemory({ memory, allowed }: HostNode): boolean {
  return memory.total !== 0 && allowed !== false
}

function pageSizesOf(host: Host): number[] {
  const sizes = new Set(host.nodes.flatMap((node) => node.pages.map((pool) => pool.size)))
  if (sizes.size === 0) return [BASE_PAGE]
  return [...sizes].sort((a, b) => a - b)
}

/** `compute`, once for each argument. */
export function remembered<Argument extends object, Value extends object>(
  compute: (argument: Argument) => Value,
): (argument: Argument) => Value {
  const known = new WeakMap<Argument, Value>()
  return (argument) => {
    const value = known.get(argument) ?? compute(argument)
    known.set(argument, value)
    return value
  }
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
