/** Host + request in the form of a file -> candidate Plan. */

import { requireHost, requireObject } from './checks.js'
import { Planner, type PlanOptions } from './planner/planner.js'
import { parseRequest } from './request.js'
import type { Host, Plan } from './types.js'

/**
 * Decides where the request's vCPUs and memory go. The plan is a candidate: `verifyPlan` checks it and makes it one that
 * the executor takes.
 * @param request the content of a request file, or what `parseRequest` made of it
 * @throws {InputError} where the request is not valid or does not go with the host
 */
export async function plan(host: Host, request: unknown, options: PlanOptions = {}): Promise<Plan> {
  requireHost(host)
  requireObject('options', options)
  const parsed = parseRequest(request)
  const planner = await Planner.load()
  return planner.plan(host, parsed, options)
}
