/** YAML 1.2 (core schema: no dates, no merge keys, no types of others) as the values that JSON has. */

import { InputError } from '../errors.js'

const MAX_DEPTH = 32
const MAX_ALIASES = 1000
/** Of a whole file; what an alias stands for counts each time. */
const MAX_VALUES = 100_000

/**
 * The value of a YAML document in which no mapping has a key twice. JSON is YAML, too.
 * @throws {InputError} with the place as `line N, column N`, and for what would grow beyond all bounds
 */
export async function parseYaml(text: string): Promise<unknown> {
  // Loaded for a file in YAML and not before.
  const { load, YAMLException } = await import('js-yaml')
  let value: unknown
  try {
    value = load(text, { maxDepth: MAX_DEPTH, maxAliases: MAX_ALIASES })
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error
    const { mark, reason } = error
    const where = mark === undefined ? '' : `line ${mark.line + 1}, column ${mark.column + 1}`
    throw new InputError(where, 'YAML', reason)
  }
  return unshared(value)
}

/** The value with a copy of its own wherever an alias stands. */
function unshared(value: unknown): unknown {
  let count = 0
  const copy = (part: unknown, depth: number): unknown => {
    if (++count > MAX_VALUES || depth > MAX_DEPTH) {
      throw new InputError(
        '',
        `YAML of at most ${MAX_VALUES} values, ${MAX_DEPTH} deep, with what aliases stand for`,
        'more',
      )
    }
    if (Array.isArray(part)) return part.map((element) => copy(element, depth + 1))
    if (typeof part !== 'object' || part === null) return part
    return Object.fromEntries(Object.entries(part).map(([key, element]) => [key, copy(element, depth + 1)]))
  }
  return copy(value, 0)
}
