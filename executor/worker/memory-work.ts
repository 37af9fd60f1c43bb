/** What threads of the pool do with memory: fault it in, read back where it is, move it, give it back. */

import { EACCES, EBUSY, ENOENT, ENOMEM } from '../abi/linux.js'
import { closeFd } from '../ffi/files.js'
import { discard, prefault } from '../ffi/mapping.js'
import { movePages } from '../ffi/numa.js'
import { getAffinity, setAffinity } from '../ffi/threads.js'
import { type ResidentPages, residentPages } from '../observe/residency.js'
import { type Failure, failureOf } from '../wire/failure.js'
import type { MemorySpan } from '../wire/shared-span.js'
import { type SharedSpan, takeSteps } from '../wire/shared-span.js'

/** What is done from these CPUs, until `stop[0]` is not 0. */
export interface MemoryTask {
  readonly span: MemorySpan
  readonly cpus: readonly number[]
  readonly stop: Int32Array
}

/** `null`: done, or stopped. */
type Outcome = Failure | null

/**
 * A stop is seen after each step. During a step the kernel holds the lock of the address space, and the main thread's own
 * allocations wait for it. Steps of 32 MiB held it up for up to 1.5 s, steps of 4 MiB for 0.1 s, at the same speed.
 */
const PREFAULT_STEP = 4 * 1024 ** 2

export interface PrefaultTask extends MemoryTask, SharedSpan {
  /** One number: bytes that this thread has done. */
  readonly done: Float64Array
}

export function prefaultSpan({ span, taken, cpus, stop, done }: PrefaultTask): Outcome {
  const stopped = () => Atomics.load(stop, 0) !== 0
  return onCpus(cpus, () => {
    for (const { address, bytes } of takeSteps({ span, taken }, PREFAULT_STEP)) {
      while (!stopped() && !prefault(address, bytes));
      if (stopped()) break
      done[0]! += bytes
    }
    return null
  })
}

export type ReadBackResult =
  | { readonly ok: true; readonly resident: readonly (readonly ResidentPages[])[] }
  | { readonly ok: false; readonly failure: Failure }

export interface ReadBackTask {
  readonly spans: readonly MemorySpan[]
  readonly stop: Int32Array
}

/** Where each span is, by node and page size. */
export function readBack({ spans, stop }: ReadBackTask): ReadBackResult {
  try {
    const stopped = () => Atomics.load(stop, 0) !== 0
    const resident = spans.map((span) => residentPages(span, stopped))
    if (stopped()) return { ok: false, failure: { kind: 'thread', text: 'stopped before memory was read back' } }
    return { ok: true, resident }
  } catch (error) {
    return { ok: false, failure: failureOf(error) }
  }
}

export interface MoveTask extends MemoryTask {
  readonly node: number
}

/** Pages that the kernel moves at a time; each batch interrupts the CPUs that use them. */
const PAGES_PER_MOVE = 512
/** A page that the kernel or a device holds on to is tried again so often, once in a while. */
const ROUNDS = 50
const PAUSE_MS = 4

/** Moves a span's pages to a node. What stays elsewhere is seen by reading back; a node without room is a failure. */
export function moveSpan({ span, cpus, stop, node }: MoveTask): Outcome {
  return onCpus(cpus, () => {
    const pages = span.bytes / span.pageSize
    for (let first = 0; first < pages; first += PAGES_PER_MOVE) {
      const count = Math.min(PAGES_PER_MOVE, pages - first)
      const failure = moveBatch(span.address + first * span.pageSize, span.pageSize, count, node, stop)
      if (failure !== null || Atomics.load(stop, 0) !== 0) return failure
    }
    return null
  })
}

function moveBatch(address: number, pageSize: number, count: number, node: number, stop: Int32Array): Outcome {
  const status = new Int32Array(count)
  for (let round = 0; round < ROUNDS && Atomics.load(stop, 0) === 0; round++) {
    movePages(address, pageSize, node, status)
    if (status.includes(-ENOMEM))
      return { kind: 'thread', text: `move_pages: node ${node} has no room for these pages` }
    if (status.includes(-EACCES)) return { kind: 'thread', text: 'move_pages: other processes map these pages as well' }
    // Pages that do not exist yet come to the node when they are touched.
    if (!status.some((found) => (found < 0 ? found !== -ENOENT : found !== node))) return null
    Atomics.wait(stop, 0, 0, PAUSE_MS)
  }
  return status.includes(-EBUSY)
    ? { kind: 'thread', text: 'move_pages: the kernel holds on to some pages (EBUSY)' }
    : null
}

const GIVE_BACK_STEP = 256 * 1024 ** 2

/** Gives pages of memory that is no longer used back to the kernel. */
export function giveBack(shared: SharedSpan): void {
  for (const { address, bytes } of takeSteps(shared, GIVE_BACK_STEP)) discard(address, bytes)
}

/** Closes a file in memory. The last close frees its pages, which can take long. */
export function closeFile(fd: number): void {
  closeFd(fd)
}

function onCpus(cpus: readonly number[], work: () => Outcome): Outcome {
  try {
    const before = getAffinity(0)
    try {
      setAffinity(0, cpus)
      return work()
    } finally {
      setAffinity(0, before)
    }
  } catch (error) {
    return failureOf(error)
  }
}
