/** `homenode calibrate`: what this machine's memory and CPUs take, measured and put into its host file. */

import { constants } from 'node:fs'
import { access, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Calibration, CalibrationProgress } from '../../executor/index.js'
import { InputError } from '../errors.js'
import { detectHost } from '../topology/node-fs.js'
import type { Host } from '../types.js'
import { showCalibration } from './calibrate-view.js'
import { CommandError, EXIT } from './errors.js'
import { loadExecutor } from './load-executor.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'

interface CalibrateCommandOptions {
  readonly out?: string
  readonly json?: true
  readonly color: ColorWhen
}

export async function calibrate({ out, json, color }: CalibrateCommandOptions): Promise<void> {
  if (out !== undefined) await requireFolder(out)
  const host = await detectHost()
  const { measures, spread, notes } = await measure(host)
  const measured: Host = { ...host, ...measures, spread }
  if (out !== undefined) await put(out, measured)
  if (json) printJson(measured)
  else print(showCalibration(host, measured, notes, styleOf(process.stdout, color)))
  if (json) for (const note of notes) console.error(note)
}

/** A minute of measuring is not to end with a file that cannot be written. */
async function requireFolder(file: string): Promise<void> {
  if (file === '' || file === '-')
    throw new InputError('--out', 'the name of a file', file === '' ? 'an empty name' : '-')
  await access(dirname(file), constants.W_OK).catch((error: NodeJS.ErrnoException) => unwritable(file, error))
}

async function put(file: string, host: Host): Promise<void> {
  await writeFile(file, `${JSON.stringify(host, null, 2)}\n`).catch((error) => unwritable(file, error))
}

function unwritable(file: string, { code, message }: NodeJS.ErrnoException): never {
  throw new CommandError(`${file} cannot be written: ${code ?? message}`, EXIT.failed)
}

/** The first SIGINT or SIGTERM ends it in good order, a second one at once. */
async function measure(host: Host): Promise<Calibration> {
  const controller = new AbortController()
  const interrupt = (signal: NodeJS.Signals) => {
    controller.abort(new CommandError(`interrupted by ${signal}: nothing was written`, EXIT.interrupted))
  }
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const line = progressLine()
  try {
    const { calibrate } = await loadExecutor()
    return await calibrate(host, { signal: controller.signal, onProgress: line.show })
  } finally {
    line.clear()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

/** One line on standard error that is written over again and again; nothing where that is no terminal. */
function progressLine(): { readonly show: (progress: CalibrationProgress) => void; readonly clear: () => void } {
  const isLive = process.stderr.isTTY === true && process.env.TERM !== 'dumb'
  const write = (text: string) => {
    if (isLive) process.stderr.write(`\r\x1b[K${text}`)
  }
  return { show: ({ done, of, what }) => write(`${done} of ${of}: ${what}`), clear: () => write('') }
}
