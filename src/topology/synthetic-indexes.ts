/**
 * The numbers that the operating system gives to the objects of a synthetic level.
 * Source: hwloc 2 documentation, "Synthetic topologies", `indexes=`
 */

import { MAX_ID } from '../cpulist.js'
import { show } from '../errors.js'
import { fail, type LevelType, levelType, type Placed } from './synthetic-spec.js'

/** One digit of a mixed-radix number: of object j it is floor(j / step) mod count. */
interface Loop {
  readonly step: number
  readonly count: number
}

/** A level's type and the number of its objects in the whole machine. */
export interface Width {
  readonly type: LevelType
  readonly width: number
}

/**
 * The numbers of `total` objects, in their order, as `indexes=` has them: all of them (`0,2,1,3`), by interleaving
 * (`2*4:1*2`, pairs of step and count, the fastest first), or by the levels to go along (`core:pack`, with what is
 * below the lowest of them last).
 * @throws {InputError} with the place as `character N`
 */
export function objectIndexes(indexes: Placed | undefined, total: number, levels: readonly Width[]): readonly number[] {
  if (indexes === undefined) return Array.from({ length: total }, (_, index) => index)
  const { text, at } = indexes
  const numbers = /^[\d,]+$/.test(text) ? listed(indexes) : interleaved(indexes, total, levels)
  if (numbers.length !== total) fail(at, `${total} numbers`, `${numbers.length}`)
  if (new Set(numbers).size !== total) fail(at, 'numbers that differ', show(text))
  return numbers
}

function listed({ text, at }: Placed): readonly number[] {
  const words = text.split(',')
  const wrong = words.find((word) => !/^\d{1,6}$/.test(word) || Number(word) > MAX_ID)
  if (wrong !== undefined) fail(at, `numbers up to ${MAX_ID} with commas between them`, show(wrong))
  return words.map(Number)
}

function interleaved(indexes: Placed, total: number, levels: readonly Width[]): readonly number[] {
  const { text, at } = indexes
  const given = /^\d/.test(text) ? givenLoops(indexes) : loopsOfLevels(indexes, total, levels)
  const covered = given.reduce((product, { count }) => product * count, 1)
  const missing = total / covered
  const innermost = Math.min(...given.map(({ step }) => step))
  if (missing !== 1 && missing !== innermost)
    fail(at, `an interleaving of ${total} objects`, `${show(text)}, of ${covered}`)
  const loops = missing === 1 ? given : [...given, { step: 1, count: missing }]
  return Array.from({ length: total }, (_, object) => {
    let number = 0
    let weight = 1
    for (const { step, count } of loops) {
      number += (Math.floor(object / step) % count) * weight
      weight *= count
    }
    return number
  })
}

function givenLoops({ text, at }: Placed): readonly Loop[] {
  return text.split(':').map((pair) => {
    const [, step, count] =
      /^([1-9]\d{0,3})\*([1-9]\d{0,3})$/.exec(pair) ?? fail(at, 'step*count, such as 2*4', show(pair))
    return { step: Number(step), count: Number(count) }
  })
}

function loopsOfLevels({ text, at }: Placed, total: number, levels: readonly Width[]): readonly Loop[] {
  const widths = text.split(':').map((name) => {
    const type = levelType(name)
    return (
      levels.slice(0, -1).find((level) => level.type === type)?.width ??
      fail(at, 'levels of this machine above pu', show(name))
    )
  })
  return widths.map((width) => {
    const outer = Math.max(1, ...widths.filter((other) => other < width))
    return { step: total / width, count: width / outer }
  })
}
