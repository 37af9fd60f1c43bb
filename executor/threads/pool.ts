/**
 * The threads of the process: one Piscina pool. From it every VM takes a thread for each vCPU while it runs, and threads for
 * work on memory. Threads are used again, since one that has called koffi leaves memory behind when it ends (see
 * POOL_THREAD_SIZES in ffi/libc.ts). Threads without a task end after a while, and none keeps the process alive.
 */

import { fileURLToPath } from 'node:url'
import type { Transferable } from 'node:worker_threads'
import { Piscina, type TaskQueue } from 'piscina'
import { UnsupportedError } from '../../src/errors.js'
import { createGate, type PoolThread, waitUntilLoaded } from '../ffi/gate.js'
import { withdrawTask } from '../wire/claim.js'

const IDLE_MS = 10_000
/** More than KVM has vCPUs for; a task never waits for another one to end. */
const MAX_THREADS = 65_536
/** How long a task may wait for its thread. A thread starts in 20 ms. With hundreds at once, or on a busy machine, it takes many times that. */
const START_MS = 120_000

/** How long a port of a thread that is let go of may take to be closed. */
const UNREF_MS = 100

/** V8's limits for a thread, in MiB. The thread's own work takes little; the rest is for a device's module. */
const LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 256 }

/** A task that waits for its thread. */
interface Waiting {
  /** Takes it back, unless a thread has begun it. */
  readonly withdraw: (why: Error) => void
}

type Task = Parameters<TaskQueue['push']>[0]

/** Tasks for which there is no thread yet. Not Piscina's own queue: no task could be taken back from it. */
class Queue implements TaskQueue {
  readonly #tasks: Task[] = []

  get size(): number {
    return this.#tasks.length
  }

  push(task: Task): void {
    this.#tasks.push(task)
  }

  shift(): Task | null {
    return this.#tasks.shift() ?? null
  }

  remove(task: Task): void {
    this.#tasks.splice(this.#tasks.indexOf(task), 1)
  }

  /** The last ones. */
  last(count: number): Waiting[] {
    return this.#tasks.slice(-count).map(waitingOf)
  }

  drop(waiting: Waiting): void {
    const task = this.#tasks.find((each) => waitingOf(each) === waiting)
    if (task !== undefined) this.remove(task)
  }
}

const waitingOf = (task: Task) => task[QUEUE_OPTIONS] as unknown as Waiting
const QUEUE_OPTIONS: keyof Task = Piscina.queueOptionsSymbol as never

const queue = new Queue()
let pool: Piscina | undefined

function thePool(): Piscina {
  if (pool !== undefined) return pool
  const gate = createGate()
  process.on('exit', () => waitUntilLoaded(gate, pool?.threads ?? []))
  pool = new Piscina({
    filename: fileURLToPath(new URL('./vcpu-worker.cjs', import.meta.url)),
    // A function that the file exports. For the default export Piscina would load the file again, as an ES module.
    name: 'perform',
    taskQueue: queue,
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
  // An error of a thread without a task. An idle thread is not missed, but a task waits for one that was being started.
  pool.on('error', threadDied)
  // A thread may also end without an error. This runs when Piscina has counted it out.
  pool.on('workerDestroy', () => queueMicrotask(() => threadDied(new Error('it ended when it began'))))
  return pool
}

/** Piscina does not replace a thread that could not be started. Then there is no thread for the last tasks. */
function threadDied(error: Error): void {
  const lacking = pool?.queueSize ?? 0
  if (lacking > 0) for (const { withdraw } of queue.last(lacking)) withdraw(error)
}

function notStarted(why: unknown): UnsupportedError {
  const text = why instanceof Error ? why.message : String(why)
  const hint = /EMFILE|ENFILE/.test(text)
    ? ': no descriptor is left, see ulimit -n'
    : /EAGAIN/.test(text)
      ? ': too many threads or too little memory, see ulimit -u and the pids.max of the cgroup'
      : ''
  return new UnsupportedError('a thread', `it could not be started: ${text}${hint}`)
}

/** What threads can do, by name. */
type WorkerFunctions = import('../worker/vcpu-worker.js').Tasks

/**
 * Ends a thread of the pool, which rejects its task when it has ended.
 * @param id as Node.js numbers it
 * @returns `letGo`: has nobody wait for it any more, since it does not end; its task is rejected
 */
export function endThread(id: number): { readonly letGo: () => void } {
  const thread = pool?.threads.find(({ threadId }) => threadId === id)
  void thread?.terminate()
  return {
    letGo() {
      if (thread === undefined) return
      // So that the pool has it no more.
      thread.emit('error', new Error('it does not end'))
      // When the pool's port to the thread is closed, the thread keeps the process alive again.
      setTimeout(() => thread.unref(), UNREF_MS).unref()
      thread.unref()
    },
  }
}

/** Tasks whose threads are about to be free. */
const coming = new Set<Promise<unknown>>()

/** The task has done its work. The next caller that needs a thread waits for this one rather than start another. */
export function comesBack(task: Promise<unknown>): void {
  coming.add(task)
  void task.finally(() => coming.delete(task))
}

/**
 * Has a thread of its own do one of the tasks of worker/vcpu-worker.ts.
 * @throws {UnsupportedError} where no thread can be started, or none begins within a minute
 */
export async function runInThread<Name extends keyof WorkerFunctions>(
  name: Name,
  task: Parameters<WorkerFunctions[Name]>[0],
  transfer: readonly Transferable[] = [],
): Promise<Awaited<ReturnType<WorkerFunctions[Name]>>> {
  if (coming.size > 0) await Promise.all(coming)
  const claim = new Int32Array(new SharedArrayBuffer(4))
  let why: Error | undefined
  let reject: (why: Error) => void = () => {}
  const withdrawn = new Promise<never>((_, give) => {
    reject = give
  })
  withdrawn.catch(() => {})
  const waiting: Waiting = {
    withdraw: (error) => {
      if (!withdrawTask(claim)) return
      queue.drop(waiting)
      why = notStarted(error)
      reject(why)
    },
  }
  const timer = setTimeout(() => waiting.withdraw(new Error(`not in ${START_MS / 1000} s`)), START_MS).unref()
  try {
    const order = { name, task, claim, [QUEUE_OPTIONS]: waiting }
    return await Promise.race([thePool().run(order, { transferList: [...transfer] as never[] }), withdrawn])
  } catch (error) {
    // No thread could be made, or it ended before it began, or the task cannot be sent.
    if ((error as Error).name !== 'DataCloneError') waiting.withdraw(error as Error)
    throw why ?? error
  } finally {
    clearTimeout(timer)
  }
}
