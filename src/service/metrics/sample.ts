/** Values of metrics. */

import type { MetricName } from './table.js'

/** A value and its labels; `null`: nothing measures it, and there is no series. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | null]

/** All series of some metrics. */
export type Samples = Readonly<Partial<Record<MetricName, readonly Sample[]>>>

export function secondsOf(nanoseconds: number | null | undefined): number | null {
  return nanoseconds === null || nanoseconds === undefined ? null : nanoseconds / 1e9
}
