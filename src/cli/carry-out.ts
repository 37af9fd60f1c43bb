/** Changes to running VMs, carried out from the command line: progress, Ctrl-C, what came of it, the exit code. */

import type { Applied, ApplyOptions, ChangeProgress, Changes } from '../../executor/apply/types.js'
import { formatBytes } from '../units.js'
import { isWhole, showApplied } from './applied-view.js'
import { CommandError, EXIT } from './errors.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'

export interface CarryOutOptions {
  readonly connect?: string
  readonly state?: string
  readonly rate?: number
  readonly config?: true
  readonly exclusive?: true
  readonly json?: true
  readonly color: ColorWhen
}

/**
 * The exit code is left for when the process is through.
 * @param isInPart whether it is known beforehand that not all that is asked for will be so
 */
export async function carryOut(changes: Changes, options: CarryOutOptions, isInPart = false): Promise<void> {
  const applied = await applyWatched(changes, options)
  process.exitCode = codeOf(applied, isInPart)
  if (options.json) printJson({ schemaVersion: 1, ...applied })
  else print(showApplied(applied, changes, styleOf(process.stdout, options.color)))
}

/**
 * The same for what somebody has asked for by name: nobody is asked again.
 * @throws {CommandError} where the VM has to be left as it is
 */
export async function carryOutByHand(changes: Changes, options: CarryOutOptions): Promise<void> {
  const texts = changes.obstacles.map(({ vm, what, why }) => `${vm}: ${what}: ${why}`)
  if (isLeft(changes)) throw new CommandError(`nothing was changed: ${texts.join('; ')}`, EXIT.failed)
  for (const text of texts) console.error(`not in full: ${text}`)
  if (changes.steps.length > 0 || options.json) await carryOut(changes, options)
  else print('nothing to do: it is so already')
}

function codeOf(applied: Applied, isInPart: boolean): number {
  if (applied.stopped) return EXIT.interrupted
  return isWhole(applied) && !isLeft(applied) && !isInPart ? EXIT.done : EXIT.partial
}

/** Whether some VM is left as it is. */
export function isLeft({ obstacles }: Pick<Changes, 'obstacles'>): boolean {
  return obstacles.some(({ left }) => left)
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The first signal ends it in good order, a second one at once. */
async function applyWatched(
  changes: Changes,
  { connect, state, rate, config, exclusive }: CarryOutOptions,
): Promise<Applied> {
  const controller = new AbortController()
  const interrupt = () => {
    console.error('stopping: the batch that is being moved is finished first')
    controller.abort()
  }
  for (const signal of SIGNALS) process.once(signal, interrupt)
  const progress = progressLine()
  const options: ApplyOptions = {
    ...(connect === undefined ? {} : { connect }),
    ...(state === undefined ? {} : { state }),
    ...(rate === undefined ? {} : { rate }),
    ...(config === undefined ? {} : { config }),
    ...(exclusive === undefined ? {} : { exclusive }),
    signal: controller.signal,
    onProgress: progress.show,
  }
  try {
    const { applyChanges } = await import('../../executor/apply/apply.js')
    return await applyChanges(changes, options)
  } finally {
    progress.clear()
    for (const signal of SIGNALS) process.off(signal, interrupt)
  }
}

/** On standard error: one line that is written over again and again; a line for each step where that is no terminal. */
function progressLine(): { readonly show: (progress: ChangeProgress) => void; readonly clear: () => void } {
  const isLive = process.stderr.isTTY === true && process.env.TERM !== 'dumb'
  const write = (text: string) => {
    if (isLive) process.stderr.write(`\r\x1b[K${text}`)
  }
  let last = 0
  const show = (progress: ChangeProgress) => {
    if (isLive) write(progressText(progress))
    else if (progress.step !== last) console.error(progressText(progress))
    last = progress.step
  }
  return { show, clear: () => write('') }
}

function progressText({ doing, step, steps, vm, moved, bytes }: ChangeProgress): string {
  if (doing === 'undo-file') return 'what is now is written down'
  if (doing === 'read-back') return 'reading back'
  const copied = bytes === 0 ? '' : `, ${formatBytes(moved)} of ${formatBytes(bytes)} copied`
  return `step ${step} of ${steps}: ${vm ?? 'all'}: ${doing}${copied}`
}
