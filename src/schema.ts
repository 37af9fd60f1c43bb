/**
 * Validation with zod, with the house's errors. A message that a schema gives of its own (`z.string({ error })`,
 * `.regex(re, message)`, custom issues) is the text of what is expected: `a cpulist such as "0-3,8"`. A custom issue
 * may have `params: { got }`, the text of what was found, where that is not the value at its path.
 */

import * as z from 'zod'
import { InputError, show } from './errors.js'

/**
 * `input` as `schema` gives it, defaults filled in.
 * @throws {InputError} for the first thing that does not fit, fields that are not known before all others: most of
 * them are misspelt, and then the field that is missing is not what needs mending
 */
export function parseWith<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  checkLists(schema, input, [], input)
  const result = schema.safeParse(input, { error: expectationOf })
  if (result.success) return result.data
  throw errorOf(firstOf(result.error.issues), input)
}

function firstOf(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue {
  return issues.find(isUnknownField) ?? issues[0]!
}

/** So many elements of a list are looked at together. */
const PART = 64
const partSchemas = new WeakMap<z.ZodArray, z.ZodArray>()

/** Elements of a list, without what holds for it as a whole. */
function partSchema(list: z.ZodArray): z.ZodArray {
  const known = partSchemas.get(list) ?? z.array(list.element)
  partSchemas.set(list, known)
  return known
}

/**
 * zod collects what is wrong with every element. For a long list this takes seconds and all memory. So long lists are checked first, the
 * innermost before those around them, each up to the first elements that do not fit; and objects with names of any kind likewise. No list may
 * have more elements than its limit.
 * @throws {InputError}
 */
function checkLists(schema: unknown, value: unknown, path: readonly PropertyKey[], input: unknown): void {
  const inner = unwrapped(schema)
  if (inner instanceof z.ZodUnion) {
    for (const option of inner.options) checkLists(option, value, path, input)
  } else if (inner instanceof z.ZodObject) {
    if (typeof value !== 'object' || value === null) return
    for (const [name, field] of Object.entries(inner.shape)) {
      if (Object.hasOwn(value, name)) checkLists(field, Reflect.get(value, name), [...path, name], input)
    }
  } else if (inner instanceof z.ZodRecord && typeof value === 'object' && value !== null) {
    for (const [name, element] of Object.entries(value)) {
      checkLists(inner.valueType, element, [...path, name], input)
      const { error } = inner.safeParse({ [name]: element }, { error: expectationOf })
      if (error !== undefined) {
        const { path: within, ...issue } = firstOf(error.issues)
        throw errorOf({ ...issue, path: [...path, ...within] } as z.core.$ZodIssue, input)
      }
    }
  } else if (inner instanceof z.ZodArray && Array.isArray(value)) {
    const most = mostOf(inner)
    if (value.length > most) {
      throw new InputError(formatPath(path), limit('at most', most, 'array'), show(value))
    }
    if (hasParts(inner.element)) {
      for (const [at, element] of value.entries()) checkLists(inner.element, element, [...path, at], input)
    }
    for (let from = 0; from < value.length && value.length > PART; from += PART) {
      const { error } = partSchema(inner).safeParse(value.slice(from, from + PART), { error: expectationOf })
      if (error === undefined) continue
      const { path: within, ...issue } = firstOf(error.issues)
      const [at, ...rest] = within
      throw errorOf({ ...issue, path: [...path, from + Number(at), ...rest] } as z.core.$ZodIssue, input)
    }
  }
}

/** How many elements a list may have. */
function mostOf(list: z.ZodArray): number {
  const limits = (list.def.checks ?? []).map(({ _zod: { def } }) =>
    'maximum' in def && typeof def.maximum === 'number' ? def.maximum : Number.POSITIVE_INFINITY,
  )
  return Math.min(...limits)
}

/** Whether lists may be in it. */
function hasParts(schema: unknown): boolean {
  const inner = unwrapped(schema)
  return inner instanceof z.ZodObject || inner instanceof z.ZodArray || inner instanceof z.ZodUnion
}

/** A schema without what only says what stands for nothing, or what becomes of it. */
function unwrapped(schema: unknown): unknown {
  let inner = schema
  for (;;) {
    if (inner instanceof z.ZodPipe) inner = inner.in
    else if (
      inner instanceof z.ZodOptional ||
      inner instanceof z.ZodNullable ||
      inner instanceof z.ZodDefault ||
      inner instanceof z.ZodPrefault
    )
      inner = inner.unwrap()
    else return inner
  }
}

/** A path as the messages have it: `vms[2].memory`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`
    const name = String(key)
    if (!/^[\p{L}_$][\p{L}\d_$-]{0,79}$/u.test(name)) return `${text}[${show(name)}]`
    return text === '' ? name : `${text}.${name}`
  }, '')
}

const isUnknownField = (issue: z.core.$ZodIssue): boolean => issue.code === 'unrecognized_keys'

function errorOf(issue: z.core.$ZodIssue, input: unknown): InputError {
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path
  if (issue.code === 'invalid_union') {
    const nested = deepest(issue.errors)
    if (nested !== undefined) return errorOf({ ...nested, path: [...issue.path, ...nested.path] }, input)
  }
  if (issue.code === 'invalid_key') return new InputError(formatPath(path), issue.message, show(path.at(-1)))
  const given = issue.code === 'custom' ? issue.params?.got : undefined
  return new InputError(formatPath(path), issue.message, typeof given === 'string' ? given : show(valueAt(input, path)))
}

/** The issue of the alternative that got furthest into the value: the one that was meant. */
function deepest(alternatives: readonly (readonly z.core.$ZodIssue[])[]): z.core.$ZodIssue | undefined {
  const meant = alternatives.map((issues) => issues.find(isUnknownField) ?? issues[0])
  return meant.find((issue) => issue !== undefined && (issue.path.length > 0 || isUnknownField(issue)))
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined,
    input,
  )
}

const TYPES: Readonly<Record<string, string>> = {
  int: 'a whole number',
  array: 'an array',
  object: 'an object',
  record: 'an object',
  boolean: 'true or false',
}

/** What belongs where the issue is, in words. */
function expectationOf(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? `a ${issue.expected}`
    case 'invalid_value':
      return oneOf(issue.values.map((value) => show(value)))
    case 'invalid_union':
      return issue.errors.length === 0
        ? oneOf(Array.from((issue.options ?? []) as Iterable<unknown>, show))
        : oneOf(issue.errors.map((issues) => issues[0]?.message ?? 'something else'))
    case 'too_small':
      return limit(issue.inclusive === false ? 'more than' : 'at least', issue.minimum, issue.origin)
    case 'too_big':
      return limit(issue.inclusive === false ? 'less than' : 'at most', issue.maximum, issue.origin)
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'another name'
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`
    case 'unrecognized_keys':
      return knownFields(issue.inst)
    default:
      return issue.message ?? 'something else'
  }
}

const COUNTED: Readonly<Record<string, string>> = { string: 'character', array: 'element' }

function limit(relation: string, bound: number | bigint, origin: string): string {
  const counted = COUNTED[origin]
  return `${relation} ${bound}${counted === undefined ? '' : ` ${counted}${bound === 1 ? '' : 's'}`}`
}

function knownFields(schema: unknown): string {
  return schema instanceof z.ZodObject ? `one of the fields ${Object.keys(schema.shape).join(', ')}` : 'no such field'
}

function oneOf(alternatives: readonly string[]): string {
  const unique = [...new Set(alternatives)]
  return unique.length < 2 ? unique.join() : `${unique.slice(0, -1).join(', ')} or ${unique.at(-1)}`
}
