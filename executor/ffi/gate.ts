/**
 * Keeps the process from ending a thread that is calling koffi's functions for the first time: that aborts the process.
 * Threads of the pool come through here when they load; the main thread closes the gate before it ends.
 */

import { workerData } from 'node:worker_threads'

/** `workerData` of a thread of the pool, in which nobody calls anything but the functions of libc.ts. */
export interface PoolThread {
  /** Shared by all threads of the pool. */
  readonly gate: Int32Array
}

const LOADING = 0
const CLOSED = 1
/** Loading takes 20 ms; with hundreds of threads at once, or a busy machine, many times that. */
const PATIENCE_MS = 10_000

export function createGate(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8))
}

export function isPoolThread(): boolean {
  return own() !== null
}

function own(): Int32Array | null {
  const data: Partial<PoolThread> | null = workerData
  return data?.gate ?? null
}

/** This thread begins to load koffi; it does not come back where the process is about to end. */
export function enterGate(): void {
  const gate = own()
  if (gate === null) return
  Atomics.add(gate, LOADING, 1)
  if (Atomics.load(gate, CLOSED) === 0) return
  leaveGate()
  Atomics.wait(gate, CLOSED, 1)
}

/** This thread has loaded it. */
export function leaveGate(): void {
  const gate = own()
  if (gate === null) return
  Atomics.sub(gate, LOADING, 1)
  Atomics.notify(gate, LOADING)
}

/** Waits, without the event loop, until no thread is loading, and lets no other one begin. */
export function closeGate(gate: Int32Array): void {
  Atomics.store(gate, CLOSED, 1)
  const startedAt = performance.now()
  for (let loading = Atomics.load(gate, LOADING); loading > 0; loading = Atomics.load(gate, LOADING)) {
    if (performance.now() - startedAt > PATIENCE_MS) return
    Atomics.wait(gate, LOADING, loading, 100)
  }
}
