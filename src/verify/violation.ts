/** What a check finds, with what it takes to see whether another state has the same. */

import type { Finding } from '../errors.js'

export interface Violation extends Finding {
  /** Who takes part, each where it is. Absent: the text has all of it. */
  readonly parties?: readonly string[]
  /** By how much, where that is a matter of more and less. */
  readonly excess?: number
}

export function findingOf({ parties: _, excess: __, ...finding }: Violation): Finding {
  return finding
}

/** Is `now` what `before` was, or a part of it. */
export function isLeftOf(now: Violation, before: Violation): boolean {
  if (now.constraint !== before.constraint) return false
  const { parties } = before
  if (now.parties === undefined || parties === undefined) return now.text === before.text
  return now.parties.every((party) => parties.includes(party)) && (now.excess ?? 0) <= (before.excess ?? 0)
}
