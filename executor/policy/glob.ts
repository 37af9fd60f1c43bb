/** Patterns with `*` (any characters, also none) and `?` (one), as a shell has them; all else stands for itself. */

/** Whether all of `text` is as `pattern` says. Never more than their lengths multiplied. */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0
  let from = 0
  // Where to go on if what comes after the last star does not fit.
  let star = -1
  let retry = 0
  while (from < text.length) {
    if (pattern[at] === '*') {
      star = at++
      retry = from
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[from])) {
      at++
      from++
    } else if (star >= 0) {
      at = star + 1
      from = ++retry
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}
