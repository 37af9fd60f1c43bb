/**
 * hwloc's description of a synthetic machine, read into levels: `pack:2 [numa(memory=64GB)] l3:2 core:8 pu:2`.
 * Source: hwloc 2 documentation, "Synthetic topologies"; what is accepted was compared with lstopo 2.9.
 */

import { InputError, show } from '../errors.js'
import { parseBytes } from '../units.js'

export type LevelType = 'machine' | 'package' | 'die' | 'group' | 'numa' | 'core' | 'pu' | `l${number}` | `l${number}i`

/** A text with its place in the description, counted from 0. */
export interface Placed {
  readonly text: string
  readonly at: number
}

/** A memory of its own for each object of a level. */
export interface AttachedNode {
  readonly at: number
  /** Bytes. */
  readonly memory: number | undefined
  readonly indexes: Placed | undefined
}

/** `count` objects in each object of the level before. */
export interface Level {
  readonly type: LevelType
  readonly count: number
  readonly at: number
  /** Bytes; of a NUMA level. */
  readonly memory: number | undefined
  /** How the objects are numbered by the operating system; otherwise 0, 1, ... */
  readonly indexes: Placed | undefined
  readonly attached: readonly AttachedNode[]
}

const MAX_LEVELS = 128
const MAX_COUNT = 4096

/** Names as hwloc matches them: the beginning of one of these, of at least two letters. */
const TYPES: readonly (readonly [string, LevelType])[] = [
  ['package', 'package'],
  ['socket', 'package'],
  ['die', 'die'],
  ['group', 'group'],
  ['numanode', 'numa'],
  ['node', 'numa'],
  ['core', 'core'],
  ['pu', 'pu'],
]
const EXPECTED_TYPE = 'a level: package, die, group, numa, l1 to l5, core or pu'

export function fail(at: number, expected: string, got: string): never {
  throw new InputError(`character ${at + 1}`, expected, got)
}

/** The type that a name stands for. `l2`, `l1d`, `l3u` and `l2cache` hold data; `l1i` does not. */
export function levelType(name: string): LevelType | undefined {
  const lower = name.toLowerCase()
  const cache = /^l([1-5])([diu]?)(?:cache)?$/.exec(lower)
  if (cache !== null) return cache[2] === 'i' ? `l${Number(cache[1])}i` : `l${Number(cache[1])}`
  const word = lower.replace(/\d+$/, '')
  return word.length < 2 ? undefined : TYPES.find(([full]) => full.startsWith(word))?.[1]
}

/**
 * The levels, from the machine (a single object, level 0) down to the PUs.
 * @throws {InputError} with the place as `character N`
 */
export function parseSyntheticSpec(spec: string): readonly Level[] {
  const cursor = cursorOver(spec)
  const attached = [readAttached(cursor)]
  const levels: (Omit<Level, 'type' | 'attached'> & { readonly type: LevelType | undefined })[] = []
  while (!cursor.atEnd()) {
    if (levels.length === MAX_LEVELS) fail(cursor.at(), `at most ${MAX_LEVELS} levels`, cursor.rest())
    levels.push(readLevel(cursor))
    attached.push(readAttached(cursor))
  }
  const types = typesOf(levels, attached.flat().length > 0)
  const machine: Level = {
    type: 'machine',
    count: 1,
    at: 0,
    memory: undefined,
    indexes: undefined,
    attached: attached[0]!,
  }
  const typed = levels.map((level, index) => ({ ...level, type: types[index]!, attached: attached[index + 1]! }))
  for (const level of typed) {
    if (level.memory !== undefined && level.type !== 'numa') fail(level.at, 'memory= on a NUMA node only', level.type)
  }
  return [machine, ...typed]
}

function readLevel(cursor: Cursor) {
  const at = cursor.at()
  const name = cursor.take(/[a-z][a-z0-9]*/iy)
  const type = name === undefined ? undefined : (levelType(name) ?? fail(at, EXPECTED_TYPE, show(name)))
  if (name !== undefined && cursor.take(/:/y) === undefined) cursor.fail(`":" and a count after ${show(name)}`)
  const countAt = cursor.at()
  const digits = cursor.take(/\d+/y) ?? cursor.fail(name === undefined ? EXPECTED_TYPE : 'a count')
  const count = Number(digits)
  if (digits.startsWith('0') || count > MAX_COUNT) fail(countAt, `a count from 1 to ${MAX_COUNT}`, digits)
  const attributes = readAttributes(cursor, type === undefined || !/^l\d/.test(type) ? 'memory' : 'size')
  if (cursor.take(/\s+|(?=\[)|(?=[a-z])/iy) === undefined && !cursor.atEnd()) cursor.fail('a space between levels')
  return { type, count, at, ...attributes }
}

/** NUMA nodes in brackets, which belong to the level before. */
function readAttached(cursor: Cursor): readonly AttachedNode[] {
  const nodes: AttachedNode[] = []
  for (cursor.take(/\s+/y); cursor.take(/\[/y) !== undefined; cursor.take(/\s+/y)) {
    const at = cursor.at()
    const name = cursor.take(/[a-z][a-z0-9]*/iy)
    if (name === undefined || levelType(name) !== 'numa')
      fail(at, '"numa" in the brackets', name ? show(name) : cursor.rest())
    const attributes = readAttributes(cursor, 'memory')
    if (cursor.take(/\]/y) === undefined) cursor.fail('"]"')
    nodes.push({ at, ...attributes })
  }
  return nodes
}

/** `(memory=64GB indexes=0,2,1,3)`; of caches, the size is checked and not used. */
function readAttributes(cursor: Cursor, sizeName: 'memory' | 'size') {
  let memory: number | undefined
  let indexes: Placed | undefined
  if (cursor.take(/\(/y) === undefined) return { memory, indexes }
  while (cursor.take(/\s*\)/y) === undefined) {
    cursor.take(/\s+/y)
    const names = sizeName === 'memory' ? /(memory|indexes)=/y : /(size|indexes)=/y
    const name = cursor.take(names) ?? cursor.fail(`${sizeName}=, indexes= or ")"`)
    const at = cursor.at()
    const text = cursor.take(/[^\s)]+/y) ?? cursor.fail(`a value after ${name}`)
    if (name === 'indexes=') indexes = { text, at }
    else memory = parseBytes(/^\d+$/.test(text) ? `${text}B` : text, `character ${at + 1}`)
  }
  return { memory: sizeName === 'memory' ? memory : undefined, indexes }
}

/** The types of all levels; in a description without types hwloc's own, by their number. */
function typesOf(
  levels: readonly { readonly type: LevelType | undefined; readonly at: number; readonly count: number }[],
  hasAttached: boolean,
): readonly LevelType[] {
  const last = levels.at(-1)
  if (last === undefined) fail(0, 'levels, such as "pack:2 core:4 pu:2"', 'none')
  if (last.type !== undefined && last.type !== 'pu') fail(last.at, '"pu" as the last level', show(last.type))
  const upper = levels.slice(0, -1)
  const untyped = upper.filter(({ type }) => type === undefined)
  if (untyped.length > 0 && untyped.length < upper.length) {
    fail(untyped[0]!.at, 'types for all levels or for none', 'some without')
  }
  const named = untyped.length > 0 ? defaultTypes(upper.length, hasAttached) : upper.map(({ type }) => type!)
  const types: LevelType[] = [...named, 'pu']
  types.forEach((type, index) => {
    const repeated = types.indexOf(type) < index && !/^(group|l\d)/.test(type)
    if (repeated) fail(levels[index]!.at, `one ${type} level only`, 'another one')
    if (type === 'numa' && hasAttached) fail(levels[index]!.at, 'NUMA nodes as a level or in brackets', 'both')
  })
  return types
}

/** Which types hwloc gives to levels without one: some first, and then in the order from the outside. */
function defaultTypes(count: number, hasAttached: boolean): readonly LevelType[] {
  const byPriority: LevelType[] = ['numa', 'package', 'core', 'l2', 'l1', 'l3', 'l1i']
  const chosen = byPriority.filter((type) => type !== 'numa' || !hasAttached).slice(0, count)
  const groups = Array.from({ length: count - chosen.length }, (): LevelType => 'group')
  const fromOutside: LevelType[] = ['package', 'numa', 'l3', 'l2', 'l1', 'l1i', 'core']
  return [...groups, ...fromOutside.filter((type) => chosen.includes(type))]
}

/** A place in a text, which moves on as pieces of it are taken. */
function cursorOver(text: string) {
  let at = 0
  const atEnd = () => at === text.length
  const rest = () => (atEnd() ? 'the end' : show(text.slice(at)))
  return {
    at: () => at,
    atEnd,
    /** What is left, for an error message. */
    rest,
    /** The piece here that a sticky expression matches, if any. */
    take(expression: RegExp): string | undefined {
      expression.lastIndex = at
      const piece = expression.exec(text)?.[0]
      at += piece?.length ?? 0
      return piece
    },
    fail: (expected: string): never => fail(at, expected, rest()),
  }
}
type Cursor = ReturnType<typeof cursorOver>
