/** What went wrong in a vCPU's thread: as data that crosses threads, and as the error that it becomes. */

import { SyscallError, UnsupportedError } from '../../src/errors.js'

/** Why a vCPU, or what was done for its VM, failed. */
export type Failure =
  | {
      readonly kind: 'syscall'
      readonly call: string
      readonly errno: number
      readonly code: string
      readonly hint: string
    }
  /** The system lacks something. */
  | { readonly kind: 'unsupported'; readonly capability: string; readonly why: string }
  /** The guest left in a way that the executor cannot go on from. */
  | { readonly kind: 'exit'; readonly reason: string; readonly text: string }
  /** What answers an access of the guest threw. */
  | { readonly kind: 'device'; readonly text: string }
  | { readonly kind: 'thread'; readonly text: string }

/** How a guest has ended itself other than by the exit port. */
export type GuestEnd = 'power-off' | 'reset'

/** How a vCPU came to its end. */
export type VcpuEnd =
  /** It was told to stop. */
  | { readonly kind: 'told' }
  /** It halted, and nothing is there to wake it. */
  | { readonly kind: 'halted' }
  /** It wrote this to the exit port, or a device said so. */
  | { readonly kind: 'exited'; readonly code: number }
  /** It wrote to a register that switches the machine off, or resets it. */
  | { readonly kind: 'ended'; readonly how: GuestEnd }
  | { readonly kind: 'failed'; readonly failure: Failure }

export function failureOf(error: unknown): Failure {
  if (error instanceof SyscallError) {
    const { call, errno, code, hint } = error
    return { kind: 'syscall', call, errno, code, hint }
  }
  if (error instanceof UnsupportedError) {
    const { capability, message } = error
    return { kind: 'unsupported', capability, why: message.slice(capability.length + 2) }
  }
  return { kind: 'thread', text: textOf(error) }
}

/** What somebody has thrown, as text, whatever it is. */
export function textOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return 'something that cannot be shown'
  }
}

/** The error that a failure was, or would have been, outside of its thread. */
export function errorOf(failure: Failure): Error {
  switch (failure.kind) {
    case 'syscall':
      return new SyscallError(failure.call, failure.errno, failure.code, failure.hint)
    case 'unsupported':
      return new UnsupportedError(failure.capability, failure.why)
    case 'exit':
      return new Error(`exit ${failure.reason}: ${failure.text}`)
    case 'device':
    case 'thread':
      return new Error(failure.text)
  }
}

/** A VM that failed while it was made or ran: which one, which of its vCPUs if it was one, and why. */
export class VmError extends Error {
  override readonly name = 'VmError'
  /** What the command line ends with: the system refused. */
  readonly exitCode = 1
  /** The name of the VM. */
  readonly vm: string
  /** `null`: it was not one of them. */
  readonly vcpu: number | null
  /** What went wrong. */
  readonly failure: Failure

  /** @param cause what a handler threw, where that is the cause */
  constructor(vm: string, vcpu: number | null, failure: Failure, cause?: unknown) {
    const where = vcpu === null ? `VM "${vm}"` : `VM "${vm}", vCPU ${vcpu}`
    super(`${where}: ${errorOf(failure).message}`, cause === undefined ? {} : { cause })
    this.vm = vm
    this.vcpu = vcpu
    this.failure = failure
  }
}

/** The failure of a VM as its error; what names a VM already stays as it is. */
export function vmError(vm: string, error: unknown): VmError {
  if (error instanceof VmError) return error
  return new VmError(vm, null, failureOf(error), error)
}
