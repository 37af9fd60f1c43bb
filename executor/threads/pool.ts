/**
 * The threads of the process: one Piscina pool, from which every VM takes a thread for each vCPU while it runs, and for
 * work on memory. Threads are used again, since one that has called koffi leaves memory behind when it ends (see
 * POOL_THREAD_SIZES in ffi/libc.ts); those that nobody needs end after a while, and none keeps the process alive.
 */

import { fileURLToPath } from 'node:url'
import type { Transferable } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { createGate, type PoolThread, waitUntilLoaded } from '../ffi/gate.js'

const IDLE_MS = 10_000
/** More than KVM has vCPUs for; a task never waits for another one to end. */
const MAX_THREADS = 65_536

/** V8's limits for a thread, in MiB: what it does takes little; a device's module has the rest. */
const LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 256 }

let pool: Piscina | undefined

function thePool(): Piscina {
  if (pool !== undefined) return pool
  const gate = createGate()
  process.on('exit', () => waitUntilLoaded(gate, pool?.threads ?? []))
  pool = new Piscina({
    filename: fileURLToPath(new URL('./vcpu-worker.cjs', import.meta.url)),
    // One that it has: for the default one Piscina would load the file again, as an ES module.
    name: 'runVcpu',
    minThreads: 0,
    maxThreads: MAX_THREADS,
    idleTimeout: IDLE_MS,
    concurrentTasksPerWorker: 1,
    // Otherwise an idle worker blocks in Atomics.wait, and the pool polls shared memory.
    atomics: 'disabled',
    recordTiming: false,
    // Loaders and debuggers of the main program are not for these threads.
    execArgv: [],
    resourceLimits: LIMITS,
    workerData: { gate } satisfies PoolThread,
  })
  // Of a thread without a task, which nobody misses; one with a task rejects that.
  pool.on('error', () => {})
  return pool
}

/** The functions of the worker's file, by name. */
type WorkerFunctions = typeof import('../worker/vcpu-worker.js')

/** Tasks whose threads are about to be free. */
const coming = new Set<Promise<unknown>>()

/** What the task was for is done: who needs a thread next waits for this one rather than start another. */
export function comesBack(task: Promise<unknown>): void {
  coming.add(task)
  void task.finally(() => coming.delete(task))
}

/**
 * Calls a function of vcpu-worker.ts in a thread of its own.
 * @param signal ends the thread, if it is not inside of a system call
 */
export async function runInThread<Name extends keyof WorkerFunctions>(
  name: Name,
  task: Parameters<WorkerFunctions[Name]>[0],
  { transfer = [], signal }: { transfer?: readonly Transferable[]; signal?: AbortSignal } = {},
): Promise<Awaited<ReturnType<WorkerFunctions[Name]>>> {
  if (coming.size > 0) await Promise.all(coming)
  return thePool().run(task, {
    name,
    transferList: [...transfer] as never[],
    ...(signal === undefined ? {} : { signal }),
  })
}
