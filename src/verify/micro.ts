/** Whole millionths: of vCPUs in costs, of CPUs in demands (docs/model.md, "Rounding"). */

export const MICRO = 1_000_000

/** round(x) = floor(x + 0.5) of a double. */
export function round(value: number): number {
  return Math.floor(value + 0.5)
}
