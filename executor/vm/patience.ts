/** How long a caller waits for an operation of a VM. */

import { requireObject, requireSignal } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'

/** An operation that did not come to its end in the time that it was given. It is not undone. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
  /** What the command line ends with: the system refused. */
  readonly exitCode = 1

  constructor(vm: string, operation: string, deadlineMs: number) {
    super(`VM "${vm}": ${operation} was not done after ${deadlineMs} ms`)
  }
}

/** How long the caller waits for an operation. The VM's state is not changed by giving up. */
export interface Patience {
  /** 0 or more; default: for ever, as with `Infinity`. */
  readonly deadlineMs?: number
  /** Gives up when it is aborted. */
  readonly signal?: AbortSignal
}

/**
 * What `work` comes to, unless the caller loses patience before.
 * @throws {InputError} before the work begins, for a patience that is none
 * @throws {DeadlineError}
 * @throws what the signal was aborted with
 */
export async function withPatience<T>(
  vm: string,
  operation: string,
  patience: Patience,
  work: () => Promise<T>,
): Promise<T> {
  const { deadlineMs, signal } = checked(patience)
  const working = work()
  if (deadlineMs === undefined && signal === undefined) return working
  // A caller that gives up does not hear of a failure afterwards. The VM's state tells it.
  working.catch(() => {})
  signal?.throwIfAborted()
  let cancel = () => {}
  let abort = () => {}
  const givenUp = new Promise<never>((_, reject) => {
    if (deadlineMs !== undefined) cancel = after(deadlineMs, () => reject(new DeadlineError(vm, operation, deadlineMs)))
    abort = () => reject(signal?.reason)
    signal?.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([working, givenUp])
  } finally {
    cancel()
    signal?.removeEventListener('abort', abort)
  }
}

function checked(patience: Patience): Patience {
  requireObject('patience', patience)
  const { deadlineMs, signal } = patience
  if (deadlineMs !== undefined && !(typeof deadlineMs === 'number' && deadlineMs >= 0)) {
    throw new InputError('deadlineMs', 'milliseconds, 0 or more', show(deadlineMs))
  }
  requireSignal('signal', signal)
  return patience
}

/** The longest that a timer of Node.js waits; one that is set longer goes off at once. */
const LONGEST_MS = 2 ** 31 - 1

/**
 * Calls `fire` after so long, however long that is.
 * @returns takes it back
 */
export function after(ms: number, fire: () => void): () => void {
  const until = performance.now() + ms
  let timer: NodeJS.Timeout | undefined
  const wait = () => {
    const left = until - performance.now()
    timer = left <= LONGEST_MS ? setTimeout(fire, left) : setTimeout(wait, LONGEST_MS)
  }
  wait()
  return () => clearTimeout(timer)
}
