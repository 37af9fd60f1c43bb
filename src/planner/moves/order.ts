/** An order of steps: all that can go goes; where none can, some wait elsewhere. */

import type { CpuId } from '../../types.js'
import { type Effort, isSpent, spend, spendOnLooks } from './effort.js'
import { bytesOf, copiedBytes, isSameSeat } from './layout.js'
import { placesFor, type Wishes } from './parking.js'
import { type Blocker, type Change, type Drift, type Obstacle, obstacleTo, type Relations } from './rules.js'
import { holdersOf, place, type Site } from './site.js'
import { changesOf, type Step } from './steps.js'

export interface Run {
  readonly site: Site
  readonly drift: Drift
  readonly relations: Relations
  /** In the order in which they are tried. */
  readonly pending: Set<Step>
  /** The CPU that kept a step from being made when it was last tried. */
  readonly keptBy: Map<Step, CpuId>
  readonly effort: Effort
  /** The steps of each guest, and the one that ends on each CPU. */
  readonly ofGuest: ReadonlyMap<number, readonly Step[]>
  readonly ofCpu: ReadonlyMap<CpuId, Step>
  /** The steps that were made, parking among them. */
  readonly made: (readonly Change[])[]
  /** Bytes that parking copied, and how many moves it took. */
  readonly detour: { bytes: number; moves: number }
}

/** More than these are not weighed against each other. */
const WEIGHED = 64

/** @param site with every guest at its start */
export function beginRun(site: Site, drift: Drift, relations: Relations, steps: readonly Step[], effort: Effort): Run {
  const ofGuest = new Map<number, Step[]>()
  const ofCpu = new Map<CpuId, Step>()
  for (const step of steps) {
    for (const { guest, cells } of step.parts) {
      ofGuest.set(guest, [...(ofGuest.get(guest) ?? []), step])
      for (const { cell, cpus } of site.guests[guest]!.final.seats) {
        if (cells.has(cell)) for (const cpu of cpus) ofCpu.set(cpu, step)
      }
    }
  }
  return {
    site,
    drift,
    relations,
    pending: new Set(steps),
    keptBy: new Map(),
    effort,
    ofGuest,
    ofCpu,
    made: [],
    detour: { bytes: 0, moves: 0 },
  }
}

/** Makes steps until none is left or none can be made. */
export function advance(run: Run): void {
  do makeAll(run)
  while (run.pending.size > 0 && !isSpent(run.effort) && unblockCheapest(run))
}

/** Makes every step that can be made without parking. */
export function makeAll(run: Run): void {
  for (let before = -1; before !== run.pending.size; ) {
    before = run.pending.size
    for (const step of run.pending) {
      if (isSpent(run.effort)) return
      if (!isBarred(run, step) && make(run, step) === undefined) run.pending.delete(step)
    }
  }
}

/** Whether a VM that does not move with the step is on a CPU that the step takes. This is quick to see, and the most frequent obstacle. */
function isBarred({ site, keptBy }: Run, step: Step): boolean {
  const { parts } = step
  const isTaken = (cpu: CpuId) =>
    holdersOf(site, cpu).some((other) => parts.every(({ guest }) => guest !== other.guest))
  const known = keptBy.get(step)
  if (known !== undefined && isTaken(known)) return true
  for (const { guest, cells } of parts) {
    const now = site.layouts[guest]!.seats
    for (const [at, seat] of site.guests[guest]!.final.seats.entries()) {
      if (!cells.has(seat.cell) || isSameSeat(now[at]!, seat)) continue
      const taken = seat.cpus.find(isTaken)
      if (taken === undefined) continue
      keptBy.set(step, taken)
      return true
    }
  }
  keptBy.delete(step)
  return false
}

/** Makes the step, or says what is in its way. */
function make(run: Run, step: Step): Obstacle | undefined {
  return attempt(run, changesOf(run.site, step))
}

function attempt(run: Run, changes: readonly Change[]): Obstacle | undefined {
  spend(run.effort, changes)
  for (const { guest, to } of changes) place(run.site, guest, to)
  const obstacle = obstacleTo(run.site, run.drift, run.relations, changes)
  if (obstacle === undefined) run.made.push(changes)
  else for (const { guest, from } of changes) place(run.site, guest, from)
  return obstacle
}

export function undoTo(run: Run, length: number): void {
  while (run.made.length > length) {
    for (const { guest, from } of run.made.pop()!) place(run.site, guest, from)
  }
}

/** Parks what is in the way of the step for which that copies the least, and makes it. */
function unblockCheapest(run: Run): boolean {
  const begin = run.made.length
  let best: { step: Step; away: boolean; cost: readonly [number, number] } | undefined
  for (const step of [...run.pending].slice(0, WEIGHED)) {
    for (const away of [false, true]) {
      if (isSpent(run.effort)) break
      if (!unblock(run, step, away)) continue
      const cost = costOf(run.made.slice(begin, -1))
      undoTo(run, begin)
      if (best === undefined || cost[0] < best.cost[0] || (cost[0] === best.cost[0] && cost[1] < best.cost[1])) {
        best = { step, away, cost }
      }
      break
    }
    // Nothing is cheaper than one move without a copy.
    if (best !== undefined && best.cost[0] === 0 && best.cost[1] === 1) break
  }
  if (best === undefined) return false
  if (!unblock(run, best.step, best.away)) return false
  run.pending.delete(best.step)
  run.detour.bytes += best.cost[0]
  run.detour.moves += best.cost[1]
  return true
}

function costOf(parking: Run['made']): readonly [bytes: number, moves: number] {
  let bytes = 0
  for (const { from, to } of parking.flat()) {
    for (const [at, cell] of to.cells.entries()) bytes += copiedBytes(from.cells[at], cell)
  }
  return [bytes, parking.length]
}

/**
 * Parks what is in the way, each cell once, and makes the step; if that fails nothing has changed.
 * @param help is asked where nothing can be parked; true: something has changed, try again
 */
export function unblock(run: Run, step: Step, away: boolean, help?: (obstacle: Obstacle) => boolean): boolean {
  const begin = run.made.length
  const parked = new Set<string>()
  const keyOf = ({ guest, cell }: Blocker) => `${guest} ${cell}`
  const avoid = (cpu: CpuId) => run.ofCpu.get(cpu) === step
  const wanted = (cpu: CpuId) => run.pending.has(run.ofCpu.get(cpu)!)
  for (;;) {
    const obstacle = make(run, step)
    if (obstacle === undefined) return true
    const blockers = obstacle.blockers()
    spendOnLooks(run.effort, blockers.length)
    const candidates = blockers.filter((blocker) => {
      const owner = ownerOf(run, blocker)
      return owner !== undefined && owner !== step && !parked.has(keyOf(blocker))
    })
    // A change to other CPUs of the same node frees CPUs only.
    const wish = { avoid, wanted, away: away || obstacle.constraint !== 'cpu-exclusive', effort: run.effort }
    const one = isSpent(run.effort)
      ? undefined
      : choose(run.site, obstacle, candidates).find((blocker) => park(run, blocker, wish))
    if (one !== undefined) parked.add(keyOf(one))
    else if (isSpent(run.effort) || !help?.(obstacle)) {
      undoTo(run, begin)
      return false
    }
  }
}

/** In the order in which to try them: the smallest that makes enough room, then the others, the largest first. */
function choose(site: Site, { bytes, pageSize, node }: Obstacle, blockers: readonly Blocker[]): Blocker[] {
  const sized = blockers.map((blocker) => {
    const cell = site.layouts[blocker.guest]!.cells[blocker.cell]!
    const there = cell.memory.find((part) => part.node === node)?.bytes ?? 0
    return { blocker, size: bytesOf(cell), enough: bytes === 0 || (cell.pageSize === pageSize && there >= bytes) }
  })
  sized.sort((a, b) => Number(b.enough) - Number(a.enough) || (a.enough ? a.size - b.size : b.size - a.size))
  return sized.map(({ blocker }) => blocker)
}

function park(run: Run, blocker: Blocker, wishes: Wishes): boolean {
  for (const change of placesFor(run.site, blocker, wishes)) {
    if (isSpent(run.effort)) return false
    if (attempt(run, [change]) === undefined) return true
  }
  return false
}

/** The step that a cell is waiting for. */
function ownerOf({ ofGuest, pending }: Run, { guest, cell }: Blocker): Step | undefined {
  return ofGuest.get(guest)?.find((step) => {
    const isOf = step.parts.some((part) => part.guest === guest && (part.redivides || part.cells.has(cell)))
    return isOf && pending.has(step)
  })
}
