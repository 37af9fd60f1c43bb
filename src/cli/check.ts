/** `homenode check`: whether a plan holds. */

import { type Finding, InputError } from '../errors.js'
import { sceneOfPlan } from '../picture/of-plan.js'
import type { Scene } from '../picture/scene.js'
import type { Plan } from '../types.js'
import { checkPlan } from '../verify.js'
import { CommandError, EXIT } from './errors.js'
import { showFindings } from './findings-view.js'
import { type HostSource, readHost } from './host-source.js'
import { inFile, nameOf, readJson, requireOneStdin } from './input.js'
import { countLost, formatCost } from './numbers.js'
import { type ColorWhen, print, printJson, type Style, styleOf } from './output.js'
import { type PictureOptions, pictures } from './picture.js'
import { readRequest } from './request-source.js'
import { count, paragraph } from './table.js'

interface CheckOptions extends HostSource, PictureOptions {
  /** There where `drift` is not. */
  readonly request?: string
  readonly drift?: true
  readonly connect?: string
  readonly json?: true
  readonly color: ColorWhen
}

export async function check(options: CheckOptions, file: string): Promise<void> {
  if (options.drift) {
    const { checkDrift } = await import('./drift.js')
    return checkDrift(options, file)
  }
  if (options.connect !== undefined) throw new InputError('--connect', '--drift, too', '--connect alone')
  const drawing = await pictures(options)
  const requestFile = options.request!
  requireOneStdin({ PLAN: file, '-f': requestFile, '--host': options.host, '--measured': options.measured })
  const candidate = await readJson(file)
  const request = await readRequest(requestFile)
  const host = await readHost(options)
  const findings = await inFile(nameOf(requestFile), () => checkPlan(host, request, candidate))
  const malformed = findings.find(({ constraint }) => constraint === 'format')
  if (malformed !== undefined) throw new CommandError(`${nameOf(file)}: ${malformed.text}`, EXIT.usage)
  const holds = findings.length === 0
  await drawing.draw(() => checkedScene(sceneOfPlan(host, request, candidate as Plan), findings))
  if (options.json) printJson({ schemaVersion: 1, kind: 'CheckReport', holds, findings })
  else if (!drawing.isOutput) print(showCheck(candidate as Plan, findings, styleOf(process.stdout, options.color)))
  if (!holds) process.exitCode = EXIT.unfit
}

/** What the plan says of itself counts only where it holds. */
function checkedScene(scene: Scene, findings: readonly Finding[]): Scene {
  if (findings.length === 0) return { ...scene, title: `the plan holds: ${scene.title}` }
  const [host = ''] = scene.facts
  return {
    ...scene,
    title: `the plan does not hold: ${count(findings.length, 'finding')}`,
    facts: [host, ...findings.map(({ text }) => text)],
  }
}

/** @param plan well-formed; where nothing was found its costs are those that the verifier computed */
function showCheck({ vms, refused, cost }: Plan, findings: readonly Finding[], style: Style): string {
  const { colors } = style
  if (findings.length > 0) {
    return `${colors.red('the plan does not hold')}: ${count(findings.length, 'finding')}\n\n${showFindings(findings, style)}`
  }
  const placed = `${vms.length} of ${count(vms.length + refused.length, 'VM')} placed`
  const lost = `${countLost(cost.lostVcpus)}, as recomputed`
  const bound = `the lower bound of ${formatCost(cost.lowerBound)} is the plan's own, not recomputed`
  return paragraph(style, `${colors.green('the plan holds')}: ${placed}, ${lost}; ${bound}`)
}
