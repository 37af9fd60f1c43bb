/**
 * What a thread of the pool does: run one vCPU, or read back where memory is. An entry point of its own, because the
 * pool loads it by its file name. Functions return failures as data; errors lose their class on the way between threads.
 */

import { type Failure, failureOf } from './failure.js'
import { discard, prefault } from './ffi/mapping.js'
import { currentThread, setAffinity } from './ffi/threads.js'
import { runGuest } from './guest-loop.js'
import { type MemorySpan, residentBytes } from './residency.js'
import { blockOf, COMMAND, Command, isStopped, PHASE, Phase, TID, type VcpuBlock } from './shared.js'
import { walkMemory } from './walk-loop.js'

export interface VcpuTask {
  readonly shared: SharedArrayBuffer
  /** Of its block in `shared`. */
  readonly index: number
  readonly cpus: readonly number[]
  readonly prefault: readonly MemorySpan[]
  readonly work:
    | {
        readonly kind: 'guest'
        readonly fd: number
        readonly page: { readonly address: number; readonly bytes: number }
      }
    | { readonly kind: 'walk'; readonly address: number; readonly bytes: number }
}

/** Pins, prefaults, waits for the command to go, and works until the command to stop. `null`: nothing went wrong. */
export function runVcpu(task: VcpuTask): Failure | null {
  const block = blockOf(task.shared, task.index)
  try {
    Atomics.store(block.control, TID, currentThread())
    setAffinity(0, task.cpus)
    for (const span of task.prefault) prefaultSpan(span, block)
    setPhase(block, Phase.ready)
    Atomics.wait(block.control, COMMAND, Command.hold)
    if (isStopped(block)) return null
    setPhase(block, Phase.running)
    if (task.work.kind === 'guest') return runGuest(block, task.work.fd, task.work.page)
    walkMemory(block, task.work.address, task.work.bytes)
    return null
  } catch (error) {
    return failureOf(error)
  } finally {
    setPhase(block, Phase.done)
  }
}

function setPhase(block: VcpuBlock, phase: (typeof Phase)[keyof typeof Phase]): void {
  Atomics.store(block.control, PHASE, phase)
}

/**
 * A stop is seen after each step, and the kernel holds the lock of the address space for as long, on which the main
 * thread's own allocations wait: 32 MiB at a time kept it away for up to 1.5 s, 4 MiB for 0.1 s, at the same speed.
 */
const PREFAULT_STEP = 4 * 1024 ** 2

function prefaultSpan(span: MemorySpan, block: VcpuBlock): void {
  const step = Math.max(PREFAULT_STEP, span.pageSize)
  for (let at = 0; at < span.bytes && !isStopped(block); ) {
    const bytes = Math.min(step, span.bytes - at)
    if (prefault(span.address + at, bytes)) at += bytes
  }
}

/** Its being called says that the thread has loaded everything. */
export function load(): void {}

const GIVE_BACK_STEP = 256 * 1024 ** 2

/** Gives the pages of memory that nobody uses any more back to the kernel. */
export function giveBack(spans: readonly MemorySpan[]): void {
  for (const { address, bytes } of spans) {
    for (let at = 0; at < bytes; at += GIVE_BACK_STEP) discard(address + at, Math.min(GIVE_BACK_STEP, bytes - at))
  }
}

export interface ReadBackTask {
  readonly shared: SharedArrayBuffer
  /** Of the block in `shared` whose stop command ends it early. */
  readonly index: number
  readonly cpus: readonly number[]
  readonly spans: readonly MemorySpan[]
}

export type ReadBackResult =
  | { readonly ok: true; readonly resident: readonly Readonly<Record<string, number>>[] }
  | { readonly ok: false; readonly failure: Failure }

/** Bytes of each span on each node. */
export function readBack(task: ReadBackTask): ReadBackResult {
  const block = blockOf(task.shared, task.index)
  try {
    setAffinity(0, task.cpus)
    const resident = task.spans.map((span) => residentBytes(span, () => isStopped(block)))
    if (isStopped(block)) return { ok: false, failure: { kind: 'thread', text: 'stopped before memory was read back' } }
    return { ok: true, resident }
  } catch (error) {
    return { ok: false, failure: failureOf(error) }
  }
}
