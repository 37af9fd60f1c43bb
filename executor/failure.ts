/** What went wrong in a vCPU's thread: as data that crosses threads, and as the error that it becomes. */

import { SyscallError } from '../src/errors.js'

export type Failure =
  | {
      readonly kind: 'syscall'
      readonly call: string
      readonly errno: number
      readonly code: string
      readonly hint: string
    }
  /** The guest left in a way that the executor cannot go on from. */
  | { readonly kind: 'exit'; readonly reason: string; readonly text: string }
  | { readonly kind: 'thread'; readonly text: string }

export function failureOf(error: unknown): Failure {
  if (error instanceof SyscallError) {
    const { call, errno, code, hint } = error
    return { kind: 'syscall', call, errno, code, hint }
  }
  return { kind: 'thread', text: error instanceof Error ? error.message : String(error) }
}

/** The error that a failure was, or would have been, outside of its thread. */
export function errorOf(failure: Failure): Error {
  switch (failure.kind) {
    case 'syscall':
      return new SyscallError(failure.call, failure.errno, failure.code, failure.hint)
    case 'exit':
      return new Error(`exit ${failure.reason}: ${failure.text}`)
    case 'thread':
      return new Error(failure.text)
  }
}

/** A vCPU that failed while it was prepared or ran: which one, and why. */
export class VcpuError extends Error {
  override readonly name = 'VcpuError'
  readonly exitCode = 1
  readonly vm: string
  readonly vcpu: number
  readonly failure: Failure

  constructor(vm: string, vcpu: number, failure: Failure) {
    super(`VM "${vm}", vCPU ${vcpu}: ${errorOf(failure).message}`)
    this.vm = vm
    this.vcpu = vcpu
    this.failure = failure
  }
}
