/** The states of a VM, and what one may do in them. */

import type { VmError } from '../wire/failure.js'

/**
 * created -> running <-> paused -> stopped | failed. Nothing runs in `created`, `paused`, `stopped` and `failed`.
 */
export type VmState =
  | { readonly name: 'created' }
  | { readonly name: 'running' }
  | { readonly name: 'paused' }
  | VmEnd
  | { readonly name: 'failed'; readonly error: VmError }

/** A VM that has come to its end as it should. */
export type VmEnd = {
  /** The state. */
  readonly name: 'stopped'
  /** `caller`: by `stop()`; `guest`: it wrote to the exit port; `halt`: all of its vCPUs have halted for good. */
  readonly by: 'caller' | 'guest' | 'halt'
  /** What the guest wrote to the exit port. */
  readonly exitCode: number | null
}

/** An operation that the VM's state does not allow. */
export class VmStateError extends Error {
  override readonly name = 'VmStateError'
  /** What the command line ends with: the system refused. */
  readonly exitCode = 1
  /** The state that the VM is in. */
  readonly state: VmState['name'] | 'closed'

  constructor(vm: string, operation: string, allowed: readonly VmState['name'][], state: VmState['name'] | 'closed') {
    super(`VM "${vm}": ${operation} is for a VM that is ${allowed.join(' or ')}; this one is ${state}`)
    this.state = state
  }
}

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
  /** Default: for ever. */
  readonly deadlineMs?: number
  /** Gives up when it is aborted. */
  readonly signal?: AbortSignal
}

/**
 * @throws {DeadlineError}
 * @throws what the signal was aborted with
 */
export async function withPatience<T>(
  vm: string,
  operation: string,
  { deadlineMs, signal }: Patience,
  work: Promise<T>,
): Promise<T> {
  if (deadlineMs === undefined && signal === undefined) return work
  // Whoever gives up does not hear of a failure afterwards; the VM's state tells it.
  work.catch(() => {})
  signal?.throwIfAborted()
  let timer: NodeJS.Timeout | undefined
  let abort = () => {}
  const givenUp = new Promise<never>((_, reject) => {
    if (deadlineMs !== undefined) {
      timer = setTimeout(() => reject(new DeadlineError(vm, operation, deadlineMs)), deadlineMs)
    }
    abort = () => reject(signal?.reason)
    signal?.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([work, givenUp])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
