/**
 * What a thread of the pool does: run one vCPU, or read back where memory is. An entry point of its own, because the
 * pool loads it by its file name. Functions return failures as data; errors lose their class on the way between threads.
 */

import { type Failure, failureOf } from './failure.js'
import { prefault } from './ffi/mapping.js'
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

/** Small enough that a stop is seen soon, large enough that the calls cost nothing. */
const PREFAULT_STEP = 32 * 1024 ** 2

function prefaultSpan(span: MemorySpan, block: VcpuBlock): void {
  const step = Math.max(PREFAULT_STEP, span.pageSize)
  for (let at = 0; at < span.bytes && !isStopped(block); ) {
    const bytes = Math.min(step, span.bytes - at)
    if (prefault(span.address + at, bytes)) at += bytes
  }
}

/** Its being called says that the thread has loaded everything. */
export function load(): void {}

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
    return { ok: true, resident: task.spans.map((span) => residentBytes(span, () => isStopped(block))) }
  } catch (error) {
    return { ok: false, failure: failureOf(error) }
  }
}
