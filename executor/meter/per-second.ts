/**
 * How much a counter grew, a second. `null` where it is not known, or has become less: it was begun anew.
 * @param seconds between the two
 */
export function perSecond(
  before: number | null | undefined,
  after: number | null | undefined,
  seconds: number,
): number | null {
  if (before === null || before === undefined || after === null || after === undefined) return null
  return seconds > 0 && after >= before ? (after - before) / seconds : null
}
