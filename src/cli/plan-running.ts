/** `homenode plan --running`: where the VMs that run here should go. */

import { planWithin } from '../../executor/policy/planning.js'
import { NO_RULES } from '../../executor/policy/policy.js'
import type { Ruling } from '../../executor/policy/rulings.js'
import { Wishes } from '../../executor/policy/wishes.js'
import type { PlanOptions } from '../planner/planner.js'
import { parseRequest } from '../request.js'
import type { VerifiedPlan } from '../types.js'
import { costAsIs } from '../verify.js'
import { inFile } from './input.js'
import { countLost } from './numbers.js'
import type { Style } from './output.js'
import { readPolicy } from './policy-source.js'
import {
  type Asked,
  countRunning,
  type Here,
  hereName,
  leftText,
  lookHere,
  note,
  nothingToPlan,
  type RunningSource,
  readWishes,
} from './running-request.js'
import { paragraph } from './table.js'
import { planVerified } from './verified-plan.js'

export interface PlannedHere extends Asked {
  readonly plan: VerifiedPlan
}

/**
 * A plan for what runs here, with the wishes of the file, within the rules of the policy. What is left out of it, and what it
 * cannot do, is said on standard error.
 * @throws {InputError} with the name of the file
 * @throws {CommandError} where there is nothing to plan
 */
export async function planRunning(source: RunningSource & PlanOptions): Promise<PlannedHere> {
  const wishes = await readWishes(source)
  const policy = source.policy === undefined ? NO_RULES : await readPolicy(source.policy)
  const { found, host } = await lookHere(source)
  const name = hereName(source)
  const { asked, planned, kept, notes } = await inFile(name, () =>
    planWithin(found.vms, host, { policy, at: new Date(), wishes }, (one) =>
      planVerified(one.host, parseRequest(one.request), name, source),
    ),
  )
  const keptTexts = kept.map((vm) => `${vm.name}: ${vm.why}`)
  if (planned === null) throw nothingToPlan(found, [...leftText(asked.left), ...keptTexts])
  note([...leftText(asked.left), ...keptTexts].map((text) => `left as it is: ${text}`))
  note(notes)
  return { found, host, asked, request: parseRequest(asked.request), plan: planned }
}

/** The wishes of the file with those of the rules, for a plan that is there already; and what else the rules say. */
export async function wishesWithin(
  { found, host }: Here,
  source: RunningSource,
): Promise<{ readonly wishes: unknown; readonly rulings: readonly Ruling[] }> {
  const wishes = await readWishes(source)
  if (source.policy === undefined) return { wishes, rulings: [] }
  const policy = await readPolicy(source.policy)
  return inFile(hereName(source), () => {
    const within = new Wishes(found.vms, host, { policy, at: new Date(), wishes })
    return { wishes: within.content().content, rulings: within.rulings }
  })
}

/** What it loses where it is. */
export function showNow({ asked, request }: Asked, style: Style): string {
  if (asked.running.length === 0) return 'no VM runs here'
  const now = costAsIs(asked.host, request, asked.running)
  const where = asked.running.length === 1 ? 'it is' : 'they are'
  return paragraph(style, `${countRunning({ asked })}, with ${countLost(now.lostVcpus)} where ${where}`)
}
