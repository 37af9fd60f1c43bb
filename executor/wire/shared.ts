/**
 * What the main thread and the vCPU threads share: a block of memory for each vCPU. A thread that is inside KVM_RUN gets
 * no messages, so commands to it and counters from it go through here. It can send messages at any time.
 */

import type { DeviceAccess } from './device-spec.js'
import type { Failure, VcpuEnd } from './failure.js'

export const Command = { hold: 0, go: 1, stop: 2, prepare: 3 } as const
/**
 * starting: it pins itself; held: waits for another command; prepared: has its work and its devices, and waits for `go`;
 * running: is in its loop; done: the thread has left all memory and descriptors.
 */
export const Phase = { starting: 0, held: 1, running: 2, done: 3, prepared: 4 } as const
/** What a command leads to. */
export const PHASE_OF = {
  [Command.hold]: Phase.held,
  [Command.go]: Phase.running,
  [Command.stop]: Phase.done,
  [Command.prepare]: Phase.prepared,
} as const

export type CommandValue = (typeof Command)[keyof typeof Command]
export type PhaseValue = (typeof Phase)[keyof typeof Phase]

/** Indices into `control`. */
export const COMMAND = 0
export const PHASE = 1
/** Number of the thread, 0 before it has begun. */
export const TID = 2
/** 1 while the thread waits for an answer from the main thread. */
export const MAIL = 3
/** A thread whose core scheduling cookie this one takes when it goes; 0: none. */
export const COOKIE_OF = 4

/** The device that the thread has called, one more than its number; 0: none. It tells who does not come back. */
export const DEVICE = 5
/** The thread as Node.js numbers it. */
export const THREAD = 6
/** 1 while the main thread changes the thread: it stays with its vCPU until then. */
const KEPT = 7

/** Exit reasons that are counted apart; KVM has under 64. */
export const EXIT_REASONS = 64

const CONTROL_BYTES = 64
const ANSWER_BYTES = 64
const PROGRESS_BYTES = 64
const BLOCK_BYTES = CONTROL_BYTES + ANSWER_BYTES + PROGRESS_BYTES + EXIT_REASONS * 8

export interface VcpuBlock {
  readonly control: Int32Array
  /** What the main thread answers to a read. */
  readonly answer: Uint8Array
  /**
   * Exits by reason. Where there is no guest, index 0 has the walks over the memory. Doubles rather than 64-bit integers keep
   * BigInt out of the loop, and are exact up to 2^53. A reader on another thread sees the old or the new value, as 64-bit
   * CPUs store an aligned double at once.
   */
  readonly exits: Float64Array
  /** One number: the guest's last report. Where there is no guest, the number of pages visited. */
  readonly progress: Float64Array
}

export function allocateBlock(): SharedArrayBuffer {
  return new SharedArrayBuffer(BLOCK_BYTES)
}

export function blockOf(buffer: SharedArrayBuffer): VcpuBlock {
  return {
    control: new Int32Array(buffer, 0, CONTROL_BYTES / 4),
    answer: new Uint8Array(buffer, CONTROL_BYTES, 8),
    progress: new Float64Array(buffer, CONTROL_BYTES + ANSWER_BYTES, 1),
    exits: new Float64Array(buffer, CONTROL_BYTES + ANSWER_BYTES + PROGRESS_BYTES, EXIT_REASONS),
  }
}

export function command({ control }: VcpuBlock, value: CommandValue): void {
  Atomics.store(control, COMMAND, value)
  Atomics.notify(control, COMMAND)
  // A thread that waits for an answer looks at the command as well.
  Atomics.notify(control, MAIL)
}

export function phaseOf(block: VcpuBlock): number {
  return Atomics.load(block.control, PHASE)
}

/**
 * Does something with a vCPU's thread, which does not go back to the pool in the meantime.
 * @param act gets the thread's number, 0 before it has begun and when it has ended
 */
export function keepThread<T>({ control }: VcpuBlock, act: (tid: number) => T): T {
  Atomics.store(control, KEPT, 1)
  try {
    return act(Atomics.load(control, PHASE) === Phase.done ? 0 : Atomics.load(control, TID))
  } finally {
    Atomics.store(control, KEPT, 0)
    Atomics.notify(control, KEPT)
  }
}

/** In the thread, when its phase is `done`: waits until the main thread has let go of it. */
export function waitUntilFree({ control }: VcpuBlock): void {
  while (Atomics.load(control, KEPT) === 1) Atomics.wait(control, KEPT, 1)
}

export function isStopped(block: VcpuBlock): boolean {
  return Atomics.load(block.control, COMMAND) === Command.stop
}

/** What a vCPU's thread tells the main thread. */
export type VcpuMessage =
  /** It is held, or runs: see its block. */
  | { readonly kind: 'phase' }
  /** It waits until these are answered. */
  | { readonly kind: 'accesses'; readonly accesses: readonly DeviceAccess[] }
  /** A device has output for the main thread in its shared memory. */
  | { readonly kind: 'output'; readonly device: number }
  /** Something that the caller allowed to be refused was. */
  | { readonly kind: 'refused'; readonly failure: Failure }
  /** It has ended; its thread is about to go back to the pool. */
  | { readonly kind: 'end'; readonly end: VcpuEnd }
  /** After that: its thread cannot be made what it was. */
  | { readonly kind: 'useless' }
