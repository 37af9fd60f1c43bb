/** How much work is left to find an order of moves. It is counted, not timed, so the same input gives the same moves everywhere. */

import type { Change } from './rules.js'

export interface Effort {
  left: number
}

/** For each order that is tried without detours, for all with them, and for what would have to be free where none is found. */
export const EFFORT_TO_ORDER = 100_000
export const EFFORT_TO_PARK = 40_000
export const EFFORT_TO_SPARE = 20_000
/** What trying a change costs. Each seat of the change costs one more. */
const EACH = 16
/** CPUs, or cells that are in the way, that are looked at for one. */
const LOOKS_IN_ONE = 8

/** Counts an attempt to make the changes. */
export function spend(effort: Effort, changes: readonly Change[]): void {
  for (const { to } of changes) effort.left -= EACH + to.seats.length
}

/** Counts a look at so many CPUs or cells. */
export function spendOnLooks(effort: Effort, looks: number): void {
  effort.left -= looks / LOOKS_IN_ONE
}

export function isSpent(effort: Effort): boolean {
  return effort.left <= 0
}
