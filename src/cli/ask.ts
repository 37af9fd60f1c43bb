/** A question to whoever sits at the terminal. */

import { createInterface } from 'node:readline/promises'
import { InputError } from '../errors.js'
import { CommandError, EXIT } from './errors.js'

/** Of commands that change what runs. */
export interface Consent {
  readonly yes?: true
  readonly json?: true
}

/**
 * Before anything is looked at: whether there is somebody to ask.
 * @throws {InputError} where there is nobody, and the answer was not given beforehand
 */
export function requireConsent({ yes, json }: Consent): void {
  if (yes) return
  const got = json ? '--json alone' : isTerminal() ? undefined : 'no terminal to ask at'
  if (got !== undefined) throw new InputError('--yes', 'the option, as nobody is asked', got)
}

function isTerminal(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true
}

/** @throws {CommandError} for any answer but yes, and for none */
export async function ask(question: string): Promise<void> {
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  const interrupted = new AbortController()
  asking.once('SIGINT', () => interrupted.abort())
  asking.once('close', () => interrupted.abort())
  try {
    const answer = await asking.question(`${question} [y/N] `, { signal: interrupted.signal })
    if (!/^\s*y(es)?\s*$/i.test(answer)) throw new CommandError('nothing was changed', EXIT.failed)
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
    process.stderr.write('\n')
    throw new CommandError('interrupted: nothing was changed', EXIT.interrupted)
  } finally {
    asking.close()
  }
}
