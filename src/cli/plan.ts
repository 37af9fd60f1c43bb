/** `homenode plan`: where the VMs of a request go on a host. */

import { InputError } from '../errors.js'
import type { PlanOptions } from '../planner/planner.js'
import type { VerifiedPlan } from '../types.js'
import { EXIT } from './errors.js'
import { type HostSource, readHost } from './host-source.js'
import { nameOf, requireOneStdin } from './input.js'
import { type ColorWhen, print, printJson, type Style, styleOf } from './output.js'
import { planRunning, showNow } from './plan-running.js'
import { showPlan } from './plan-view.js'
import { readRequest } from './request-source.js'
import { planVerified } from './verified-plan.js'

interface PlanCommandOptions extends HostSource, PlanOptions {
  /** There where `running` is not. */
  readonly request?: string
  readonly running?: true
  readonly connect?: string
  readonly policy?: string
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
  for (const option of ['connect', 'policy'] as const) {
    if (options[option] !== undefined) throw new InputError(`--${option}`, '--running, too', `--${option} alone`)
  }
  requireOneStdin({ '-f': file, '--host': options.host })
  const request = await readRequest(file)
  const host = await readHost(options)
  return { planned: await planVerified(host, request, nameOf(file), options), before: [] }
}

async function planHere(options: PlanCommandOptions, style: Style): Promise<Planned> {
  requireOneStdin({ '-f': options.request, '--policy': options.policy })
  const here = await planRunning(options)
  return { planned: here.plan, before: [showNow(here, style)] }
}
