/**
 * Whether the state after a step holds (docs/model.md, "Re-plan"), and if not, what is in the way. Only what the step can have
 * broken is looked at; what was wrong at the start may stay wrong, as long as it gets no worse.
 */

import type { CpuId, NodeId } from '../../types.js'
import { isUsable } from '../host.js'
import { firstNode, isSameSeat, type Layout, type Seat } from './layout.js'
import { amount, type Holder, holdersOf, isNear, MICRO, nodesOf, type Site, type SiteCpu, siblingsOf } from './site.js'

/** What a step does to one guest. */
export interface Change {
  readonly guest: number
  readonly from: Layout
  readonly to: Layout
  /** Is `to` divided into other cells than `from`. */
  readonly redivides: boolean
}

/** vCPUs of a guest's cell that are in the way; none: all of the cell is. */
export interface Blocker {
  readonly guest: number
  readonly cell: number
  readonly vcpus: readonly number[]
}

export interface Obstacle {
  readonly constraint: string
  /** Where there is no room, or nobody else may be. */
  readonly node: NodeId
  /** CPUs and bytes that are missing there; of pages of this size. */
  readonly cpus: number
  readonly bytes: number
  readonly pageSize: number
  blockers(): readonly Blocker[]
}

/** What is wrong at the start. */
export interface Drift {
  /** Bytes, by page size and node: at least what may be taken. */
  readonly taken: ReadonlyMap<number, ReadonlyMap<NodeId, number>>
  /** Shared demand beyond the limit, in millionths of a CPU. */
  readonly excess: ReadonlyMap<NodeId, number>
  /** Guests that float together on the node, though they are of different trust domains. */
  readonly mixed: ReadonlyMap<NodeId, ReadonlySet<number>>
  /** Pairs that have to be apart and are both on the node; pairs that have to be near and are not; devices without a cell. */
  readonly broken: ReadonlySet<string>
  /** By guest and cell: the partly idle cores of a cell under `require` that has more than one. */
  readonly idle: ReadonlyMap<string, ReadonlySet<number>>
}

export interface Relations {
  readonly near: readonly (readonly number[])[]
  readonly separate: readonly (readonly number[])[]
  /** Does any guest want whole cores. */
  readonly requires: boolean
}

/** Who each guest has to be near to and apart from, whichever of the two asked. */
export function relationsOf({ guests }: Site): Relations {
  const index = new Map(guests.map(({ vm }, at) => [vm.name, at]))
  const of = (field: 'near' | 'separateFrom') => {
    const peers = guests.map(() => new Set<number>())
    for (const [at, { vm }] of guests.entries()) {
      for (const name of vm[field]) {
        const other = index.get(name)
        if (other === undefined) continue
        peers[at]!.add(other)
        peers[other]!.add(at)
      }
    }
    return peers.map((others) => [...others])
  }
  const requires = guests.some(({ vm }) => vm.threadPolicy === 'require')
  return { near: of('near'), separate: of('separateFrom'), requires }
}

const apart = (a: number, b: number, node: NodeId) => `separate ${Math.min(a, b)} ${Math.max(a, b)} ${node}`
const together = (a: number, b: number) => `near ${Math.min(a, b)} ${Math.max(a, b)}`
const device = (guest: number, node: NodeId) => `device ${guest} ${node}`
const cellKey = (guest: number, cell: number) => `${guest} ${cell}`

/** @param site with every guest where it is at the start */
export function driftOf(site: Site, { near, separate }: Relations): Drift {
  const broken = new Set<string>()
  const idle = new Map<string, Set<number>>()
  for (const [guest, layout] of site.layouts.entries()) {
    for (const other of near[guest]!) if (!isNear(site, guest, other)) broken.add(together(guest, other))
    for (const other of separate[guest]!) {
      for (const node of common(site, guest, other)) broken.add(apart(guest, other, node))
    }
    for (const node of devicesWithout(site, guest)) broken.add(device(guest, node))
    if (site.guests[guest]!.vm.threadPolicy !== 'require') continue
    for (const cell of layout.cells.keys()) {
      const cores = idleCores(site, guest, cell)
      if (cores.length > 1) idle.set(cellKey(guest, cell), new Set(cores))
    }
  }
  return {
    taken: new Map([...site.taken].map(([size, nodes]) => [size, new Map(nodes)])),
    excess: new Map([...site.demand.keys()].map((node) => [node, Math.max(0, excessOn(site, node))])),
    mixed: new Map(site.nodes.map((node) => [node, new Set(mixedOn(site, node))])),
    broken,
    idle,
  }
}

/** What is in the way of `changes`, which have been made already; `undefined`: the state holds. */
export function obstacleTo(
  site: Site,
  drift: Drift,
  relations: Relations,
  changes: readonly Change[],
): Obstacle | undefined {
  const at = (change: Change) =>
    occupied(site, change) ??
    (relations.requires ? partlyIdle(site, drift, change) : undefined) ??
    overfull(site, drift, change) ??
    unlimited(site, drift, change) ??
    overcommitted(site, drift, change) ??
    distrusted(site, drift, change) ??
    unrelated(site, drift, relations, change)
  for (const change of changes) {
    const obstacle = at(change)
    if (obstacle !== undefined) return obstacle
  }
  return undefined
}

const nobody = (): Blocker[] => []
const MISSING_NOTHING = { cpus: 0, bytes: 0, pageSize: 0 }

function reseated({ from, to }: Change): Seat[] {
  return to.seats.filter((seat, at) => seat !== from.seats[at] && !isSameSeat(from.seats[at]!, seat))
}

/** CPUs that others hold, and cores that hold someone who must not be there with this guest. */
function occupied(site: Site, change: Change): Obstacle | undefined {
  const { guest } = change
  const found = new Map<string, { guest: number; cell: number; vcpus: Set<number> }>()
  let node: NodeId | undefined
  const note = (other: Holder, seat: Seat) => {
    node ??= seat.node
    const { cell } = site.layouts[other.guest]!.seats[other.vcpu]!
    const key = cellKey(other.guest, cell)
    const blocker = found.get(key) ?? { guest: other.guest, cell, vcpus: new Set<number>() }
    blocker.vcpus.add(other.vcpu)
    found.set(key, blocker)
  }
  for (const seat of reseated(change)) {
    for (const cpu of seat.cpus) {
      for (const other of holdersOf(site, cpu)) {
        if (other.guest !== guest || other.vcpu !== seat.vcpu) note(other, seat)
      }
      for (const other of strangersBeside(site, guest, cpu)) note(other, seat)
    }
  }
  if (node === undefined) return undefined
  const blockers = [...found.values()].map((blocker) => ({ ...blocker, vcpus: [...blocker.vcpus] }))
  return { ...MISSING_NOTHING, constraint: 'cpu-exclusive', node, blockers: () => blockers }
}

/** Those on the other CPUs of the core that must not share it with a vCPU of the guest. */
export function strangersBeside(site: Site, guest: number, cpu: CpuId): Holder[] {
  const one = site.guests[guest]!.vm
  const isStrange = (holder: Holder) => {
    const other = site.guests[holder.guest]!.vm
    if (one.threadPolicy === 'isolate' || other.threadPolicy === 'isolate') return true
    if (holder.guest === guest) return false
    const trusted = one.trust !== null && one.trust === other.trust
    return !trusted || one.threadPolicy === 'require' || other.threadPolicy === 'require'
  }
  const strangers: Holder[] = []
  const core = site.cpus.get(cpu)?.core
  for (const { id } of (core === undefined ? undefined : site.cores.get(core)) ?? []) {
    if (id !== cpu) for (const holder of holdersOf(site, id)) if (isStrange(holder)) strangers.push(holder)
  }
  return strangers
}

/** Under `require` a cell leaves at most one of its cores partly idle. */
function partlyIdle(site: Site, drift: Drift, { guest, from, to }: Change): Obstacle | undefined {
  const touched = new Set([guest])
  for (const { cpus } of [...from.seats, ...to.seats]) {
    for (const cpu of cpus) {
      const cores = [...siblingsOf(site, cpu).map(({ id }) => id), cpu]
      for (const id of cores) for (const holder of holdersOf(site, id)) touched.add(holder.guest)
    }
  }
  for (const other of touched) {
    if (site.guests[other]!.vm.threadPolicy !== 'require') continue
    const layout = site.layouts[other]!
    for (const cell of layout.cells.keys()) {
      const cores = idleCores(site, other, cell)
      const were = drift.idle.get(cellKey(other, cell))
      if (cores.length < 2 || (were !== undefined && cores.every((core) => were.has(core)))) continue
      const { node } = layout.seats.find((seat) => seat.cell === cell)!
      return { ...MISSING_NOTHING, constraint: 'thread-policy', node, blockers: nobody }
    }
  }
  return undefined
}

/** The cores of a cell that have a usable CPU which is not the guest's. */
function idleCores(site: Site, guest: number, cell: number): number[] {
  const cores = new Set<number>()
  const isOwn = ({ id }: SiteCpu) => holdersOf(site, id).some((holder) => holder.guest === guest)
  for (const seat of site.layouts[guest]!.seats) {
    if (seat.cell !== cell) continue
    for (const cpu of seat.cpus) {
      const core = site.cpus.get(cpu)?.core
      if (core !== undefined) cores.add(core)
    }
  }
  return [...cores].filter((core) => (site.cores.get(core) ?? []).some((cpu) => isUsable(cpu) && !isOwn(cpu)))
}

function overfull(site: Site, drift: Drift, { to }: Change): Obstacle | undefined {
  for (const { pageSize, memory } of to.cells) {
    for (const { node } of memory) {
      const most = Math.max(amount(site.room, pageSize, node), amount(drift.taken, pageSize, node))
      const bytes = amount(site.taken, pageSize, node) - most
      if (bytes <= 0) continue
      const blockers = () =>
        cellsWhere(site, node, (layout, cell) => {
          const { pageSize: size, memory: parts } = layout.cells[cell]!
          return size === pageSize && parts.some((part) => part.node === node)
        })
      return { constraint: 'memory-capacity', node, cpus: 0, bytes, pageSize, blockers }
    }
  }
  return undefined
}

/** Pages of a size beyond what all nodes together may give: only cells that change their pages change that. */
function unlimited(site: Site, drift: Drift, { to }: Change): Obstacle | undefined {
  for (const pageSize of new Set(to.cells.map((cell) => cell.pageSize))) {
    const limit = site.limits.get(pageSize)
    if (limit === undefined || inAll(site.taken, pageSize) <= Math.max(limit, inAll(drift.taken, pageSize))) continue
    return { ...MISSING_NOTHING, constraint: 'memory-limit', node: to.seats[0]!.node, blockers: nobody }
  }
  return undefined
}

function inAll(of: Drift['taken'], size: number): number {
  return [...(of.get(size)?.values() ?? [])].reduce((sum, bytes) => sum + bytes, 0)
}

/** Shared vCPUs float beside those of their own trust domain, or where none of them names one. */
function distrusted(site: Site, { mixed }: Drift, { guest, from, to }: Change): Obstacle | undefined {
  const { trust } = site.guests[guest]!.vm
  for (const node of new Set([...from.seats, ...to.seats].map((seat) => seat.node))) {
    if (!isNewlyMixed(site, node, mixed.get(node))) continue
    const strangers = ({ seats }: Layout, cell: number, other: number) =>
      site.guests[other]!.vm.trust !== trust &&
      seats.some((seat) => seat.cell === cell && seat.node === node && !seat.dedicated)
    return { ...MISSING_NOTHING, constraint: 'trust', node, blockers: () => cellsWhere(site, node, strangers) }
  }
  return undefined
}

/** Who floats over the CPUs of a node, if not all of them may together. */
function mixedOn(site: Site, node: NodeId): Iterable<number> {
  const domains = site.domains.get(node)?.size ?? 0
  return domains > 1 && (site.shared.get(node) ?? 0) > 0 ? site.floating.get(node)!.keys() : []
}

/** Whether somebody floats there beside others and did not at the start. */
function isNewlyMixed(site: Site, node: NodeId, were: ReadonlySet<number> | undefined): boolean {
  for (const guest of mixedOn(site, node)) if (!were?.has(guest)) return true
  return false
}

function overcommitted(site: Site, drift: Drift, { from, to }: Change): Obstacle | undefined {
  const nodes = new Set([...from.seats, ...to.seats].map(({ node }) => node))
  for (const node of nodes) {
    const excess = excessOn(site, node) - (drift.excess.get(node) ?? 0)
    if ((site.demand.get(node) ?? 0) === 0 || excess <= 0) continue
    const cpus = Math.ceil(excess / (site.request.overcommit * MICRO))
    const blockers = () =>
      cellsWhere(site, node, ({ seats }, cell) => seats.some((seat) => seat.cell === cell && seat.node === node))
    return { ...MISSING_NOTHING, constraint: 'overcommit', node, cpus, blockers }
  }
  return undefined
}

function excessOn(site: Site, node: NodeId): number {
  return (site.demand.get(node) ?? 0) - site.request.overcommit * MICRO * (site.shared.get(node) ?? 0)
}

/** Devices, and VMs that have to be near or apart. */
function unrelated(site: Site, { broken }: Drift, relations: Relations, { guest, to }: Change): Obstacle | undefined {
  const found = (constraint: string, node: NodeId, blockers: Obstacle['blockers'] = nobody): Obstacle => {
    return { ...MISSING_NOTHING, constraint, node, blockers }
  }
  for (const node of devicesWithout(site, guest)) {
    if (!broken.has(device(guest, node))) return found('device', node)
  }
  for (const other of relations.separate[guest]!) {
    const node = common(site, guest, other).find((shared) => !broken.has(apart(guest, other, shared)))
    if (node === undefined) continue
    const theirs = (layout: Layout, cell: number, at: number) => at === other && usesNode(layout, cell, node)
    return found('separate', node, () => cellsWhere(site, node, theirs))
  }
  for (const other of relations.near[guest]!) {
    if (!isNear(site, guest, other) && !broken.has(together(guest, other))) return found('near', firstNode(to))
  }
  return undefined
}

function common(site: Site, a: number, b: number): NodeId[] {
  const theirs = nodesOf(site.layouts[b]!)
  return [...nodesOf(site.layouts[a]!)].filter((node) => theirs.has(node))
}

function usesNode({ cells, seats }: Layout, cell: number, node: NodeId): boolean {
  return (
    cells[cell]!.memory.some((part) => part.node === node) ||
    seats.some((seat) => seat.cell === cell && seat.node === node)
  )
}

/** The nodes of strict devices that no vCPU of the guest is near enough to. */
function devicesWithout(site: Site, guest: number): NodeId[] {
  const { seats } = site.layouts[guest]!
  return site.guests[guest]!.vm.devices.flatMap(({ node, strict }) =>
    strict && !seats.some((seat) => site.serves(seat.node, node)) ? [node] : [],
  )
}

/** The cells for which `holds` holds of the guests that use the node. */
function cellsWhere(
  site: Site,
  node: NodeId,
  holds: (layout: Layout, cell: number, guest: number) => boolean,
): Blocker[] {
  const guests = [...(site.users.get(node) ?? [])].sort((a, b) => a - b)
  const found: Blocker[] = []
  for (const guest of guests) {
    const layout = site.layouts[guest]!
    for (let cell = 0; cell < layout.cells.length; cell++) {
      if (holds(layout, cell, guest)) found.push({ guest, cell, vcpus: [] })
    }
  }
  return found
}
