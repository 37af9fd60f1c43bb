/** Measurements as threads of the pool make them, each of samples. */

import type { CpuId } from '../../src/types.js'
import { runInThread } from '../threads/pool.js'
import { errorOf, failureOf } from '../wire/failure.js'
import { type Gauge, type MeasureSpan, STOP, WINDOW_NS } from '../wire/measure.js'
import type { Measured } from '../worker/measure-work.js'

/** ns of each load, and loads of each sample. */
const LOADS = 100_000
/** Windows of a rate, of which the first and the last are not whole. */
const WINDOWS = 12
const HAND_OVER_SAMPLES = 9

/** Calls measurements off. */
export class Stop {
  /** STOP and READY, for a gauge; a measurement of its own has its own READY. */
  readonly flag = new Int32Array(new SharedArrayBuffer(8))
  readonly #gauges = new Set<Int32Array>()

  constructor(signal: AbortSignal | undefined) {
    signal?.addEventListener('abort', () => this.set(), { once: true })
    if (signal?.aborted === true) this.set()
  }

  /** A gauge's control, which is set with this. */
  control(): Int32Array {
    const control = new Int32Array(new SharedArrayBuffer(8))
    Atomics.store(control, STOP, Atomics.load(this.flag, STOP))
    this.#gauges.add(control)
    return control
  }

  release(control: Int32Array): void {
    this.#gauges.delete(control)
  }

  set(): void {
    for (const control of [this.flag, ...this.#gauges]) Atomics.store(control, STOP, 1)
  }
}

/** ns that a load takes from each of the CPUs to the memory, in turn. */
export async function latencies(span: MeasureSpan, cpus: readonly CpuId[], lays: boolean, samples: number, stop: Stop) {
  const times: number[] = []
  for (const [at, cpu] of cpus.entries()) {
    const task = { span, cpu, lays: lays && at === 0, samples, loads: LOADS, stop: stop.flag }
    times.push(...resultOf(await runInThread('chaseMemory', task).catch(failed)))
  }
  return times
}

/** What CPUs do together in each second, window by window; each of them reads its part of the memory, or just works. */
export async function rates(span: MeasureSpan | null, cpus: readonly CpuId[], stop: Stop): Promise<number[]> {
  const control = stop.control()
  const start = new Float64Array(new SharedArrayBuffer(8))
  try {
    const gauges = cpus.map((): Gauge => {
      const counts = new Float64Array(new SharedArrayBuffer(8 * WINDOWS))
      return { control, start, counts, threads: cpus.length }
    })
    const results = await Promise.all(
      cpus.map(async (cpu, at) => {
        const part = span === null ? null : partOf(span, at, cpus.length)
        const result = await runInThread('countRate', { cpu, span: part, gauge: gauges[at]! }).catch(failed)
        // The others would wait for it.
        if (!result.ok) Atomics.store(control, STOP, 1)
        return result
      }),
    )
    results.forEach(resultOf)
    const windows = Array.from({ length: WINDOWS - 2 }, (_, at) => at + 1)
    return windows.map((window) => (gauges.reduce((sum, { counts }) => sum + counts[window]!, 0) * 1e9) / WINDOW_NS)
  } finally {
    stop.release(control)
  }
}

const PAGE = 4096

function partOf({ address, bytes }: MeasureSpan, at: number, count: number): MeasureSpan {
  const size = Math.floor(bytes / count / PAGE) * PAGE
  return { address: address + at * size, bytes: size }
}

/** ns from one CPU of each pair to the other, in turn. */
export async function handOvers(pairs: readonly (readonly [CpuId, CpuId])[], stop: Stop): Promise<number[]> {
  const times: number[] = []
  for (const pair of pairs) {
    const line = new Int32Array(new SharedArrayBuffer(128))
    const control = stop.control()
    try {
      const results = await Promise.all(
        pair.map(async (cpu, at) => {
          const task = { cpu, line, isFirst: at === 0, samples: HAND_OVER_SAMPLES, stop: control }
          const result = await runInThread('handOver', task).catch(failed)
          if (!result.ok) Atomics.store(control, STOP, 1)
          return result
        }),
      )
      for (const result of results) times.push(...resultOf(result))
    } finally {
      stop.release(control)
    }
  }
  return times
}

function failed(error: unknown): { readonly ok: false; readonly failure: ReturnType<typeof failureOf> } {
  return { ok: false, failure: failureOf(error) }
}

function resultOf<Value>(result: Measured<Value>): Value {
  if (!result.ok) throw errorOf(result.failure)
  return result.value
}
