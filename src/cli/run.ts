/** `homenode run`: plans, carries the plan out for a while, and reports what the kernel says happened. */

import type { RunOptions, RunProgress } from '../../executor/index.js'
import { sceneOfPlan } from '../picture/of-plan.js'
import { hostText } from '../picture/words.js'
import { parseRequest } from '../request.js'
import type { Backend, Host, PartitionKind, RunReport, VerifiedPlan } from '../types.js'
import { demoRequest } from './demo-request.js'
import { CommandError, EXIT } from './errors.js'
import { readThisHost } from './host-source.js'
import { nameOf, requireOneStdin } from './input.js'
import { loadExecutor } from './load-executor.js'
import { formatCount } from './numbers.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'
import { type PictureOptions, pictures } from './picture.js'
import { showPlan } from './plan-view.js'
import { readRequest } from './request-source.js'
import { type KernelOptions, requireKernelOptions, runKernel } from './run-kernel.js'
import { showRun } from './run-view.js'
import { planVerified } from './verified-plan.js'

interface RunCommandOptions extends KernelOptions, PictureOptions {
  readonly request?: string
  readonly seconds: number
  readonly backend?: Backend
  readonly exclusive?: PartitionKind
  readonly relaxed?: boolean
  readonly json?: true
  readonly color: ColorWhen
}

export async function run(options: RunCommandOptions): Promise<void> {
  requireKernelOptions(options)
  if (options.kernel !== undefined) return runKernel({ ...options, kernel: options.kernel })
  const { request: file, json } = options
  requireOneStdin({ '-f': file, '--measured': options.measured })
  const style = styleOf(process.stdout, options.color)
  const drawing = await pictures(options)
  const given = file === undefined ? undefined : await readRequest(file)
  const host = await readThisHost(options)
  const request = given ?? parseRequest(demoRequest(host))
  const planned = await planVerified(host, request, file === undefined ? 'the demo request' : nameOf(file))
  const fits = planned.refused.length === 0
  if (!fits) process.exitCode = EXIT.unfit
  await drawing.draw(() => sceneOfPlan(host, request, planned))
  const isShown = !json && !drawing.isOutput
  if (isShown) print(showIntent(host, planned, style))
  if (json && !fits) printJson(planned)
  if (!fits) return

  const report = await carryOut(planned, options)
  if (json) printJson(report)
  if (isShown) print(`\n${showRun(report, style)}`)
  if (!report.verified) process.exitCode = isPartial(report) ? EXIT.partial : EXIT.failed
}

/** Whether some of the plan was not carried out, rather than all of it but not as planned. */
function isPartial({ findings }: RunReport): boolean {
  return findings.some(({ constraint }) => constraint === 'failed' || constraint === 'refused')
}

function showIntent(host: Host, planned: VerifiedPlan, style: ReturnType<typeof styleOf>): string {
  return `${style.colors.bold(hostText(host))}\n\n${showPlan(planned, style)}`
}

/** Runs the plan; the first SIGINT or SIGTERM ends it in good order, a second one at once. */
async function carryOut(planned: VerifiedPlan, { seconds, backend, exclusive, relaxed = false }: RunCommandOptions) {
  const controller = new AbortController()
  const interrupt = (signal: NodeJS.Signals) => {
    controller.abort(
      new CommandError(`interrupted by ${signal}: what ran was stopped and given back`, EXIT.interrupted),
    )
  }
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const progress = progressLine(seconds)
  try {
    const { runPlan } = await loadExecutor()
    const options: RunOptions = { seconds, relaxed, signal: controller.signal, onProgress: progress.show }
    return await runPlan(planned, {
      ...options,
      ...(backend === undefined ? {} : { backend }),
      ...(exclusive === undefined ? {} : { exclusive }),
    })
  } finally {
    progress.clear()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

/** One line on standard error that is written over again and again; nothing where that is no terminal. */
function progressLine(seconds: number): { show: (progress: RunProgress) => void; clear: () => void } {
  const { isTTY } = process.stderr
  const write = (text: string) => {
    if (isTTY && process.env.TERM !== 'dumb') process.stderr.write(`\r\x1b[K${text}`)
  }
  const show = (progress: RunProgress) => {
    const exits = progress.vcpus.reduce((sum, vcpu) => sum + vcpu.exits, 0)
    write(`${progress.seconds.toFixed(1)} of ${seconds} s, ${formatCount(exits)} exits`)
  }
  return { show, clear: () => write('') }
}
