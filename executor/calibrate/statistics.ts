/** A figure from samples, and how far to trust it. */

export interface Figure {
  readonly median: number
  /** The distance between the quartiles as a share of the median. */
  readonly spread: number
}

/** `null`: there are no samples. */
export function figureOf(samples: readonly number[]): Figure | null {
  const sorted = samples.filter((sample) => Number.isFinite(sample) && sample > 0).sort((a, b) => a - b)
  if (sorted.length === 0) return null
  const median = quantile(sorted, 0.5)
  return { median, spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / median }
}

/** Between the two samples that are nearest to it. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1)
  const below = Math.floor(at)
  const rest = at - below
  return rest === 0 ? sorted[below]! : sorted[below]! * (1 - rest) + sorted[below + 1]! * rest
}
