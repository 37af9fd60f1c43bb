/** The states of a VM, and what one may do in them. */

import type { GuestEnd, VmError } from '../wire/failure.js'

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
  /**
   * `caller`: by `stop()`; `guest`: it wrote to the exit port; `halt`: all of its vCPUs have halted for good; `power-off` and
   * `reset`: a kernel has switched itself off, or has started anew (as after a panic).
   */
  readonly by: 'caller' | 'guest' | 'halt' | GuestEnd
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
