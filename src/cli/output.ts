/** Where text goes, and how it looks there: colours and the width of the terminal. */

import pc from 'picocolors'
import { CommandError, EXIT } from './errors.js'

export type ColorWhen = 'auto' | 'always' | 'never'

export interface Style {
  readonly colors: ReturnType<typeof pc.createColors>
  /** Columns; Infinity where nothing limits them. */
  readonly width: number
}

type Environment = Readonly<Record<string, string | undefined>>
type Sink = { readonly isTTY?: boolean; readonly columns?: number }

/** How text for `stream` looks. A pipe gets no colours and lines of any length, unless COLUMNS says otherwise. */
export function styleOf(stream: Sink, when: ColorWhen = 'auto', env: Environment = process.env): Style {
  const plain = stream.isTTY !== true || Boolean(env.NO_COLOR) || env.TERM === 'dumb'
  const colors = pc.createColors(when === 'always' || (when === 'auto' && !plain))
  const given = Number(env.COLUMNS)
  const columns = stream.columns || (Number.isInteger(given) && given > 0 ? given : Number.POSITIVE_INFINITY)
  return { colors, width: columns }
}

/** Data as it is. */
export function write(data: string | Uint8Array): void {
  process.stdout.write(data)
}

/** Data, for people. */
export function print(text: string): void {
  write(`${text}\n`)
}

/** Data, for programs: one object. */
export function printJson(value: object): void {
  print(JSON.stringify(value, null, 2))
}

/** Work that does not end in the middle because nobody reads what is written. */
let uninterrupted = 0
let isUnread = false

/** What `work` returns; that the output is closed meanwhile ends the process only afterwards. */
export async function toItsEnd<Value>(work: () => Promise<Value>): Promise<Value> {
  uninterrupted++
  try {
    return await work()
  } finally {
    uninterrupted--
    endIfUnread()
  }
}

function endIfUnread(): void {
  if (isUnread && uninterrupted === 0) process.exit(process.exitCode ?? EXIT.done)
}

/** `head` and its like close the pipe when they have seen enough: no error. A full disk is one. */
export function watchStreams(fail: (error: unknown) => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') {
        isUnread = true
        endIfUnread()
        return
      }
      fail(new CommandError(`the output cannot be written: ${error.message}`, EXIT.failed))
    })
  }
}
