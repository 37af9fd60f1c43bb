/** Of a plan the part that is worth its moves, within what may be moved at a time. */

import type { PlanVm, Request } from '../../src/types.js'
import type { AsIsCost } from '../../src/verify.js'
import type { Candidate, Pricing } from './pricing.js'
import type { Settings } from './settings.js'

/** VMs that move together, or not at all: those that are near each other. */
export interface Unit {
  readonly members: readonly Candidate[]
  readonly bytes: number
  readonly price: number
}

/** VMs to be moved, and what that brings. */
export interface Choice {
  readonly members: readonly Candidate[]
  readonly after: AsIsCost
  /** Lost vCPUs that are saved. */
  readonly gain: number
  /** vCPU seconds. */
  readonly price: number
  readonly bytes: number
}

export interface Choosing {
  readonly pricing: Pricing
  readonly planned: readonly PlanVm[]
  readonly settings: Settings
}

/**
 * Of VMs that may move those whose moves are worth it, each beside the others, however many there are; what brings the most comes first.
 * Empty where none is.
 */
export function worthMoving(choosing: Choosing, candidates: readonly Candidate[], request: Request): readonly Unit[] {
  const { now } = choosing.pricing
  const { horizon, margin } = choosing.settings
  const lostNow = new Map(now.vms.map(({ name, cost }) => [name, cost.lostVcpus]))
  /** What its members lose now: more than that a unit gains only where CPUs or memory are short. */
  const hope = ({ members, price }: Unit) =>
    members.reduce((sum, { name }) => sum + (lostNow.get(name) ?? 0), 0) * horizon - price * margin
  const isShort = now.terms.overcommit > 0 || now.terms.bandwidth > 0 || now.terms.smt > 0
  const units = unitsOf(candidates, request)
    .filter((unit) => isShort || hope(unit) > 0)
    .sort((a, b) => hope(b) - hope(a))
  const kept: { readonly unit: Unit; readonly brings: number }[] = []
  let value = 0
  const bringOf = (some: readonly Unit[]) => worth(priced(choosing, some), choosing.settings)
  for (const unit of units) {
    const more = bringOf([...kept.map((one) => one.unit), unit])
    if (more <= value) continue
    kept.push({ unit, brings: more - value })
    value = more
  }
  const ranked = kept.sort((a, b) => b.brings - a.brings).map(({ unit }) => unit)
  if (ranked.length === units.length || bringOf(units) <= value) return ranked
  // Exchanges: neither of two brings anything alone.
  return shrunk(units, ranked, bringOf)
}

/** Without each unit, the last first, that brings nothing beside the others. */
function shrunk(
  units: readonly Unit[],
  ranked: readonly Unit[],
  bringOf: (units: readonly Unit[]) => number,
): readonly Unit[] {
  let kept = [...ranked, ...units.filter((unit) => !ranked.includes(unit))]
  for (const unit of [...kept].reverse()) {
    const fewer = kept.filter((other) => other !== unit)
    if (bringOf(fewer) >= bringOf(kept)) kept = fewer
  }
  return kept
}

/** The first that may be moved at a time. */
export function withinCaps(units: readonly Unit[], { movesPerRound, bytesPerRound }: Settings): readonly Unit[] {
  const kept: Unit[] = []
  let [moves, copied] = [0, 0]
  for (const unit of units) {
    const { members, bytes } = unit
    if (moves + members.length > movesPerRound || copied + bytes > bytesPerRound) continue
    kept.push(unit)
    moves += members.length
    copied += bytes
  }
  return kept
}

/** The gain of a choice over the horizon is above its price, with the margin, and no trifle. */
export function pays({ gain, price }: Choice, { horizon, margin, leastGain }: Settings): boolean {
  return gain >= leastGain && gain * horizon > price * margin
}

/** In vCPU seconds. */
function worth({ gain, price }: Choice, { horizon, margin }: Settings): number {
  return gain * horizon - price * margin
}

export function priced(
  { pricing, planned }: Omit<Choosing, 'settings'>,
  units: readonly Pick<Unit, 'members'>[],
): Choice {
  const members = units.flatMap((unit) => unit.members)
  const names = new Set(members.map(({ name }) => name))
  const after = pricing.after(planned.filter(({ name }) => names.has(name)))
  const sum = (field: 'bytes' | 'price') => members.reduce((total, member) => total + member[field], 0)
  return {
    members,
    after,
    gain: pricing.now.lostVcpus - after.lostVcpus,
    price: sum('price'),
    bytes: sum('bytes'),
  }
}

function unitsOf(candidates: readonly Candidate[], { vms }: Request): Unit[] {
  const near = new Map(vms.map((vm) => [vm.name, new Set(vm.near)]))
  for (const vm of vms) for (const other of vm.near) near.get(other)?.add(vm.name)
  const left = new Map(candidates.map((candidate) => [candidate.name, candidate]))
  return candidates.flatMap((first) => {
    if (!left.has(first.name)) return []
    const reached = new Set([first.name])
    for (const name of reached) for (const other of near.get(name) ?? []) reached.add(other)
    const members = candidates.filter(({ name }) => reached.has(name))
    for (const { name } of members) left.delete(name)
    const sum = (field: 'bytes' | 'price') => members.reduce((total, member) => total + member[field], 0)
    return [{ members, bytes: sum('bytes'), price: sum('price') }]
  })
}
