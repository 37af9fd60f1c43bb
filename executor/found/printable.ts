const LONGEST = 255

/** A name that somebody else chose, as it may be shown: one line, no control characters, not endless. May be empty. */
export function printable(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '?').trim()
  return clean.length > LONGEST ? `${clean.slice(0, LONGEST - 3).replace(/[\ud800-\udbff]$/, '')}...` : clean
}
