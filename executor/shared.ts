/**
 * What the main thread and the vCPU threads share: a block of memory for each vCPU. A thread that is inside KVM_RUN gets
 * no messages, so commands to it and counters from it go through here.
 */

export const Command = { hold: 0, go: 1, stop: 2 } as const
/** starting: pinning and prefaulting; ready: waits for `go`; running; done: the thread has left all memory and fds. */
export const Phase = { starting: 0, ready: 1, running: 2, done: 3 } as const

/** Indices into `control`. */
export const COMMAND = 0
export const PHASE = 1
/** Number of the thread, 0 before it has begun. */
export const TID = 2

/** Exit reasons that are counted apart; KVM has under 64. */
export const EXIT_REASONS = 64

const CONTROL_BYTES = 64
const PROGRESS_BYTES = 64
const BLOCK_BYTES = CONTROL_BYTES + PROGRESS_BYTES + EXIT_REASONS * 8

export interface VcpuBlock {
  readonly control: Int32Array
  /**
   * Exits by reason; walks over the memory at index 0 where there is no guest. Doubles rather than 64-bit integers: no
   * BigInt in the loop, exact up to 2^53, and a reader on another thread sees the old or the new value, as 64-bit CPUs
   * store an aligned double at once.
   */
  readonly exits: Float64Array
  /** One number, that of the guest's last report; of pages visited where there is no guest. */
  readonly progress: Float64Array
}

export function allocateBlocks(vcpus: number): SharedArrayBuffer {
  return new SharedArrayBuffer(vcpus * BLOCK_BYTES)
}

export function blockOf(buffer: SharedArrayBuffer, index: number): VcpuBlock {
  const at = index * BLOCK_BYTES
  return {
    control: new Int32Array(buffer, at, CONTROL_BYTES / 4),
    progress: new Float64Array(buffer, at + CONTROL_BYTES, 1),
    exits: new Float64Array(buffer, at + CONTROL_BYTES + PROGRESS_BYTES, EXIT_REASONS),
  }
}

export function command(block: VcpuBlock, value: (typeof Command)[keyof typeof Command]): void {
  Atomics.store(block.control, COMMAND, value)
  Atomics.notify(block.control, COMMAND)
}

export function isStopped(block: VcpuBlock): boolean {
  return Atomics.load(block.control, COMMAND) === Command.stop
}
