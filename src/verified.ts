/**
 * The mark of a verified plan. The executor asks `isVerified`; only verify.ts calls `sealPlan`. The mark is the object's
 * identity, so that neither a copy nor a plan from a file has it.
 */

import { freezeDeep } from './freeze.js'
import type { Plan, VerifiedPlan } from './types.js'

const sealed = new WeakSet<object>()

/** A deeply frozen copy of `plan` that `isVerified` knows. */
export function sealPlan(plan: Plan): VerifiedPlan {
  const copy = freezeDeep(structuredClone(plan)) as VerifiedPlan
  sealed.add(copy)
  return copy
}

/** Whether `verifyPlan` returned this very object. */
export function isVerified(value: unknown): value is VerifiedPlan {
  return typeof value === 'object' && value !== null && sealed.has(value)
}
