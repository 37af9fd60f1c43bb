/** Whether any part of a plan pays now, and may be made. */

import { PlanError } from '../../src/errors.js'
import { partOf, placesOf } from '../../src/planner/part.js'
import type { Plan, VerifiedPlan } from '../../src/types.js'
import { verifyPart } from '../../src/verify.js'
import { type Choice, type Choosing, pays, priced, withinCaps, worthMoving } from './choose.js'
import { knownOf } from './demand.js'
import { type Candidate, candidatesOf, type Pricing } from './pricing.js'
import type { Proposal, Reason, Situation } from './types.js'
import { type Known, type Refusals, recordsOf, type Verdict } from './verdict.js'
import { bytes, count, duration, lost, percent, vcpuSeconds } from './words.js'

const MS = 1000
/** Parts that the verifier does not take before none is looked for any more. */
const MOST_CHECKS = 4

export function weigh(situation: Situation, pricing: Pricing, { plan, kept }: Proposal, known: Known): Verdict {
  const { host, request } = situation
  const { settings } = known
  const planned = placesOf(host, request, plan, new Set(plan.vms.map(({ name }) => name)))
  const candidates = candidatesOf(situation, planned)
  const refusals = refusalsOf(situation, candidates, known)
  const choosing: Choosing = { pricing, planned, settings }
  const recorded = (moving: readonly Candidate[]) =>
    recordsOf(situation, { pricing, candidates, refusals, kept }, known, moving)

  const free = candidates.filter(({ name }) => !refusals.has(name))
  const units = worthMoving(choosing, free, request)
  const whole = priced(choosing, units)
  if (!pays(whole, settings)) {
    return {
      decision: 'stay',
      ...whyNothing(choosing, candidates, refusals, whole),
      pricing,
      choice: whole,
      records: recorded([]),
    }
  }
  const wanted = whole.members.map(({ name }) => name)
  const states = new Map([...known.vms.values()].map((vm) => [vm.name, vm]))
  const heldFor = ({ members }: Pick<Choice, 'members'>) =>
    Math.min(...members.map(({ name }) => (states.get(name)?.held ?? 0) + 1))
  const ripe = units.filter((unit) => heldFor(unit) >= settings.patience)
  const choice = priced(choosing, withinCaps(ripe.length === 0 ? units : ripe, settings))
  const so = { pricing, choice, wanted }
  const held = choice.members.length === 0 ? heldFor(whole) : heldFor(choice)
  if (!pays(choice, settings) && ripe.length === units.length) {
    const why = `${tell(whole)}, by moving ${count(wanted.length, 'VM')}: no part of this that may be moved at a time pays`
    return { ...so, decision: 'stay', reason: 'caps', why, choice: whole, held, records: recorded([]) }
  }
  if (!pays(choice, settings) || ripe.length === 0) {
    const why = `${tell(choice)}: this has paid in ${held} of ${settings.patience} rounds`
    return { ...so, decision: 'wait', reason: 'patience', why, held, records: recorded(choice.members) }
  }
  const pressed = pressedBy(pricing, choice, known)
  if (pressed !== null)
    return { ...so, decision: 'back-off', reason: 'pressure', why: pressed, held, records: recorded([]) }
  const checked = checkedPart(situation, choosing, choice, plan)
  if ('why' in checked) {
    return { ...so, decision: 'stay', reason: 'check', why: checked.why, held, records: recorded([]) }
  }
  const why = `${tell(checked.choice)}: ${count(checked.choice.members.length, 'VM')} to move`
  return { ...so, decision: 'act', reason: 'pays', why, ...checked, held, records: recorded(checked.choice.members) }
}

function tell({ gain, price, bytes: copied }: Choice): string {
  return `${lost(gain)} less, for ${vcpuSeconds(price)} and ${bytes(copied)} copied`
}

/** VMs that policy, their last move or what is not known of them keeps where they are. */
function refusalsOf({ at, vms }: Situation, candidates: readonly Candidate[], known: Known): Refusals {
  const { leastKnown } = known.settings
  const situated = new Map(vms.map((vm) => [vm.name, vm]))
  const refusalOf = ({ name, bytes: copied }: Candidate): { reason: Reason; why: string } | null => {
    const { key, mayNot, maxBytes } = situated.get(name)!
    if (mayNot !== null) return { reason: 'policy', why: mayNot }
    if (maxBytes !== null && copied > maxBytes) {
      return { reason: 'policy', why: `${bytes(copied)} would be copied, ${bytes(maxBytes)} may be` }
    }
    const state = known.vms.get(key)
    const measured = knownOf(state?.parts ?? [])
    if (measured < leastKnown * MS) {
      return { reason: 'unknown', why: `what it does is known for ${duration(measured)}, less than ${leastKnown} s` }
    }
    const until = state?.restsUntil ?? null
    if (until === null || at >= until) return null
    return { reason: 'resting', why: `it was moved, and rests for ${duration(until - at)} more` }
  }
  const refused = candidates.map((candidate) => [candidate.name, refusalOf(candidate)] as const)
  return new Map(refused.flatMap(([name, refusal]) => (refusal === null ? [] : [[name, refusal]])))
}

/** @param best what comes nearest to paying among those that may move */
function whyNothing(
  choosing: Choosing,
  candidates: readonly Candidate[],
  refusals: Refusals,
  best: Choice,
): { readonly reason: Reason; readonly why: string } {
  const { pricing, settings } = choosing
  const { horizon, leastGain, margin } = settings
  if (candidates.length === 0) {
    return { reason: 'even', why: `${lost(pricing.now.lostVcpus)}, and no better plan was found` }
  }
  const barred = candidates.filter(({ name }) => refusals.has(name))
  if (barred.length > 0 && pays(priced(choosing, [{ members: barred }]), settings)) {
    const [{ name }] = barred as [Candidate]
    const { reason, why } = refusals.get(name)!
    return { reason, why: `${count(barred.length, 'VM')} would move, and may not; ${name}: ${why}` }
  }
  const { gain, price } = best.members.length > 0 ? best : priced(choosing, [{ members: candidates }])
  if (gain < leastGain) {
    return { reason: 'small', why: `${lost(Math.max(0, gain))} less at best: less than the least gain, ${leastGain}` }
  }
  const why = `${lost(gain)} less would be ${vcpuSeconds(gain * horizon)} over ${horizon} s, moving costs ${vcpuSeconds(price)}, and ${margin} times that is asked for`
  return { reason: 'price', why }
}

/** Busy CPUs are no reason against moves that make room on them. */
function pressedBy({ now }: Pricing, { after, gain }: Choice, { settings, pressure }: Known): string | null {
  const relief = now.terms.overcommit - after.terms.overcommit
  if (pressure.cpu === null || pressure.cpu <= settings.cpuPressure || relief > gain / 2) return null
  return `tasks wait for CPUs ${percent(pressure.cpu)} of the time, more than ${percent(settings.cpuPressure)}, and these moves are not to relieve them`
}

/** Without those that the verifier names, for as long as the rest pays. */
function checkedPart(
  { host, request, residents }: Situation,
  choosing: Choosing,
  choice: Choice,
  plan: Plan,
): { readonly choice: Choice; readonly plan: VerifiedPlan } | { readonly why: string } {
  let left = choice
  let why = ''
  for (let tries = 0; tries < MOST_CHECKS && pays(left, choosing.settings); tries++) {
    const part = partOf(host, request, plan, new Set(left.members.map(({ name }) => name)))
    try {
      return { choice: left, plan: verifyPart(host, request, part, residents) }
    } catch (error) {
      if (!(error instanceof PlanError)) throw error
      why = `the moves do not go together: ${error.findings[0]!.text}`
      const named = new Set(error.findings.map(({ vm }) => vm))
      const rest = left.members.filter(({ name }) => !named.has(name))
      const fewer = rest.length < left.members.length ? rest : left.members.slice(0, -1)
      left = priced(choosing, [{ members: fewer }])
    }
  }
  return { why }
}
