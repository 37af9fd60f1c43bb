/** What a round comes to, and how it is told: one record, with its figures. */

import type { VerifiedPlan } from '../../src/types.js'
import type { Choice } from './choose.js'
import { percentileOf } from './demand.js'
import { type Candidate, type Pricing, priceOf, round as rounded } from './pricing.js'
import type { Settings } from './settings.js'
import type { Decision, Figures, Proposal, Reason, Round, SituatedVm, Situation, VmRecord, VmState } from './types.js'
import { bytes } from './words.js'

export interface Verdict {
  readonly decision: Decision
  readonly reason: Reason
  readonly why: string
  /** Absent: nothing was priced. */
  readonly pricing?: Pricing
  /** What was looked at in the end. */
  readonly choice?: Choice
  /** With `act`. */
  readonly plan?: VerifiedPlan
  /** VMs that would move if they were let. */
  readonly wanted?: readonly string[]
  readonly held?: number
  readonly until?: number
  readonly undoes?: string
  readonly records?: readonly VmRecord[]
}

/** Why a VM that a plan has elsewhere stays, whatever its move would bring. */
export type Refusals = ReadonlyMap<string, { readonly reason: Reason; readonly why: string }>

/** What is known besides the situation. */
export interface Known {
  readonly settings: Settings
  /** By key. */
  readonly vms: ReadonlyMap<string, VmState>
  readonly pressure: Figures['pressure']
  readonly delay: number | null
}

export function told({ at, vms }: Situation, verdict: Verdict, number: number, known: Known): Round {
  const { decision, reason, why, pricing, choice, plan, records = [], undoes = null } = verdict
  const { horizon, margin, patience } = known.settings
  const keyOf = new Map(vms.map(({ name, key }) => [name, key]))
  const moves = decision === 'act' || decision === 'wait' ? choice!.members : []
  const after = plan?.cost ?? choice?.after
  const sum = (field: 'bytes' | 'pinned') => moves.reduce((total, move) => total + move[field], 0)
  return {
    schemaVersion: 1,
    kind: 'BalanceRound',
    round: number,
    at,
    decision,
    reason,
    why,
    now: pricing === undefined ? null : priceOf(pricing.now),
    planned: after === undefined ? null : priceOf(after),
    figures: {
      gain: choice === undefined ? null : rounded(choice.gain),
      price: choice === undefined ? null : rounded(choice.price),
      horizon,
      margin,
      held: verdict.held ?? 0,
      patience,
      bytes: sum('bytes'),
      pinned: sum('pinned'),
      pressure: known.pressure,
      delay: known.delay === null ? null : rounded(known.delay),
      until: verdict.until ?? null,
    },
    moves: moves.map(({ name, price: _, ...move }) => ({ vm: name, key: keyOf.get(name)!, ...move })),
    vms: records,
    undoes,
  }
}

/** VMs that may not move. */
export function resting({ vms }: Situation, known: Known): VmRecord[] {
  return vms.flatMap((vm) => (vm.mayNot === null ? [] : [recordOf(vm, known, 'rest', vm.mayNot, null)]))
}

export interface Weighed {
  readonly pricing: Pricing
  readonly candidates: readonly Candidate[]
  readonly refusals: Refusals
  readonly kept: Proposal['kept']
}

/** VMs that move, that would, and that may not. */
export function recordsOf(
  { vms }: Situation,
  { pricing, candidates, refusals, kept }: Weighed,
  known: Known,
  moving: readonly Candidate[],
): VmRecord[] {
  const lostOf = new Map(pricing.now.vms.map(({ name, cost }) => [name, cost.lostVcpus]))
  const wanted = new Map(candidates.map((candidate) => [candidate.name, candidate]))
  const left = new Map(kept.map(({ name, why }) => [name, why]))
  const going = new Set(moving.map(({ name }) => name))
  return vms.flatMap((vm): VmRecord[] => {
    const record = (decision: VmRecord['decision'], why: string) => [
      recordOf(vm, known, decision, why, lostOf.get(vm.name) ?? null),
    ]
    const candidate = wanted.get(vm.name)
    const why = refusals.get(vm.name)?.why ?? vm.mayNot ?? left.get(vm.name)
    if (candidate === undefined) return why === undefined ? [] : record('rest', why)
    const way = `from nodes ${candidate.from} to ${candidate.to}, ${bytes(candidate.bytes)} copied`
    if (going.has(vm.name)) return record('move', way)
    return record('stay', why ?? `${way}: this does not pay, or others come first`)
  })
}

function recordOf(
  { key, name }: SituatedVm,
  { vms, settings }: Known,
  decision: VmRecord['decision'],
  why: string,
  lostVcpus: number | null,
): VmRecord {
  const state = vms.get(key)
  const demand = state === undefined ? null : percentileOf(state, settings.percentile)
  return { vm: name, key, demand: demand === null ? null : rounded(demand), lostVcpus, decision, why }
}
