/** The way from where VMs are to where a plan puts them (docs/model.md, "Re-plan"). Every state between two moves holds. */

import { formatCpulist } from '../cpulist.js'
import type { Host, Move, NodeId, Plan, Request, Spare } from '../types.js'
import { EFFORT_TO_ORDER, EFFORT_TO_PARK, type Effort } from './moves/effort.js'
import {
  copiedBytes,
  isCellMoved,
  isDividedAlike,
  isSameCell,
  isSameSeat,
  type Layout,
  layoutOf,
  type Seat,
} from './moves/layout.js'
import { advance, beginRun, makeAll, type Run } from './moves/order.js'
import { type Change, type Drift, driftOf, type Relations, relationsOf } from './moves/rules.js'
import { type Guest, isShared, MICRO, openSite, place, placeAll, type Site } from './moves/site.js'
import { spareFor } from './moves/spare.js'
import { type Step, stepsOf } from './moves/steps.js'

/**
 * The moves that take the VMs which have `current` and are in the plan to their places. If an order without detours is found, it is
 * taken; else the one with the fewest bytes copied twice. `spare` is there only if no order is found. It says what would have to be free
 * for the rest. VMs without `current` start after the last move. VMs that the plan refuses are gone before the first.
 */
export function orderMoves(
  host: Host,
  request: Request,
  plan: Pick<Plan, 'vms'>,
): { readonly moves: Move[]; readonly spare?: Spare[] } {
  const guests = guestsOf(request, plan)
  if (guests.every(stays)) return { moves: [] }
  const site = openSite(host, request, guests)
  const relations = relationsOf(site)
  const run = bestRun(site, relations, stepsOf(guests, relations))
  const moves = movesOf(site, run.made)
  return run.pending.size === 0 ? { moves } : { moves, spare: spareFor(run) }
}

function guestsOf(request: Request, { vms }: Pick<Plan, 'vms'>): Guest[] {
  const planned = new Map(vms.map((vm) => [vm.name, vm]))
  return request.vms.flatMap((vm) => {
    const there = planned.get(vm.name)
    if (vm.current === null || there === undefined) return []
    const demand = Math.floor(vm.demand * MICRO + 0.5)
    return [{ vm, start: layoutOf(vm.current), final: layoutOf(there), demand }]
  })
}

/** Orders with detours that are tried: they take far longer. */
const MOST_DETOURS = 2

/**
 * Steps are made as soon as they can be, so the order in which they are tried matters: a few are. Only where none gets through
 * without, VMs are parked.
 */
function bestRun(site: Site, relations: Relations, steps: readonly Step[]): Run {
  const ascending = [...steps].sort((a, b) => a.bytes - b.bytes)
  const drift = driftOf(site, relations)
  const orders = [ascending, steps, [...ascending].reverse(), [...steps].reverse()]
  const left: { readonly order: readonly Step[]; readonly pending: number }[] = []
  for (const order of orders) {
    const run = beginAgain(site, drift, relations, order, { left: EFFORT_TO_ORDER })
    makeAll(run)
    if (run.pending.size === 0) return run
    left.push({ order, pending: run.pending.size })
  }
  left.sort((a, b) => a.pending - b.pending)
  let best: { readonly run: Run; readonly layouts: readonly Layout[] } | undefined
  // The second one has what the first has left of it.
  const effort = { left: EFFORT_TO_PARK }
  for (const { order } of left.slice(0, MOST_DETOURS)) {
    const run = beginAgain(site, drift, relations, order, effort)
    advance(run)
    if (best === undefined || isBetter(run, best.run)) best = { run, layouts: [...site.layouts] }
  }
  const { run, layouts } = best!
  placeAll(site, layouts)
  return run
}

function beginAgain(site: Site, drift: Drift, relations: Relations, order: readonly Step[], effort: Effort): Run {
  placeAtStart(site)
  return beginRun(site, drift, relations, order, effort)
}

function placeAtStart(site: Site): void {
  placeAll(
    site,
    site.guests.map(({ start }) => start),
  )
}

function isBetter({ pending, detour }: Run, than: Run): boolean {
  if (pending.size !== than.pending.size) return pending.size < than.pending.size
  if (detour.bytes !== than.detour.bytes) return detour.bytes < than.detour.bytes
  return detour.moves < than.detour.moves
}

/** Each cell and each seat is where it was. */
function stays({ start, final }: Guest): boolean {
  return isDividedAlike(start, final) && final.cells.every((_, cell) => !isCellMoved(start, final, cell))
}

/** Goes through the steps once more, from the start, for what shared vCPUs float over at each. */
function movesOf(site: Site, made: Run['made']): Move[] {
  const ends = [...site.layouts]
  placeAtStart(site)
  const moves: Move[] = []
  let step = 1
  for (const changes of made) {
    for (const { guest, to } of changes) place(site, guest, to)
    const moved = changes.flatMap((change) => changedCells(site, change, step))
    moves.push(...moved)
    if (moved.length > 0) step++
  }
  placeAll(site, ends)
  return moves
}

function changedCells(site: Site, { guest, from, to, redivides }: Change, step: number): Move[] {
  return to.cells.flatMap((cell, at): Move[] => {
    const moved = to.seats.filter((seat, vcpu) => seat.cell === at && !isSameSeat(from.seats[vcpu]!, seat))
    const stays = isSameCell(from.cells[at], cell)
    if (moved.length === 0 && stays && !redivides) return []
    const vcpus = moved.map((seat) => {
      const { vcpu, node, dedicated } = seat
      return { vcpu, node, cpus: formatCpulist(cpusOf(site, seat)), dedicated }
    })
    return [
      {
        step,
        vm: site.guests[guest]!.vm.name,
        cell: at,
        ...(redivides ? { redivides } : {}),
        vcpus,
        pageSize: cell.pageSize,
        memory: stays ? [] : cell.memory,
        bytes: copiedBytes(from.cells[at], cell),
      },
    ]
  })
}

function cpusOf(site: Site, { node, cpus, dedicated }: Seat): readonly number[] {
  return dedicated ? cpus : sharedCpus(site, node)
}

function sharedCpus(site: Site, on: NodeId): number[] {
  return (site.onNode.get(on) ?? []).filter((cpu) => isShared(site, cpu)).map(({ id }) => id)
}
