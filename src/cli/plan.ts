/** `homenode plan`: where the VMs of a request go on a host. */

import { InputError } from '../errors.js'
import { sceneOfPlan } from '../picture/of-plan.js'
import type { PlanOptions } from '../planner/planner.js'
import type { Host, Request, VerifiedPlan } from '../types.js'
import { EXIT } from './errors.js'
import { type HostSource, readHost } from './host-source.js'
import { nameOf, requireOneStdin } from './input.js'
import { showPlanMap } from './map-view.js'
import { type ColorWhen, print, printJson, type Style, styleOf } from './output.js'
import { type PictureOptions, pictures } from './picture.js'
import { planRunning, showNow } from './plan-running.js'
import { showPlan } from './plan-view.js'
import { readRequest } from './request-source.js'
import { planVerified } from './verified-plan.js'

interface PlanCommandOptions extends HostSource, PlanOptions, PictureOptions {
  /** There where `running` is not. */
  readonly request?: string
  readonly running?: true
  readonly connect?: string
  readonly policy?: string
  readonly map?: true
  readonly json?: true
  readonly color: ColorWhen
}

export async function plan(options: PlanCommandOptions): Promise<void> {
  const style = styleOf(process.stdout, options.color)
  const drawing = await pictures(options)
  const { planned, before, host, request } = await (options.running ? planHere(options, style) : planFile(options))
  await drawing.draw(() => sceneOfPlan(host, request, planned))
  if (options.json) printJson(planned)
  else if (!drawing.isOutput) {
    const shown = options.map
      ? showPlanMap(sceneOfPlan(host, request, planned), planned, style)
      : showPlan(planned, style)
    print([...before, shown].join('\n\n'))
  }
  if (planned.refused.length > 0) process.exitCode = EXIT.unfit
}

interface Planned {
  readonly planned: VerifiedPlan
  readonly host: Host
  readonly request: Request
  /** Paragraphs. */
  readonly before: readonly string[]
}

async function planFile(options: PlanCommandOptions): Promise<Planned> {
  const file = options.request!
  for (const option of ['connect', 'policy'] as const) {
    if (options[option] !== undefined) throw new InputError(`--${option}`, '--running, too', `--${option} alone`)
  }
  requireOneStdin({ '-f': file, '--host': options.host, '--measured': options.measured })
  const request = await readRequest(file)
  const host = await readHost(options)
  return { planned: await planVerified(host, request, nameOf(file), options), host, request, before: [] }
}

async function planHere(options: PlanCommandOptions, style: Style): Promise<Planned> {
  requireOneStdin({ '-f': options.request, '--policy': options.policy, '--measured': options.measured })
  const here = await planRunning(options)
  return { planned: here.plan, host: here.asked.host, request: here.request, before: [showNow(here, style)] }
}
