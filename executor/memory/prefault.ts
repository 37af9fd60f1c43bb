/** Gives a VM's memory its pages before the guest runs, from several threads on the nodes that they are on. */

import { parseCpulist } from '../../src/cpulist.js'
import { UnsupportedError } from '../../src/errors.js'
import { closeInTurn } from '../ffi/close.js'
import { closeFd } from '../ffi/files.js'
import { getAffinity } from '../ffi/threads.js'
import { readText } from '../observe/free-memory.js'
import type { VmLayout } from '../plan/layout.js'
import { runInThread } from '../threads/pool.js'
import { errorOf, failureOf } from '../wire/failure.js'
import { type SharedSpan, sharedSpan } from '../wire/shared-span.js'
import type { VmMemory } from './memory.js'

/** What a thread is worth starting for. */
const PART_BYTES = 64 * 1024 ** 2
/** The kernel's page clearing is limited by the node's memory, not by its CPUs. */
const MAX_THREADS_PER_RANGE = 16
const TICK_MS = 100

export interface PrefaultRange {
  readonly offset: number
  readonly bytes: number
  readonly pageSize: number
  /** Where it is done from. */
  readonly cpus: readonly number[]
  /** By how many threads. */
  readonly threads: number
}

/** CPUs of a node that this process may use; all of them where the node has none. */
export type CpusOfNode = (node: number) => readonly number[]

export function cpusOfNode(node: number): readonly number[] {
  const own = getAffinity(0)
  const list = readText(`/sys/devices/system/node/node${node}/cpulist`)?.trim() ?? ''
  const near = new Set(parseCpulist(list, { allowEmpty: true }))
  const both = own.filter((cpu) => near.has(cpu))
  return both.length > 0 ? both : own
}

/** Each range of each cell, with as many threads as are worth it. */
export function prefaultRanges(layout: VmLayout, cpusOf: CpusOfNode): PrefaultRange[] {
  return layout.cells.flatMap(({ pageSize, ranges }) =>
    ranges.map(({ node, offset, bytes }) => {
      const cpus = cpusOf(node)
      const threads = Math.min(cpus.length, MAX_THREADS_PER_RANGE, Math.ceil(bytes / Math.max(PART_BYTES, pageSize)))
      return { offset, bytes, pageSize, cpus, threads }
    }),
  )
}

interface Share extends SharedSpan {
  readonly cpus: readonly number[]
}

/** One for each thread that is to work on the memory. */
function sharesOf(memory: VmMemory): Share[] {
  return prefaultRanges(memory.layout, cpusOfNode).flatMap(({ offset, bytes, pageSize, cpus, threads }) => {
    const span = { address: memory.addressOf(offset), bytes, pageSize }
    return new Array<Share>(threads).fill({ ...sharedSpan(span), cpus })
  })
}

/** How far the faulting in of memory is. */
export interface PrefaultProgress {
  /** Done. */
  readonly bytes: number
  /** All. */
  readonly of: number
}

/**
 * @param onProgress called about ten times a second
 * @throws {SyscallError} when all threads have stopped
 */
export async function prefaultMemory(
  memory: VmMemory,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (progress: PrefaultProgress) => void },
): Promise<void> {
  signal?.throwIfAborted()
  const shares = sharesOf(memory)
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const done = shares.map(() => new Float64Array(new SharedArrayBuffer(8)))
  const halt = () => Atomics.store(stop, 0, 1)
  const report = () => onProgress?.({ bytes: done.reduce((sum, [bytes]) => sum + bytes!, 0), of: memory.layout.bytes })
  let thrown: unknown
  const tick = () => {
    try {
      report()
    } catch (error) {
      thrown ??= error
      halt()
    }
  }
  const timer = onProgress === undefined ? undefined : setInterval(tick, TICK_MS)
  signal?.addEventListener('abort', halt)
  try {
    const outcomes = await Promise.all(
      shares.map(async (share, i) => {
        const failure = await runInThread('prefaultSpan', { ...share, stop, done: done[i]! }).catch(failureOf)
        if (failure !== null) halt()
        return failure
      }),
    )
    for (const failure of outcomes) if (failure !== null) throw errorOf(failure)
    signal?.throwIfAborted()
    if (thrown !== undefined) throw thrown
    report()
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', halt)
  }
}

/**
 * Gives memory back, from as many threads as it was taken by: freeing a TiB takes a thread longer than the main thread
 * may be away. Then unmaps it. What the kernel refuses to take is left to the unmapping.
 */
export async function releaseMemory(memory: VmMemory): Promise<void> {
  const { files } = memory
  await closeInTurn(
    () => giveBack(memory).catch(() => {}),
    () => memory.close(),
    ...files.map((fd) => () => closeFile(fd)),
  )
}

async function giveBack(memory: VmMemory): Promise<void> {
  await Promise.all(sharesOf(memory).map((share) => runInThread('giveBack', share)))
}

async function closeFile(fd: number): Promise<void> {
  try {
    await runInThread('closeFile', fd)
  } catch (error) {
    // If there is no thread for it, the file is closed here, however long that takes.
    if (!(error instanceof UnsupportedError)) throw error
    closeFd(fd)
  }
}
