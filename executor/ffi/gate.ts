/**
 * Which threads of the pool have loaded everything. A thread that is ended earlier, while Node loads its modules or koffi
 * makes its first calls, aborts the process. So a process that is about to end waits for them.
 */

import { threadId, type Worker, workerData } from 'node:worker_threads'

/** `workerData` of a thread of the pool, in which nobody calls anything but the functions of libc.ts. */
export interface PoolThread {
  /** Numbers of the threads that have loaded, each at its place; shared by all of them. */
  readonly gate: Int32Array
}

/** More than there are at a time; numbers of threads go up. */
const PLACES = 2 ** 16
/** Loading takes 20 ms. With hundreds of threads at once, or on a busy machine, it takes many times that. */
const PATIENCE_MS = 10_000

export function createGate(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * PLACES))
}

function own(): Int32Array | null {
  const data: Partial<PoolThread> | null = workerData
  return data?.gate ?? null
}

export function isPoolThread(): boolean {
  return own() !== null
}

/** This thread has loaded everything. */
export function announceLoaded(): void {
  const gate = own()
  if (gate === null) return
  Atomics.store(gate, threadId % PLACES, threadId)
  Atomics.notify(gate, threadId % PLACES)
}

/** Waits, without the event loop, until these have loaded everything. */
export function waitUntilLoaded(gate: Int32Array, threads: readonly Worker[]): void {
  const until = performance.now() + PATIENCE_MS
  for (const { threadId: id } of threads) {
    // -1: it has ended.
    while (id >= 0 && Atomics.load(gate, id % PLACES) !== id && performance.now() < until) {
      Atomics.wait(gate, id % PLACES, Atomics.load(gate, id % PLACES), 10)
    }
  }
}
