/** Gives a VM's memory its pages before the guest runs, from several threads on the nodes that they are on. */

import { parseCpulist } from '../src/cpulist.js'
import { errorOf, failureOf } from './failure.js'
import { getAffinity } from './ffi/threads.js'
import { readText } from './free-memory.js'
import type { VmLayout } from './layout.js'
import type { VmMemory } from './memory.js'
import { runInThread } from './pool.js'
import type { MemorySpan } from './residency.js'

/** What a thread is worth starting for. */
const PART_BYTES = 64 * 1024 ** 2
/** The kernel's page clearing is limited by the node's memory, not by its CPUs. */
const MAX_THREADS_PER_RANGE = 16
const TICK_MS = 100

export interface PrefaultPart {
  readonly offset: number
  readonly bytes: number
  readonly pageSize: number
  /** Where it is done from. */
  readonly cpus: readonly number[]
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

/** Each range of each cell, in parts of whole pages for as many threads as are worth it. */
export function dividePrefault(layout: VmLayout, cpusOf: CpusOfNode): PrefaultPart[] {
  return layout.cells.flatMap(({ pageSize, ranges }) =>
    ranges.flatMap(({ node, offset, bytes }) => {
      const cpus = cpusOf(node)
      const threads = Math.min(cpus.length, MAX_THREADS_PER_RANGE, Math.ceil(bytes / Math.max(PART_BYTES, pageSize)))
      const pages = bytes / pageSize
      return Array.from({ length: threads }, (_, i): PrefaultPart => {
        const from = Math.floor((pages * i) / threads) * pageSize
        const to = Math.floor((pages * (i + 1)) / threads) * pageSize
        return { offset: offset + from, bytes: to - from, pageSize, cpus }
      })
    }),
  )
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
  const parts = dividePrefault(memory.layout, cpusOfNode)
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const done = parts.map(() => new Float64Array(new SharedArrayBuffer(8)))
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
      parts.map(async ({ cpus }, i) => {
        const task = { span: spanOf(memory, parts[i]!), cpus, stop, done: done[i]! }
        const failure = await runInThread('prefaultSpan', task).catch(failureOf)
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

function spanOf(memory: VmMemory, { offset, bytes, pageSize }: PrefaultPart): MemorySpan {
  return { address: memory.addressOf(offset), bytes, pageSize }
}

/**
 * Gives memory back, from as many threads as it was taken by: freeing a TiB takes a thread longer than the main thread
 * may be away. Then unmaps it. What the kernel refuses to take is left to the unmapping.
 */
export async function releaseMemory(memory: VmMemory): Promise<void> {
  const { files } = memory
  const spans = dividePrefault(memory.layout, cpusOfNode).map((part) => spanOf(memory, part))
  await Promise.allSettled(spans.map((span) => runInThread('giveBack', span)))
  memory.close()
  await Promise.all(files.map((fd) => runInThread('closeFile', fd)))
}
