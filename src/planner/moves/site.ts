/** The host with the VMs that are on it: which VM holds which CPU, what memory is taken, and what is left to share. */

import type { CpuId, Host, NodeId, Request, RequestVm } from '../../types.js'
import { distancesOf } from '../distances.js'
import { CPU } from '../generated/abi.js'
import { freePages, hasMemory, isUsable, type OnlineCpu, onlineCpus, pageSizesOf } from '../host.js'
import { firstNode, type Layout } from './layout.js'

export const MICRO = 1_000_000
const LOCAL = 10
const REMOTE = 20
const NOBODY: readonly Holder[] = []

export interface SiteCpu extends Readonly<Pick<OnlineCpu, 'id' | 'node' | 'core' | 'use'>> {
  /** Dedicated vCPUs that are on it. */
  held: number
}

/** A VM that is there and stays. */
export interface Guest {
  readonly vm: RequestVm
  readonly start: Layout
  readonly final: Layout
  /** Of a shared vCPU, in millionths of a CPU. */
  readonly demand: number
}

/** A dedicated vCPU on a CPU. */
export interface Holder {
  readonly guest: number
  readonly vcpu: number
}

export interface Site {
  readonly request: Request
  readonly guests: readonly Guest[]
  readonly nodes: readonly NodeId[]
  readonly cpus: Map<CpuId, SiteCpu>
  /** The online CPUs of each core, and of each node. */
  readonly cores: Map<number, SiteCpu[]>
  readonly onNode: Map<NodeId, SiteCpu[]>
  /** Bytes of the base page. */
  readonly pageSize: number
  /** Bytes that may be taken, by page size and node. */
  readonly room: Map<number, Map<NodeId, number>>
  /** The same on all nodes together, of sizes that are limited. */
  readonly limits: ReadonlyMap<number, number>
  /** Nodes that memory for the VM's vCPUs on `node` may be on. */
  memoryNodes(vm: RequestVm, node: NodeId): readonly NodeId[]
  /** All other nodes, the nearest first. */
  nodesAround(home: NodeId): readonly NodeId[]
  /** Whether vCPUs on `from` are where a strict device of `node` has them. */
  serves(from: NodeId, node: NodeId): boolean

  // What changes as VMs move:
  readonly layouts: Layout[]
  /** Guests with vCPUs or memory on the node. */
  readonly users: Map<NodeId, Set<number>>
  /** Numbers of CPUs and cores below which none is used. */
  readonly lowest: { cpu: number; core: number }
  readonly holders: Map<CpuId, Holder[]>
  /** Usable CPUs of the node that nobody holds. */
  readonly free: Map<NodeId, number>
  /** Dedicated vCPUs on each core. */
  readonly busy: Map<number, number>
  /** Bytes taken, by page size and node. */
  readonly taken: Map<number, Map<NodeId, number>>
  /** Of shared vCPUs, in millionths of a CPU. */
  readonly demand: Map<NodeId, number>
  /** Shared vCPUs by guest, and how many of these guests there are by their trust domain. */
  readonly floating: Map<NodeId, Map<number, number>>
  readonly domains: Map<NodeId, Map<string | null, number>>
  /** Number of CPUs that shared vCPUs float over. */
  readonly shared: Map<NodeId, number>
}

/** The site with every guest where it is at the start. */
export function openSite(host: Host, request: Request, guests: readonly Guest[]): Site {
  const cpus = onlineCpus(host, request)
  const pageSizes = pageSizesOf(host)
  const pageSize = pageSizes[0]!
  const site: Site = {
    request,
    guests,
    nodes: host.nodes.map(({ id }) => id),
    cpus: new Map(),
    cores: new Map(),
    onNode: new Map(),
    pageSize,
    room: new Map(),
    limits: new Map((host.limits ?? []).map(({ size, pages }) => [size, size * pages])),
    ...geographyOf(host, request, new Set(cpus.filter(isUsable).map(({ node }) => node))),
    layouts: [],
    users: new Map(),
    lowest: { cpu: 0, core: Math.min(0, ...cpus.map(({ core }) => core)) },
    holders: new Map(),
    free: new Map(),
    busy: new Map(),
    taken: new Map(),
    demand: new Map(),
    floating: new Map(),
    domains: new Map(),
    shared: new Map(),
  }
  for (const { id, node, core, use } of cpus) addCpu(site, { id, node, core, use, held: 0 })
  for (const node of host.nodes) {
    for (const size of pageSizes) addTo(site.room, size, node.id, freePages(node, request, size, pageSize) * size)
  }
  for (const [guest, { start }] of guests.entries()) place(site, guest, start)
  return site
}

/** Of those that are candidates all at the least distance. */
function nearest(candidates: readonly NodeId[], far: (node: NodeId) => number): NodeId[] {
  const least = Math.min(...candidates.map(far))
  return candidates.filter((node) => far(node) === least)
}

function geographyOf(
  host: Host,
  request: Request,
  usable: ReadonlySet<NodeId>,
): Pick<Site, 'memoryNodes' | 'nodesAround' | 'serves'> {
  const index = new Map(host.nodes.map(({ id }, at) => [id, at]))
  const distances = distancesOf(host)
  const distance = (from: NodeId, to: NodeId) =>
    distances[index.get(from) ?? -1]?.[index.get(to) ?? -1] ?? (from === to ? LOCAL : REMOTE)
  const withMemory = host.nodes.filter((node) => hasMemory(node, request)).map(({ id }) => id)
  // What was found out, by who asked: the same for all VMs that may use every node.
  const known = new Map<RequestVm | null, Map<NodeId, NodeId[]>>()
  const memoryNodes = (vm: RequestVm, node: NodeId) => {
    const isPicky = vm.memoryNodes !== null || (vm.avoidDeviceNodes && request.deviceNodes.length > 0)
    const of = known.get(isPicky ? vm : null) ?? new Map<NodeId, NodeId[]>()
    if (of.size === 0) known.set(isPicky ? vm : null, of)
    const found = of.get(node)
    if (found !== undefined) return found
    const open = withMemory.filter((id) => (vm.memoryNodes?.includes(id) ?? true) && !keepsOff(request, vm, id))
    const homes = nearest(open, (id) => distance(node, id))
    of.set(node, homes)
    return homes
  }
  const around = new Map<NodeId, readonly NodeId[]>()
  const nodesAround = (home: NodeId) => {
    const found = around.get(home)
    if (found !== undefined) return found
    const others = host.nodes.map(({ id }) => id).filter((id) => id !== home)
    const sorted = others.sort((a, b) => distance(home, a) - distance(home, b) || a - b)
    around.set(home, sorted)
    return sorted
  }
  const serves = (from: NodeId, node: NodeId) =>
    usable.has(node) ? from === node : nearest([...usable], (id) => distance(id, node)).includes(from)
  return { memoryNodes, nodesAround, serves }
}

export function keepsOff({ deviceNodes }: Request, { avoidDeviceNodes }: RequestVm, node: NodeId): boolean {
  return avoidDeviceNodes && deviceNodes.includes(node)
}

export function addCpu(site: Site, cpu: SiteCpu): void {
  site.cpus.set(cpu.id, cpu)
  addMember(site.cores, cpu.core, cpu)
  addMember(site.onNode, cpu.node, cpu)
  if (isUsable(cpu)) add(site.free, cpu.node, 1)
  if (cpu.use === CPU.GUESTS) add(site.shared, cpu.node, 1)
}

/** @param cpu that nobody holds */
export function removeCpu(site: Site, cpu: SiteCpu): void {
  site.cpus.delete(cpu.id)
  for (const members of [site.cores.get(cpu.core)!, site.onNode.get(cpu.node)!]) members.splice(members.indexOf(cpu), 1)
  if (isUsable(cpu)) add(site.free, cpu.node, -1)
  if (cpu.use === CPU.GUESTS) add(site.shared, cpu.node, -1)
}

const NOWHERE: Layout = { cells: [], seats: [] }

/** Moves a guest to where `layout` says. Whether that state holds is for rules.ts to say. */
export function place(site: Site, guest: number, layout: Layout): void {
  const before = site.layouts[guest] ?? NOWHERE
  site.layouts[guest] = layout
  count(site, guest, before, layout, -1)
  count(site, guest, layout, before, 1)
}

/** Moves each guest to where `layouts` has it. Of those who hold a CPU the first guest comes first then. */
export function placeAll(site: Site, layouts: readonly Layout[]): void {
  for (const [guest, layout] of layouts.entries()) if (site.layouts[guest] !== layout) place(site, guest, layout)
  for (const holders of site.holders.values()) {
    if (holders.length > 1) holders.sort((a, b) => a.guest - b.guest || a.vcpu - b.vcpu)
  }
}

/** Counts (1) what a guest has in one layout and not in the other, or takes it back (-1). Cells and seats that stay are the same objects in both. */
function count(site: Site, guest: number, layout: Layout, other: Layout, sign: 1 | -1): void {
  const others = nodesOf(other)
  for (const node of nodesOf(layout)) {
    if (others.has(node)) continue
    const users = site.users.get(node) ?? new Set<number>()
    if (users.size === 0) site.users.set(node, users)
    if (sign > 0) users.add(guest)
    else users.delete(guest)
  }
  const { demand } = site.guests[guest]!
  for (let at = 0; at < layout.cells.length; at++) {
    const cell = layout.cells[at]!
    if (cell === other.cells[at]) continue
    for (const { node, bytes } of cell.memory) addTo(site.taken, cell.pageSize, node, sign * bytes)
  }
  for (let at = 0; at < layout.seats.length; at++) {
    const seat = layout.seats[at]!
    const { vcpu, node, cpus, dedicated } = seat
    if (seat === other.seats[at]) {
      if (sign > 0) for (const cpu of cpus) holdLast(site.holders.get(cpu)!, guest, vcpu)
      continue
    }
    if (!dedicated) {
      add(site.demand, node, sign * demand)
      float(site, node, guest, sign)
    }
    for (const cpu of cpus) hold(site, { guest, vcpu }, cpu, sign)
  }
}

/** Who was placed last comes last among those who hold a CPU. */
function holdLast(holders: Holder[], guest: number, vcpu: number): void {
  if (holders.length > 1) holders.push(...takeHolder(holders, guest, vcpu))
}

function takeHolder(holders: Holder[], guest: number, vcpu: number): Holder[] {
  return holders.splice(
    holders.findIndex((other) => other.guest === guest && other.vcpu === vcpu),
    1,
  )
}

function float({ floating, domains, guests }: Site, node: NodeId, guest: number, sign: 1 | -1): void {
  const counts = floating.get(node) ?? new Map<number, number>()
  if (counts.size === 0) floating.set(node, counts)
  const count = (counts.get(guest) ?? 0) + sign
  if (count === 0) counts.delete(guest)
  else counts.set(guest, count)
  if (count !== Math.max(0, sign)) return
  const { trust } = guests[guest]!.vm
  const members = domains.get(node) ?? new Map<string | null, number>()
  if (members.size === 0) domains.set(node, members)
  add(members, trust, sign)
  if (members.get(trust) === 0) members.delete(trust)
}

function hold(site: Site, holder: Holder, id: CpuId, sign: 1 | -1): void {
  const holders = site.holders.get(id) ?? []
  if (sign < 0) takeHolder(holders, holder.guest, holder.vcpu)
  else if (holders.push(holder) === 1) site.holders.set(id, holders)
  const cpu = site.cpus.get(id)
  if (cpu === undefined) return
  cpu.held += sign
  if (isUsable(cpu) && cpu.held === (sign < 0 ? 0 : 1)) add(site.free, cpu.node, -sign)
  const { core } = cpu
  const were = site.busy.get(core) ?? 0
  site.busy.set(core, were + sign)
  if ((were === 0) === (were + sign === 0)) return
  for (const { node, use } of site.cores.get(core) ?? []) if (use === CPU.GUESTS) add(site.shared, node, -sign)
}

export function holdersOf(site: Site, cpu: CpuId): readonly Holder[] {
  return site.holders.get(cpu) ?? NOBODY
}

/** The other CPUs of a CPU's core, usable or not. */
export function siblingsOf(site: Site, id: CpuId): SiteCpu[] {
  const core = site.cpus.get(id)?.core
  return core === undefined ? [] : site.cores.get(core)!.filter((cpu) => cpu.id !== id)
}

/** Whether a dedicated vCPU is on the core. */
export function isBusy(site: Site, core: number): boolean {
  return (site.busy.get(core) ?? 0) !== 0
}

export function isShared(site: Site, cpu: SiteCpu): boolean {
  return cpu.use === CPU.GUESTS && !isBusy(site, cpu.core)
}

/** Bytes that the site has room for on the node, in pages of this size; negative where there are too many. */
export function roomOn(site: Site, size: number, node: NodeId): number {
  return amount(site.room, size, node) - amount(site.taken, size, node)
}

/** Layouts do not change, and each is asked about again and again. */
const nodesOfLayout = new WeakMap<Layout, ReadonlySet<NodeId>>()

/** Cells with memory or vCPUs on a node: the nodes that a guest uses. */
export function nodesOf(layout: Layout): ReadonlySet<NodeId> {
  const known = nodesOfLayout.get(layout)
  if (known !== undefined) return known
  const nodes = new Set<NodeId>()
  for (const { node } of layout.seats) nodes.add(node)
  for (const { memory } of layout.cells) for (const { node } of memory) nodes.add(node)
  nodesOfLayout.set(layout, nodes)
  return nodes
}

export function isNear(site: Site, a: number, b: number): boolean {
  return firstNode(site.layouts[a]!) === firstNode(site.layouts[b]!)
}

export function amount(of: ReadonlyMap<number, ReadonlyMap<NodeId, number>>, size: number, node: NodeId): number {
  return of.get(size)?.get(node) ?? 0
}

export function addTo(to: Map<number, Map<NodeId, number>>, size: number, node: NodeId, bytes: number): void {
  const nodes = to.get(size) ?? new Map<NodeId, number>()
  if (nodes.size === 0) to.set(size, nodes)
  add(nodes, node, bytes)
}

function addMember(to: Map<number, SiteCpu[]>, key: number, cpu: SiteCpu): void {
  const members = to.get(key)
  if (members === undefined) to.set(key, [cpu])
  else members.push(cpu)
}

function add<Key>(to: Map<Key, number>, key: Key, by: number): void {
  to.set(key, (to.get(key) ?? 0) + by)
}
