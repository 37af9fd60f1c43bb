/** What crosses between threads that measure the machine and the one that has them do it. */

/** Memory that is read. */
export interface MeasureSpan {
  readonly address: number
  readonly bytes: number
}

/** In `control`: 1 to call it off; threads that are ready, and one more when they have begun. */
export const STOP = 0
export const READY = 1

/** ns. */
export const WINDOW_NS = 20e6

/** What threads count together, window by window from when the last of them was ready. */
export interface Gauge {
  /** STOP and READY. */
  readonly control: Int32Array
  /** When they began. */
  readonly start: Float64Array
  /** By window, what this thread has done; each has its own. */
  readonly counts: Float64Array
  readonly threads: number
}
