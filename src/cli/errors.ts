/** What a command ends with: its exit code, and an error as one line for a person. */

import { CommanderError } from 'commander'

export const EXIT = {
  done: 0,
  /** The system refused, or something failed. */
  failed: 1,
  usage: 2,
  /** Some VM does not fit, or the plan does not hold. */
  unfit: 3,
  /** Some of it was carried out: a VM failed, or the kernel refused something that was allowed to be refused. */
  partial: 4,
  /** What runs is not where the plan has it. */
  drift: 5,
  interrupted: 130,
} as const

/** An outcome of a command that is none of the library's errors. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: number

  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

export interface Ending {
  readonly exitCode: number
  /** One line; `undefined`: everything has been said. */
  readonly message?: string
  readonly hint?: string
}

/** How a command that threw `error` ends. */
export function endingOf(error: unknown): Ending {
  if (error instanceof CommanderError) return usageEnding(error)
  const message = oneLine(error instanceof Error ? error.message : String(error))
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number') {
    return { exitCode: error.exitCode, message }
  }
  const refusal = refusalOf(error)
  if (refusal !== undefined) return { exitCode: EXIT.failed, message, hint: refusal }
  const hint = 'This is a defect of homenode: HOMENODE_DEBUG=1 shows where, please report it.'
  return { exitCode: EXIT.failed, message: `internal error: ${message}`, hint }
}

const TOO_MANY_FILES = 'No descriptor is left: see ulimit -n.'
/** What the system refuses wherever it is asked, by the names of Node.js, and what to do. */
const REFUSALS: Readonly<Record<string, string>> = {
  EMFILE: TOO_MANY_FILES,
  ENFILE: TOO_MANY_FILES,
  ENOMEM: 'No memory is left.',
  EAGAIN: 'Too many threads or processes, or too little memory: see ulimit -u.',
  EIO: 'A disk or a device has failed.',
  ERR_MODULE_NOT_FOUND: 'The installation is not complete: install homenode again.',
}

function refusalOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined
}

/** commander ends with an error for help and version too, when they have been printed. */
function usageEnding({ exitCode, code, message }: CommanderError): Ending {
  if (exitCode === 0) return { exitCode: EXIT.done }
  if (code === 'commander.help') return { exitCode: EXIT.usage }
  const [first = '', suggestion] = message.replace(/^error: /, '').split('\n')
  return {
    exitCode: EXIT.usage,
    message: oneLine(first),
    hint: suggestion ?? 'Try "homenode --help", or --help after a command.',
  }
}

/** Where something is, and what is wrong there, are at the two ends of a message. */
const [HEAD, TAIL] = [1200, 400]

/** Control characters, which a file's name may hold, neither break the line nor reach the terminal. Names may be megabytes long. */
function oneLine(text: string): string {
  const short = text.length > HEAD + TAIL ? `${text.slice(0, HEAD)}...${text.slice(-TAIL)}` : text
  return short.replace(/\s*\n\s*/g, ' ').replace(/\p{Cc}/gu, '?')
}
