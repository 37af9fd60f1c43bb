/** What vCPUs have wanted over a window: percentiles of it, not the last second. */

import type { Settings } from './settings.js'
import type { DemandPart, ObservedVm, VmState } from './types.js'

/** Parts that a window is kept in: within one of them there is a mean only. */
const PARTS = 60
/** Of a request's VM. */
const LEAST_DEMAND = 0.01
const MS = 1000

/** What a VM did in an interval, all vCPUs together; `null`: nothing was measured. */
export interface Sample {
  /** Mean share that a vCPU ran. */
  readonly use: number
  /** Mean share that a vCPU waited for a CPU; 0 where nothing measures it. */
  readonly delay: number
}

/** The mean of the vCPUs that were measured. */
export function sampleOf({ vcpus }: Pick<ObservedVm, 'vcpus'>): Sample | null {
  const measured = vcpus.filter(({ use }) => use !== null)
  if (measured.length === 0) return null
  const mean = (field: 'use' | 'delay') => measured.reduce((sum, vcpu) => sum + (vcpu[field] ?? 0), 0) / measured.length
  return { use: mean('use'), delay: mean('delay') }
}

/** The window with one more interval; what is older than the window is gone. */
export function withSample(
  parts: readonly DemandPart[],
  sample: Sample | null,
  { at, interval }: { readonly at: number; readonly interval: number },
  { window }: Pick<Settings, 'window'>,
): DemandPart[] {
  const from = at - interval
  const kept = parts.filter((part) => part.from >= at - window * MS)
  if (sample === null || interval <= 0) return kept
  const last = kept.at(-1)
  const isOfLast = last !== undefined && from < last.from + (window * MS) / PARTS
  if (!isOfLast) return [...kept, { from, measured: interval, ...sample }]
  const measured = last.measured + interval
  const mean = (before: number, now: number) => (before * last.measured + now * interval) / measured
  const joined = { from: last.from, measured, use: mean(last.use, sample.use), delay: mean(last.delay, sample.delay) }
  return [...kept.slice(0, -1), joined]
}

/** Milliseconds of the window that are known. */
export function knownOf(parts: readonly DemandPart[]): number {
  return parts.reduce((sum, { measured }) => sum + measured, 0)
}

/**
 * What a vCPU wanted, ran or waited for, in the share `percentile` of the time at most; 0.01 to 1. `null`: nothing is known.
 */
export function percentileOf({ parts }: Pick<VmState, 'parts'>, percentile: number): number | null {
  const known = knownOf(parts)
  if (known === 0) return null
  const wanted = parts
    .map(({ use, delay, measured }) => ({ want: use + delay, measured }))
    .sort((a, b) => a.want - b.want)
  let passed = 0
  for (const { want, measured } of wanted) {
    passed += measured
    if (passed >= percentile * known * (1 - Number.EPSILON)) return clamped(want)
  }
  return clamped(wanted.at(-1)!.want)
}

function clamped(demand: number): number {
  return Math.min(1, Math.max(LEAST_DEMAND, demand))
}
