/** `homenode plan`: where the VMs of a request go on a host. */

import { InputError, PlanError } from '../errors.js'
import { plan as makePlan } from '../plan.js'
import type { PlanOptions } from '../planner/planner.js'
import type { Host, Request, VerifiedPlan } from '../types.js'
import { verifyPlan } from '../verify.js'
import { CommandError, EXIT } from './errors.js'
import { type HostSource, readHost } from './host-source.js'
import { inFile, nameOf, requireOneStdin } from './input.js'
import { type ColorWhen, print, printJson, type Style, styleOf } from './output.js'
import { askForRunning, showNow } from './plan-running.js'
import { showPlan } from './plan-view.js'
import { readRequest } from './request-source.js'
import { hereName } from './running-request.js'

interface PlanCommandOptions extends HostSource, PlanOptions {
  /** There where `running` is not. */
  readonly request?: string
  readonly running?: true
  readonly connect?: string
  readonly json?: true
  readonly color: ColorWhen
}

export async function plan(options: PlanCommandOptions): Promise<void> {
  const style = styleOf(process.stdout, options.color)
  const { planned, before } = await (options.running ? planHere(options, style) : planFile(options))
  if (options.json) printJson(planned)
  else print([...before, showPlan(planned, style)].join('\n\n'))
  if (planned.refused.length > 0) process.exitCode = EXIT.unfit
}

interface Planned {
  readonly planned: VerifiedPlan
  /** Paragraphs. */
  readonly before: readonly string[]
}

async function planFile(options: PlanCommandOptions): Promise<Planned> {
  const file = options.request!
  if (options.connect !== undefined) throw new InputError('--connect', '--running, too', '--connect alone')
  requireOneStdin({ '-f': file, '--host': options.host })
  const request = await readRequest(file)
  const host = await readHost(options)
  return { planned: await planVerified(host, request, nameOf(file), options), before: [] }
}

async function planHere(options: PlanCommandOptions, style: Style): Promise<Planned> {
  const here = await askForRunning(options)
  const planned = await planVerified(here.asked.host, here.request, hereName(options), options)
  return { planned, before: [showNow(here, style)] }
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
