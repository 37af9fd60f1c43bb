/** Two sides that take turns: each turn is held against the one beside it, so that a busy machine slows both. */

import { median } from '../bench.js'

/** Median of theirs over ours, to three decimals; `null` where one side has no turns. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): number | null {
  if (ours.length === 0 || theirs.length === 0) return null
  return Math.round(median(theirs.map((value, turn) => value / ours[turn]!)) * 1000) / 1000
}

/** Nanoseconds on the CPU for each thing done: what the thread waited for its CPU is others' work. */
export function nsPer(count: number, turn: { readonly elapsedNs: number; readonly runDelayNs: number }): number {
  return (turn.elapsedNs - turn.runDelayNs) / count
}

/** Of the time, how much the thread was runnable and did not run. */
export function waitingPercent(turn: { readonly elapsedNs: number; readonly runDelayNs: number }): number {
  return (100 * turn.runDelayNs) / turn.elapsedNs
}

/** The value that so many of 100 are not above. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil((sorted.length * percent) / 100) - 1)] ?? Number.NaN
}
