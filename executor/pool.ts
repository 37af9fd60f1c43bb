/** The threads of a run: a Piscina pool with one thread for each vCPU, and one more that looks at memory meanwhile. */

import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { type Failure, failureOf } from './failure.js'
import { POOL_THREAD } from './ffi/libc.js'
import { installKickHandler, kickThread } from './ffi/threads.js'
import type { MemorySpan } from './residency.js'
import { allocateBlocks, blockOf, Command, command, PHASE, Phase, TID, type VcpuBlock } from './shared.js'
import type { ReadBackResult, ReadBackTask, VcpuTask } from './vcpu-worker.js'

/** How long a thread that was told to stop may take before it is told again. */
const REPEAT_MS = 2

interface Job {
  readonly block: VcpuBlock
  /** Makes KVM_RUN return as soon as it is entered again. */
  readonly interrupt: () => void
  settled: boolean
}

/**
 * `failed` is called for each vCPU that fails, whenever that is (`null`: the thread beside them). `close()` may be called any number of times, and
 * only after `stop()`: a thread that is inside KVM_RUN cannot be ended from outside.
 */
export class VcpuPool {
  readonly #pool: Piscina
  readonly #shared: SharedArrayBuffer
  /** Index of the block whose stop command ends a reading back. */
  readonly #observer: number
  readonly #failed: (index: number | null, failure: Failure) => void
  readonly #jobs: Job[] = []
  readonly #done: Promise<void>[] = []
  #closed = false

  constructor(vcpus: number, failed: (index: number | null, failure: Failure) => void) {
    installKickHandler()
    this.#shared = allocateBlocks(vcpus + 1)
    this.#observer = vcpus
    this.#failed = failed
    this.#pool = new Piscina({
      filename: fileURLToPath(new URL('./vcpu-worker.js', import.meta.url)),
      minThreads: vcpus + 1,
      maxThreads: vcpus + 1,
      concurrentTasksPerWorker: 1,
      // Otherwise an idle worker blocks in Atomics.wait, and the pool polls shared memory.
      atomics: 'disabled',
      recordTiming: false,
      // Loaders and debuggers of the main program are not for these threads.
      execArgv: [],
      workerData: POOL_THREAD,
    })
    // Of a thread without a task; one with a task rejects that.
    this.#pool.on('error', (error) => failed(null, failureOf(error)))
    // Ending a thread that is still loading koffi aborts the process. So each has a task, which stop() waits for.
    this.#await(this.#run('load', null))
  }

  block(index: number): VcpuBlock {
    return blockOf(this.#shared, index)
  }

  /** Starts the thread of the next vCPU: it pins itself, prefaults, and then waits for `go()`. */
  start(task: Omit<VcpuTask, 'shared' | 'index'>, interrupt: () => void): void {
    const index = this.#jobs.length
    const job: Job = { block: this.block(index), interrupt, settled: false }
    this.#jobs.push(job)
    const settle = (failure: Failure | null) => {
      job.settled = true
      if (failure !== null) this.#failed(index, failure)
    }
    this.#done.push(
      this.#run<Failure | null>('runVcpu', { ...task, shared: this.#shared, index } satisfies VcpuTask).then(
        settle,
        (error: unknown) => settle(failureOf(error)),
      ),
    )
  }

  /** Whether every thread has pinned itself and prefaulted its part. */
  get ready(): boolean {
    return this.#jobs.every(({ block }) => Atomics.load(block.control, PHASE) === Phase.ready)
  }

  go(): void {
    for (const { block } of this.#jobs) command(block, Command.go)
  }

  /** Where memory is, read by a thread of its own while the vCPUs run. It may use the CPUs that are given. */
  readBack(cpus: readonly number[], spans: readonly MemorySpan[]): Promise<ReadBackResult> {
    const task: ReadBackTask = { shared: this.#shared, index: this.#observer, cpus, spans }
    const result = this.#run<ReadBackResult>('readBack', task)
    this.#await(result)
    return result
  }

  /**
   * Gives memory back, each list by a thread of its own: freeing a TiB takes a thread longer than the main thread may
   * be away. Only after `stop()`. What the kernel refuses is left to the unmapping.
   */
  async giveBack(lists: readonly (readonly MemorySpan[])[]): Promise<void> {
    await Promise.allSettled(lists.map((spans) => this.#run('giveBack', spans)))
  }

  /** Calls a function of vcpu-worker.ts. A destroyed Piscina would start threads anew, and on memory that is gone. */
  async #run<Result>(name: string, task: unknown): Promise<Result> {
    if (this.#closed) throw new TypeError('the pool is closed')
    return this.#pool.run(task, { name })
  }

  /** Has `stop()` wait for a task of the thread beside the vCPUs; its failure is the caller's. */
  #await(task: Promise<unknown>): void {
    const settled = () => {}
    this.#done.push(task.then(settled, settled))
  }

  /** Stops every vCPU, wherever it is, and resolves when all of them have let go of memory and descriptors. */
  async stop(): Promise<void> {
    command(this.block(this.#observer), Command.stop)
    for (const { block } of this.#jobs) command(block, Command.stop)
    const all = Promise.all(this.#done)
    while (this.#jobs.some((job) => !job.settled)) {
      for (const job of this.#jobs) this.#kick(job)
      await Promise.race([all, delay(REPEAT_MS)])
    }
    await all
  }

  #kick({ block, interrupt }: Job): void {
    const tid = Atomics.load(block.control, TID)
    if (tid === 0 || Atomics.load(block.control, PHASE) === Phase.done) return
    interrupt()
    kickThread(tid)
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#pool.destroy()
  }
}
