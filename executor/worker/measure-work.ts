/**
 * What threads of the pool do to measure the machine (calibrate/): each on one CPU, until it is done or `stop[0]` is not 0. Times are of
 * the monotonic clock, which is the same in all threads.
 */

import { viewOf } from '../ffi/mapping.js'
import { getAffinity, setAffinity } from '../ffi/threads.js'
import { type Failure, failureOf } from '../wire/failure.js'
import { type Gauge, type MeasureSpan, READY, STOP, WINDOW_NS } from '../wire/measure.js'

/** What was measured, or why it was not. */
export type Measured<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly failure: Failure }

/** Bytes from one load to the next: a line of every cache that is in use. */
const LINE = 128
/** Loads stay so close together for a while that their pages' addresses are at hand, and jump about within it. */
const WINDOW = 1024 ** 2

export interface ChaseTask {
  readonly span: MeasureSpan
  readonly cpu: number
  /** Lays the way that the others walk. */
  readonly lays: boolean
  /** How often so many loads are timed. */
  readonly samples: number
  readonly loads: number
  readonly stop: Int32Array
}

/** ns that a load takes from the CPU to the memory when the next one waits for it, sample by sample. */
export function chaseMemory({ span, cpu, lays, samples, loads, stop }: ChaseTask): Measured<number[]> {
  return onCpu(cpu, () => {
    // SAFETY: the memory's owner unmaps it only after this task is done, and the view ends with this function.
    const cells = new Int32Array(viewOf(span.address, span.bytes))
    if (lays) layChase(cells)
    const times: number[] = []
    // The first one is of code that is not compiled yet.
    let at = chase(cells, 0, loads)
    for (let sample = 0; sample < samples && Atomics.load(stop, STOP) === 0; sample++) {
      const begin = now()
      at = chase(cells, at, loads)
      times.push((now() - begin) / loads)
    }
    return times
  })
}

function chase(cells: Int32Array, from: number, loads: number): number {
  let at = from
  for (let load = 0; load < loads; load++) at = cells[at]!
  return at
}

/** Each line holds where the next one is: once through all lines of a window in an order without pattern, then the next window. */
function layChase(cells: Int32Array): void {
  const step = LINE / Int32Array.BYTES_PER_ELEMENT
  const lines = WINDOW / LINE
  const order = Int32Array.from({ length: lines }, (_, line) => line)
  let state = 0x2545f491
  for (let line = lines - 1; line > 0; line--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const other = state % (line + 1)
    const kept = order[line]!
    order[line] = order[other]!
    order[other] = kept
  }
  const size = WINDOW / Int32Array.BYTES_PER_ELEMENT
  const end = Math.floor(cells.length / size) * size
  for (let window = 0; window < end; window += size) {
    for (let line = 0; line < lines; line++) {
      const isLast = line === lines - 1
      const next = isLast ? ((window + size) % end) + order[0]! * step : window + order[line + 1]! * step
      cells[window + order[line]! * step] = next
    }
  }
}

export interface RateTask {
  readonly cpu: number
  /** What is read over and over; `null`: work that needs no memory. */
  readonly span: MeasureSpan | null
  readonly gauge: Gauge
}

/** Read at once: a part of what the second-level cache holds. */
const CHUNK = 128 * 1024

/** Counts in each window of the gauge the bytes that it has read, or the work that it has done, beside the others of the gauge. */
export function countRate({ cpu, span, gauge }: RateTask): Measured<null> {
  return onCpu(cpu, () => {
    const work = span === null ? labour() : reading(span)
    work()
    if (!begin(gauge)) return null
    const { control, start, counts } = gauge
    for (const from = start[0]!; Atomics.load(control, STOP) === 0; ) {
      const done = work()
      const window = Math.floor((now() - from) / WINDOW_NS)
      if (window >= counts.length) break
      if (window >= 0) counts[window]! += done
    }
    return null
  })
}

/** Waits until all threads of the gauge are here; `false`: it is called off. */
function begin({ control, start, threads }: Gauge): boolean {
  if (Atomics.add(control, READY, 1) === threads - 1) {
    start[0] = now()
    Atomics.add(control, READY, 1)
    Atomics.notify(control, READY)
  }
  for (;;) {
    const ready = Atomics.load(control, READY)
    if (Atomics.load(control, STOP) !== 0) return false
    if (ready > threads) return true
    Atomics.wait(control, READY, ready, 10)
  }
}

/** Reads the next part of the memory; how many bytes. */
function reading({ address, bytes }: MeasureSpan): () => number {
  // SAFETY: as for chaseMemory.
  const source = new Uint8Array(viewOf(address, bytes))
  const parts = Array.from({ length: Math.floor(bytes / CHUNK) }, (_, at) =>
    source.subarray(at * CHUNK, (at + 1) * CHUNK),
  )
  const scratch = new Uint8Array(CHUNK)
  let at = 0
  return () => {
    scratch.set(parts[at]!)
    at = (at + 1) % parts.length
    return CHUNK
  }
}

/** Whole numbers in the first-level cache, in three chains that do not wait for each other. */
function labour(): () => number {
  const table = Int32Array.from({ length: 2048 }, (_, at) => Math.imul(at + 1, 0x9e3779b1))
  let [a, b, c] = [1, 2, 3]
  return () => {
    for (let turn = 0; turn < 2000; turn++) {
      a = Math.imul(a ^ table[a & 2047]!, 0x85ebca6b)
      a ^= a >>> 13
      b = Math.imul(b ^ table[b & 2047]!, 0xc2b2ae35)
      b ^= b >>> 16
      c = (c + table[(c >>> 7) & 2047]!) | 0
      if ((c & 1) === 0) c ^= a
    }
    return 1
  }
}

export interface HandOverTask {
  readonly cpu: number
  /** The line that goes to and fro: a number that each side makes one more. */
  readonly line: Int32Array
  /** The side that counts the time. */
  readonly isFirst: boolean
  readonly samples: number
  readonly stop: Int32Array
}

/** Rounds between two looks at the clock, and ns after which a sample ends. */
const ROUNDS = 64
const SAMPLE_NS = 5e6
/** How long the other thread may take to begin. */
const PATIENCE_NS = 20e9
/** On a busy machine a hand-over takes many milliseconds: then there are fewer samples. */
const LIMIT_NS = 2e9
/** Looks at the line between two looks at `stop`. */
const SPINS = 4096
/** It is over; numbers begin anew after the greatest. */
const OVER = -1
const MOST = 2 ** 30 - 1

/** ns from the CPU of one side to that of the other, sample by sample; nothing for the side that does not count. */
export function handOver({ cpu, line, isFirst, samples, stop }: HandOverTask): Measured<number[]> {
  return onCpu(cpu, () => {
    if (isFirst) return countHandOvers(line, samples, stop)
    answer(line, stop)
    return []
  })
}

function countHandOvers(line: Int32Array, samples: number, stop: Int32Array): number[] {
  const times: number[] = []
  let number = 0
  let deadline = now() + PATIENCE_NS
  const isOver = () => Atomics.load(stop, STOP) !== 0 || now() > deadline
  const exchange = () => {
    number = (number % MOST) + 2
    return handAndTake(line, number, isOver)
  }
  // The other thread has yet to begin.
  let goesOn = exchange()
  if (goesOn) deadline = now() + LIMIT_NS
  // The first sample is of code that is not compiled yet.
  for (let sample = 0; goesOn && sample <= samples; sample++) {
    const begun = now()
    let rounds = 0
    while (goesOn && (rounds % ROUNDS !== 0 || now() - begun < SAMPLE_NS)) {
      goesOn = exchange()
      if (goesOn) rounds++
    }
    // On a machine that is very slow there is but a part of one.
    if (rounds > 0 && (goesOn ? sample > 0 : times.length === 0)) times.push((now() - begun) / (2 * rounds))
  }
  Atomics.store(line, 0, OVER)
  return times
}

/** The line goes over and comes back; `false`: it is over before. */
function handAndTake(line: Int32Array, number: number, isOver: () => boolean): boolean {
  Atomics.store(line, 0, number)
  for (let spins = 1; Atomics.load(line, 0) !== number + 1; spins++) {
    if (spins % SPINS === 0 && isOver()) return false
  }
  return true
}

function answer(line: Int32Array, stop: Int32Array): void {
  let last = 0
  for (let spins = 1; ; spins++) {
    const number = Atomics.load(line, 0)
    if (number === OVER || (spins % SPINS === 0 && Atomics.load(stop, STOP) !== 0)) return
    if (number === last) continue
    last = number + 1
    Atomics.store(line, 0, last)
  }
}

function now(): number {
  return Number(process.hrtime.bigint())
}

/** Does it on the CPU alone; the thread is afterwards where it was before. */
function onCpu<Value>(cpu: number, work: () => Value): Measured<Value> {
  try {
    const before = getAffinity(0)
    try {
      setAffinity(0, [cpu])
      return { ok: true, value: work() }
    } finally {
      setAffinity(0, before)
    }
  } catch (error) {
    return { ok: false, failure: failureOf(error) }
  }
}
