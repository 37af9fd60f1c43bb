/** `homenode plan`: where the VMs of a request go on a host. */

import { PlanError } from '../errors.js'
import { plan as makePlan } from '../plan.js'
import type { PlanOptions } from '../planner/planner.js'
import type { Host, Request, VerifiedPlan } from '../types.js'
import { verifyPlan } from '../verify.js'
import { CommandError, EXIT } from './errors.js'
import { type HostSource, readHost } from './host-source.js'
import { inFile, nameOf, requireOneStdin } from './input.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'
import { showPlan } from './plan-view.js'
import { readRequest } from './request-source.js'

interface PlanCommandOptions extends HostSource, PlanOptions {
  readonly request: string
  readonly json?: true
  readonly color: ColorWhen
}

export async function plan(options: PlanCommandOptions): Promise<void> {
  requireOneStdin({ '-f': options.request, '--host': options.host })
  const request = await readRequest(options.request)
  const host = await readHost(options)
  const planned = await planVerified(host, request, nameOf(options.request), options)
  if (options.json) printJson(planned)
  else print(showPlan(planned, styleOf(process.stdout, options.color)))
  if (planned.refused.length > 0) process.exitCode = EXIT.unfit
}

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
