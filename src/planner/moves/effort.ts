/** How much work is left to find an order of moves. It is counted, not timed, so the same input gives the same moves everywhere. */

import type { Change } from './rules.js'
import type { Site } from './site.js'

export interface Effort {
  left: number
}

/** For each order that is tried, and for what would have to be free where none is found. */
export const EFFORT_TO_ORDER = 150_000
export const EFFORT_TO_SPARE = 100_000
/** What trying a change costs. Each seat of the change, and the guests that float beside it, cost more. */
const EACH = 16
const FLOATING_IN_ONE = 16
/** CPUs that are looked at for the same. */
const CPUS_IN_ONE = 8

/** Counts an attempt to make the changes. */
export function spend(effort: Effort, { floating }: Site, changes: readonly Change[]): void {
  for (const { to } of changes) {
    const beside = floating.get(to.seats[0]?.node ?? -1)?.size ?? 0
    effort.left -= EACH + to.seats.length + beside / FLOATING_IN_ONE
  }
}

/** Counts a look for free CPUs among so many. */
export function spendOnCpus(effort: Effort, cpus: number): void {
  effort.left -= cpus / CPUS_IN_ONE
}

export function isSpent(effort: Effort): boolean {
  return effort.left <= 0
}
