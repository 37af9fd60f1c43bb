/** Places where a cell can wait until the one that it is to have is free. */

import type { CpuId, NodeId, PlanCell } from '../../types.js'
import { CPU } from '../generated/abi.js'
import { isUsable } from '../host.js'
import { type Effort, isSpent, spendOnLooks } from './effort.js'
import { bytesOf, type Layout, type Seat } from './layout.js'
import { type Blocker, type Change, strangersBeside } from './rules.js'
import { isBusy, keepsOff, roomOn, type Site, type SiteCpu } from './site.js'

export interface Wishes {
  /** CPUs that have to stay free. */
  readonly avoid: (cpu: CpuId) => boolean
  /** CPUs that better stay free. */
  readonly wanted: (cpu: CpuId) => boolean
  /** Has the cell to leave its node. */
  readonly away: boolean
  /** Pays for looking. */
  readonly effort: Effort
}

/**
 * Changes that take a blocker out of the way, the least first. First other CPUs of the node for the vCPUs in the way, then for the
 * whole cell, then another node for the cell and its memory. Whether the rest of the state holds with them is checked later.
 */
export function* placesFor(site: Site, { guest, cell, vcpus }: Blocker, wishes: Wishes): Generator<Change> {
  const from = site.layouts[guest]!
  const all = from.seats.filter((seat) => seat.cell === cell)
  if (!wishes.away) {
    const inTheWay = all.filter((seat) => vcpus.includes(seat.vcpu))
    for (const moved of inTheWay.length < all.length ? [inTheWay, all] : [all]) {
      const seats = seatsInPlace(site, guest, moved, wishes)
      if (seats !== undefined) yield { guest, from, to: withSeats(from, seats), redivides: false }
    }
  }
  const { vm } = site.guests[guest]!
  const home = all[0]?.node
  // Interleaved memory depends on where all cells of the VM are.
  if (home === undefined || (vm.memoryPolicy === 'interleave' && from.cells.length > 1)) return
  for (const node of site.nodesAround(home)) {
    if (isSpent(wishes.effort)) return
    if (keepsOff(site.request, vm, node)) continue
    const memory = from.cells[cell]!
    // Preferred memory may be anywhere while VMs move.
    const places = vm.memoryPolicy === 'preferred' ? [memory] : memoryOn(site, guest, memory, node)
    const seats = places.length === 0 ? undefined : seatsOn(site, guest, all, node, wishes)
    if (seats === undefined) continue
    for (const place of places) {
      const cells = from.cells.map((other, at) => (at === cell ? place : other))
      yield { guest, from, to: { ...withSeats(from, seats), cells }, redivides: false }
    }
  }
}

function seatsInPlace(site: Site, guest: number, moved: readonly Seat[], wishes: Wishes): Seat[] | undefined {
  const seats: Seat[] = []
  for (const node of new Set(moved.map((seat) => seat.node))) {
    const dedicated = moved.filter((seat) => seat.node === node && seat.dedicated)
    const found = seatsOn(site, guest, dedicated, node, wishes)
    if (found === undefined) return undefined
    seats.push(...found)
  }
  return seats.length === 0 ? undefined : seats
}

/** The vCPUs on free CPUs of the node, as the thread policy wants them; `undefined` where there are too few. */
function seatsOn(site: Site, guest: number, moved: readonly Seat[], node: NodeId, wishes: Wishes): Seat[] | undefined {
  const free = moved.some(({ dedicated }) => dedicated) ? freeCpus(site, guest, node, wishes) : []
  const seats: Seat[] = []
  for (const seat of moved) {
    const cpu = seat.dedicated ? free.shift() : undefined
    if (seat.dedicated && cpu === undefined) return undefined
    seats.push({ ...seat, node, cpus: cpu === undefined ? [] : [cpu.id] })
  }
  return seats
}

function freeCpus(site: Site, guest: number, node: NodeId, { avoid, wanted, effort }: Wishes): SiteCpu[] {
  const { threadPolicy } = site.guests[guest]!.vm
  const wantsCore = threadPolicy === 'require' || threadPolicy === 'isolate'
  const free: { cpu: SiteCpu; rank: number }[] = []
  const cores = new Set<number>()
  const cpus = site.onNode.get(node) ?? []
  spendOnLooks(effort, cpus.length)
  if (!site.free.get(node)) return []
  for (const cpu of cpus) {
    if (cpu.held !== 0 || !isUsable(cpu) || avoid(cpu.id)) continue
    const core = site.cores.get(cpu.core)!
    if (wantsCore && core.some((other) => other !== cpu && other.use === CPU.HOST)) continue
    if (isBusy(site, cpu.core)) {
      if (threadPolicy === 'require' || strangersBeside(site, guest, cpu.id).length > 0) continue
    }
    if (threadPolicy === 'isolate' && cores.has(cpu.core)) continue
    cores.add(cpu.core)
    const isBeside = core.some((other) => other !== cpu && (avoid(other.id) || wanted(other.id)))
    free.push({ cpu, rank: wanted(cpu.id) ? 2 : isBeside ? 1 : 0 })
  }
  // Siblings stay together: `require` fills core after core.
  free.sort((a, b) => a.rank - b.rank || a.cpu.core - b.cpu.core || a.cpu.id - b.cpu.id)
  return free.map(({ cpu }) => cpu)
}

/** The cell's memory on one of the memory nodes of `node` that has room. The one with least of it now comes first, to make room. */
function memoryOn(site: Site, guest: number, cell: PlanCell, node: NodeId): PlanCell[] {
  const { vm } = site.guests[guest]!
  const homes = site.memoryNodes(vm, node)
  // Interleaved memory would be on all of them.
  if (vm.memoryPolicy === 'interleave' && homes.length > 1) return []
  const bytes = bytesOf(cell)
  const there = (home: NodeId) => cell.memory.find((part) => part.node === home)?.bytes ?? 0
  const sizes = new Set(vm.pageSize === 'any' ? [cell.pageSize, site.pageSize] : [cell.pageSize])
  return [...sizes].flatMap((pageSize) => {
    const fits = (home: NodeId) =>
      bytes - (pageSize === cell.pageSize ? there(home) : 0) <= Math.max(0, roomOn(site, pageSize, home))
    const open = homes.filter(fits).sort((x, y) => there(x) - there(y))
    return open.map((home) => ({ ...cell, pageSize, memory: [{ node: home, bytes }] }))
  })
}

function withSeats(from: Layout, seats: readonly Seat[]): Layout {
  const changed = new Map(seats.map((seat) => [seat.vcpu, seat]))
  return { cells: from.cells, seats: from.seats.map((seat) => changed.get(seat.vcpu) ?? seat) }
}
