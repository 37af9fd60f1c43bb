/** A plan that can be relied on. */

import { PlanError } from '../errors.js'
import { plan as makePlan } from '../plan.js'
import type { PlanOptions } from '../planner/planner.js'
import type { Host, Request, VerifiedPlan } from '../types.js'
import { verifyPlan } from '../verify.js'
import { CommandError, EXIT } from './errors.js'
import { inFile } from './input.js'

/**
 * The planner's answer once the verifier has agreed to it.
 * @param name of the request's file, for messages
 * @throws {CommandError} where the verifier does not agree: a defect of the planner
 */
export async function planVerified(
  host: Host,
  request: Request,
  name: string,
  { steps, seed }: PlanOptions = {},
): Promise<VerifiedPlan> {
  const options = { ...(steps === undefined ? {} : { steps }), ...(seed === undefined ? {} : { seed }) }
  const candidate = await inFile(name, () => makePlan(host, request, options))
  try {
    return verifyPlan(host, request, candidate)
  } catch (error) {
    if (!(error instanceof PlanError)) throw error
    throw new CommandError(`the planner made a plan that does not pass the verifier: ${error.message}`, EXIT.failed)
  }
}
