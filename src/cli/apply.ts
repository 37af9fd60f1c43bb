/** `homenode apply`: brings the VMs that run here to where a plan has them. */

import type { PlannedPartitions } from '../../executor/apply/exclusive.js'
import type { Changes } from '../../executor/apply/types.js'
import { notAllowed } from '../../executor/policy/planning.js'
import { InputError } from '../errors.js'
import { costAsIs } from '../verify.js'
import { ask, type Consent, requireConsent } from './ask.js'
import { type CarryOutOptions, carryOut, isLeft } from './carry-out.js'
import { showChanges } from './changes-view.js'
import { CommandError, EXIT } from './errors.js'
import { requireOneStdin } from './input.js'
import { countLost } from './numbers.js'
import { print, printJson, type Style, styleOf } from './output.js'
import { planRunning, wishesWithin } from './plan-running.js'
import { lookHere, note, noteLeft, type RunningSource } from './running-request.js'
import { paragraph } from './table.js'
import { aimAt, readPlanFile, type Target } from './target.js'

interface ApplyCommandOptions extends RunningSource, CarryOutOptions, Consent {
  readonly running?: true
  readonly dryRun?: true
  readonly connect?: string
  readonly json?: true
}

export async function apply(options: ApplyCommandOptions, file?: string): Promise<void> {
  if ((file === undefined) === (options.running === undefined)) {
    throw new InputError('PLAN', 'a plan file, or --running', file === undefined ? 'neither' : 'both')
  }
  requireOneStdin({ PLAN: file, '-f': options.request, '--policy': options.policy, '--measured': options.measured })
  if (!options.dryRun) requireConsent(options)
  const target = file === undefined ? await aimAtBest(options) : await aimAtFile(file, options)
  const style = styleOf(process.stdout, options.color)
  const { prepareChanges } = await import('../../executor/apply/prepare.js')
  const { planPartitions } = await import('../../executor/apply/exclusive.js')
  const changes = await prepareChanges(target.found, target.plan, options)
  const alone = options.exclusive ? planPartitions(changes) : NOBODY_ALONE
  const isInPart = isPartial(target, changes) || alone.left.length > 0
  if (!options.json) print(showIntent(target, changes, alone, style))
  else if (options.dryRun) printJson({ schemaVersion: 1, ...changes })
  if (options.dryRun || (isNothing(changes, alone) && !options.json)) {
    process.exitCode = isInPart ? EXIT.partial : EXIT.done
    return
  }
  if (!options.json) print('')
  if (!options.yes) await ask('Change them?')
  await carryOut(changes, options, isInPart)
}

/** A plan made now. */
async function aimAtBest(options: RunningSource): Promise<Target> {
  return requireRoom({ ...(await planRunning(options)), gone: [], beside: [] })
}

async function aimAtFile(file: string, options: RunningSource): Promise<Target> {
  const plan = await readPlanFile(file)
  const here = await lookHere(options)
  const { wishes, rulings } = await wishesWithin(here, options)
  const planned = new Set(plan.vms.map(({ name }) => name))
  refuse(rulings.flatMap(({ name, why }) => (why === null || !planned.has(name) ? [] : [`${name}: ${why}`])))
  const target = await aimAt(here, { plan, file }, options, wishes)
  refuse(notAllowed(target.plan, rulings))
  noteLeft(target)
  note(target.gone.map((name) => `not here: ${name} is in the plan, and does not run`))
  note(target.beside.map((name) => `left as it is: ${name} runs, and is not in the plan`))
  return requireRoom(target)
}

/** @throws {CommandError} for a plan that there are reasons against */
function refuse(reasons: readonly string[]): void {
  if (reasons.length > 0) throw new CommandError(`nothing was changed: ${reasons.join('; ')}`, EXIT.unfit)
}

/** @throws {CommandError} for a plan that does not have a place for all: who has none would be in the way of the others */
function requireRoom(target: Target): Target {
  const { refused } = target.plan
  refuse(refused.map(({ name, because }) => `${name} has no place (${because[0]?.text})`))
  return target
}

/** Whether it is known beforehand that not all that is asked for will be so. */
function isPartial({ plan, asked }: Target, changes: Changes): boolean {
  return plan.spare !== undefined || asked.left.length > 0 || isLeft(changes)
}

const NOBODY_ALONE: PlannedPartitions = { partitions: [], held: [], left: [] }

function isNothing({ steps }: Changes, alone: PlannedPartitions): boolean {
  return steps.length === 0 && alone.partitions.length === 0
}

function showIntent(
  { asked, request, plan }: Target,
  changes: Changes,
  alone: PlannedPartitions,
  style: Style,
): string {
  const now = costAsIs(asked.host, request, asked.running).lostVcpus
  const then = plan.cost.lostVcpus - plan.cost.terms.migration
  const gain = paragraph(style, `${countLost(now)} now, ${countLost(then)} afterwards`)
  const nothing = changes.obstacles.length > 0 ? 'nothing can be changed' : 'nothing to do: all is as planned'
  return [
    gain,
    ...(isNothing(changes, alone) ? [nothing] : []),
    showChanges(changes, style),
    ...alone.partitions.map(({ vm, partition }) => `${vm}: nobody else is to run on CPUs ${partition.cpus}`),
    ...alone.left.map(({ vm, cpus, why }) =>
      paragraph(style, `${vm}: CPUs ${cpus} stay everybody's: ${why}`, '  ', ''),
    ),
  ]
    .filter((text) => text !== '')
    .join('\n\n')
}
