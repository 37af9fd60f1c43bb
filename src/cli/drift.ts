/** `homenode diff` and `check --drift`: what of the VMs that run here is not where a plan has it. */

import { differencesFrom } from '../../executor/apply/differences.js'
import type { Difference } from '../../executor/apply/types.js'
import { findVms } from '../../executor/found/find.js'
import type { Found } from '../../executor/found/types.js'
import type { Plan } from '../types.js'
import { showDifferences } from './applied-view.js'
import { EXIT } from './errors.js'
import { type ColorWhen, print, printJson, type Style, styleOf } from './output.js'
import { namesOf } from './running-request.js'
import { count, paragraph } from './table.js'
import { readPlanFile } from './target.js'

interface DriftOptions {
  readonly connect?: string
  readonly json?: true
  readonly color: ColorWhen
}

interface Drift {
  readonly differences: readonly Difference[]
  /** VMs that run and are not in the plan. */
  readonly beside: readonly string[]
  /** How many of the plan run. */
  readonly running: number
}

export async function diff(options: DriftOptions, file: string): Promise<void> {
  await showDrift(options, file)
}

/** The exit code says whether anything differs. */
export async function checkDrift(options: DriftOptions, file: string): Promise<void> {
  const { differences } = await showDrift(options, file)
  if (differences.length > 0) process.exitCode = EXIT.drift
}

async function showDrift({ connect, json, color }: DriftOptions, file: string): Promise<Drift> {
  const plan = await readPlanFile(file)
  const drift = driftFrom(await findVms(connect === undefined ? {} : { connect }), plan)
  const { differences, beside } = drift
  if (json) printJson({ schemaVersion: 1, kind: 'Drift', holds: differences.length === 0, differences, beside })
  else print(driftText(drift, styleOf(process.stdout, color)))
  return drift
}

function driftFrom(found: Found, plan: Plan): Drift {
  const here = new Set(namesOf(found))
  const planned = new Set(plan.vms.map(({ name }) => name))
  const ended = plan.vms.filter(({ name }) => !here.has(name))
  return {
    differences: [
      ...ended.map(({ name }) => ({ vm: name, what: 'VM', wanted: 'runs', found: 'does not run' })),
      ...differencesFrom(found, plan),
    ],
    beside: [...here].filter((name) => !planned.has(name)),
    running: plan.vms.length - ended.length,
  }
}

function driftText({ differences, beside, running }: Drift, style: Style): string {
  const { colors } = style
  const notes = beside.map((name) => paragraph(style, `${name} runs, and is not in the plan`, '  ', ''))
  const known = `${count(running, 'VM')} as planned`
  if (differences.length === 0) return [colors.green(`no difference: ${known}`), ...notes].join('\n')
  const head = colors.yellow(count(differences.length, 'difference'))
  return [`${head}\n\n${showDifferences(differences, style)}`, ...(notes.length === 0 ? [] : ['', ...notes])].join('\n')
}
