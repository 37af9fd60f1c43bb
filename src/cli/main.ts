#!/usr/bin/env node
/** The command `homenode`: how it ends. */

import { CommandError, EXIT, endingOf } from './errors.js'
import { type ColorWhen, styleOf, watchStreams } from './output.js'
import { makeProgram } from './program.js'

const program = makeProgram()

/** Says how it ended, and leaves the exit code for when the process is through. */
function end(error: unknown): void {
  const { exitCode, message, hint } = endingOf(error)
  process.exitCode = exitCode
  if (process.env.HOMENODE_DEBUG === '1' && message !== undefined) console.error(error)
  if (message === undefined) return
  const { colors } = styleOf(process.stderr, program.opts<{ color: ColorWhen }>().color)
  console.error(`${colors.red('homenode:')} ${message}`)
  if (hint !== undefined) console.error(colors.dim(hint))
}

function endNow(error: unknown): never {
  end(error)
  process.exit()
}

let isThrough = false
/** What Node.js ends with when nothing is left that could go on, and something is still waited for. */
const UNSETTLED = 13
process.on('exit', () => {
  if (isThrough || (process.exitCode ?? UNSETTLED) !== UNSETTLED) return
  end(new CommandError('the command ended without an answer: what it waited for never came', EXIT.failed))
})
watchStreams(endNow)
process.on('uncaughtException', endNow)
const [node = '', script = '', ...rest] = process.argv
await program.parseAsync([node, script, ...(rest.length === 0 ? ['--help'] : rest)]).catch(end)
isThrough = true
