/** The kinds of field that a request is made of, as zod schemas: sizes, sets and names as text, bounded numbers. */

import * as z from 'zod'
import { MAX_ID, parseCpulist } from '../cpulist.js'
import { InputError } from '../errors.js'
import { formatBytes, parseBytes } from '../units.js'

/** The granule of guest memory in a request: the smallest page of every architecture that has KVM. */
export const GRANULE = 4096
export const MAX_MEMORY = 2 ** 50

/** Parses a value that `schema` takes. If `parse` refuses it, that becomes an issue of the field. */
export function read<Schema extends z.ZodType, Value>(schema: Schema, parse: (value: z.output<Schema>) => Value) {
  return schema.transform((value, context): Value => {
    try {
      return parse(value)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      context.addIssue({ code: 'custom', message: error.expected, params: { got: error.got } })
      return z.NEVER
    }
  })
}

/** Bytes, given with a unit. */
export const size = read(z.unknown(), (value) => parseBytes(value, '')).meta({
  type: 'string',
  examples: ['512MiB', '16GiB'],
})

/** Memory of a guest: whole granules, at least one. */
export const guestMemory = size
  .refine((bytes) => bytes > 0, { error: 'more than 0 bytes' })
  .refine((bytes) => bytes % GRANULE === 0, { error: `a multiple of ${formatBytes(GRANULE)}` })
  .refine((bytes) => bytes <= MAX_MEMORY, { error: `at most ${formatBytes(MAX_MEMORY)}` })

const PAGE_SIZE = `a page size of the host, such as 4KiB, 2MiB or 1GiB (a power of two from ${formatBytes(GRANULE)}), or "any"`

/** Bytes of a page, or `any`. Which sizes there are depends on the host, and a request is read without one. */
export const pageSize = read(z.unknown(), (value) => (value === 'any' ? 'any' : parseBytes(value, '')))
  .refine((bytes) => bytes === 'any' || isPageSize(bytes), { error: PAGE_SIZE })
  .meta({ type: 'string', examples: ['any', '4KiB', '64KiB', '2MiB', '1GiB'] })

function isPageSize(bytes: number): boolean {
  return bytes >= GRANULE && bytes <= MAX_MEMORY && Number.isInteger(Math.log2(bytes))
}

/** Bytes a second: a number, or a size with a unit and perhaps `/s`. */
export const bandwidth = z.union([
  z.number({ error: 'bytes a second' }).min(0).max(Number.MAX_SAFE_INTEGER),
  read(z.string({ error: 'a size with a unit, such as "10GB/s"' }), (text) => parseBytes(text.replace(/\/s$/, ''), '')),
])

/** A set of numbers as text, still to be read. */
export const cpulistText = z.string({ error: 'a cpulist such as "0-3,8"' })

/** As many as any kernel is built for. */
const MAX_NODES = 1024
const nodeListText = z.string({ error: 'a list of nodes such as "0-3,8"' })

/** Nodes as text, perhaps none. */
export const nodesOrNone = read(nodeListText, (text) => parseCpulist(text, { allowEmpty: true, most: MAX_NODES }))

/** Nodes as text, at least one. */
export const nodeList = read(nodeListText, (text) => parseCpulist(text, { most: MAX_NODES }))

/** CPUs of a host that is not known yet, perhaps none: these, or with `all` every one but these. */
export const hostCpus = read(cpulistText, (text) => {
  const named = parseCpulist(text.replaceAll('^', ''), { allowEmpty: true, all: [] })
  // One more CPU stands for all that are not named. Only `all` reaches it.
  const others = MAX_ID + 1
  const ids = new Set(parseCpulist(text, { allowEmpty: true, all: [...named, others] }))
  return ids.has(others) ? { allBut: named.filter((id) => !ids.has(id)) } : [...ids]
})

const MAX_NAME = 255
const NAME = `a name of 1 to ${MAX_NAME} printable characters, no space at its ends`

/** What is shown in tables and messages: no control characters, no line breaks. */
export const name = z
  .string({ error: NAME })
  .refine((text) => text.length <= MAX_NAME && /^(?! )[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+(?<! )$/u.test(text), {
    error: NAME,
  })

/** A whole number from `min` to `max`. */
export function whole(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error })
}

/** A number from `min` to `max`. */
export function between(min: number, max: number) {
  const error = `a number from ${min} to ${max}`
  return z.number({ error }).min(min, { error }).max(max, { error })
}

/** A number above 0, up to `max`. */
export function positive(max: number) {
  const error = `a number above 0, up to ${max}`
  return z.number({ error }).gt(0, { error }).max(max, { error })
}

/** The number of a CPU, a node, a vCPU or a cell. */
export const id = whole(0, MAX_ID)
