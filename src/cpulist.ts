/**
 * Sets of CPUs and nodes as text: cpulists (`0-3,8`) and the kernel's hexadecimal masks (`0000ffff,00000001`).
 * Sources: Documentation/admin-guide/kernel-parameters.rst ("cpu lists"), taskset(1) for strides, virsh(1) for exclusions.
 */

import { InputError, show } from './errors.js'

/** The largest CPU or node number that is believed; far above what any kernel is built for (8192). */
export const MAX_ID = 65_535

export interface CpulistOptions {
  /** Place of the text, for error messages. */
  readonly where?: string
  /** What the word `all` stands for; without it the word is refused. */
  readonly all?: readonly number[]
  /** May the set be empty (the text too). */
  readonly allowEmpty?: boolean
  /** How many numbers it may have. */
  readonly most?: number
}

const PART = /^(?<not>\^?)(?<first>\d+)(?:-(?<last>\d+)(?::(?<stride>\d+))?)?$/

const ONE = /^\d{1,5}$/

/** How many numbers strides and `all` may name in a list, in all. Each of them is looked at; a range is taken as a whole. */
const MAX_STEPS = 2 ** 21

/**
 * The set that a list stands for while it is read. It has a byte for each number, so a range costs next to nothing, however
 * often numbers are named. It has one byte more, since `all` may stand for a number that no list can name.
 */
const isMember = new Uint8Array(MAX_ID + 2)
/** Outside of these no byte is set: a short list does not look at all of them. */
let lowest = 0
let highest = MAX_ID + 1

/**
 * The numbers of a cpulist, ascending, each once. Parts are evaluated from left to right: `5`, `0-3`, every second of
 * a range `0-31:2`, and each of these with a `^` before it to take them out again; `all` where `options.all` is given.
 * @throws {InputError} that shows the part which is not understood
 */
export function parseCpulist(text: string, options: CpulistOptions = {}): number[] {
  // The list of a pinned vCPU: plans have thousands of them.
  if (ONE.test(text) && Number(text) <= MAX_ID && (options.most ?? 1) > 0) return [Number(text)]
  const ids: number[] = []
  for (const [first, last] of rangesOf(text, options)) for (let id = first; id <= last; id++) ids.push(id)
  return ids
}

/** The same set in the kernel's form, as `formatCpulist` has it. */
export function canonicalCpulist(text: string, options: CpulistOptions = {}): string {
  return Array.from(rangesOf(text, options), ([first, last]) =>
    first === last ? `${first}` : `${first}-${last}`,
  ).join()
}

/** Ascending, with a gap after each. */
function rangesOf(text: string, options: CpulistOptions): [first: number, last: number][] {
  const where = options.where ?? 'cpulist'
  const trimmed = text.trim()
  isMember.fill(0, lowest, highest + 1)
  lowest = MAX_ID + 1
  highest = 0
  let steps = 0
  for (const raw of trimmed === '' ? [] : trimmed.split(',')) {
    steps += take(raw.trim(), where, options.all)
    if (steps > MAX_STEPS) throw new InputError(where, `strides of at most ${MAX_STEPS} numbers in all`, 'more')
  }
  const ranges: [number, number][] = []
  for (let first = isMember.indexOf(1, lowest); first >= 0; ) {
    const end = isMember.indexOf(0, first)
    const last = (end < 0 ? isMember.length : end) - 1
    ranges.push([first, last])
    if (ranges.length > (options.most ?? Number.POSITIVE_INFINITY)) break
    first = last < highest ? isMember.indexOf(1, last + 1) : -1
  }
  const size = ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0)
  if (size > (options.most ?? size)) throw new InputError(where, `at most ${options.most} numbers`, show(text))
  if (size === 0 && !options.allowEmpty) {
    throw new InputError(where, 'a cpulist with at least one number', show(text))
  }
  return ranges
}

/** Takes a part into the set, or out of it; returns how many numbers it had to look at one by one. */
function take(part: string, where: string, all: readonly number[] | undefined): number {
  const value = part.startsWith('^') ? 0 : 1
  if (all !== undefined && (part === 'all' || part === '^all')) {
    for (const id of all) {
      isMember[id] = value
      widen(id, id)
    }
    return all.length
  }
  const groups = PART.exec(part)?.groups
  if (groups === undefined) {
    throw new InputError(where, `a cpulist such as "0-3,8", "0-31:2" or "0-7,^2"${all ? ' or "all"' : ''}`, show(part))
  }
  const first = Number(groups.first)
  const last = Number(groups.last ?? first)
  const stride = Number(groups.stride ?? 1)
  if (last > MAX_ID || first > MAX_ID) throw new InputError(where, `numbers up to ${MAX_ID}`, show(part))
  if (last < first) throw new InputError(where, 'a range that ascends', show(part))
  if (stride < 1 || stride > MAX_ID) throw new InputError(where, `a stride from 1 to ${MAX_ID}`, show(part))
  widen(first, last)
  if (stride === 1) {
    isMember.fill(value, first, last + 1)
    return 0
  }
  for (let id = first; id <= last; id += stride) isMember[id] = value
  return Math.floor((last - first) / stride) + 1
}

function widen(first: number, last: number): void {
  lowest = Math.min(lowest, first)
  highest = Math.max(highest, last)
}

/** The canonical form of the kernel: ascending ranges, `0-3,8`; the empty string for no numbers. */
export function formatCpulist(ids: Iterable<number>): string {
  const sorted = ascending(ids)
  const parts: string[] = []
  for (let at = 0; at < sorted.length; ) {
    const first = sorted[at]!
    let last = first
    while (sorted[at + 1] === last + 1) last = sorted[++at]!
    at++
    parts.push(last === first ? `${first}` : `${first}-${last}`)
  }
  return parts.join(',')
}

/** Fewer numbers are written one by one. */
const LEAST_STRIDE = 4

/** For people: as `formatCpulist`, with strides (`0-14:2`) where four or more numbers ascend evenly. `parseCpulist` reads it. */
export function shortCpulist(ids: Iterable<number>): string {
  const sorted = ascending(ids)
  const parts: string[] = []
  for (let at = 0; at < sorted.length; ) {
    const first = sorted[at]!
    const stride = (sorted[at + 1] ?? first) - first
    let end = at + 1
    while (sorted[end] === first + (end - at) * stride) end++
    const last = sorted[end - 1]!
    if (stride > 1 && end - at < LEAST_STRIDE) end = at + 1
    if (end === at + 1) parts.push(`${first}`)
    else parts.push(stride === 1 ? `${first}-${last}` : `${first}-${last}:${stride}`)
    at = end
  }
  return parts.join(',')
}

/**
 * The numbers of a hexadecimal mask, ascending: words of 32 bits, the highest first, with commas between them. A
 * single word may be longer, and each may begin with `0x`.
 * @throws {InputError} for anything else
 */
export function parseCpumask(text: string, where = 'cpumask'): number[] {
  const words = text
    .trim()
    .split(',')
    .map((word) => word.replace(/^0x/i, ''))
  if (words.some((word, at) => !/^[0-9a-f]+$/i.test(word) || (at > 0 && word.length > 8))) {
    throw new InputError(where, 'a hexadecimal mask such as "ffff" or "00000001,00000000"', show(text))
  }
  const all = words
    .map((word, at) => (at === 0 ? word : word.padStart(8, '0')))
    .join('')
    .replace(/^0+/, '')
  if (all.length > (MAX_ID + 1) / 4) throw new InputError(where, `bits up to ${MAX_ID}`, show(text))
  const ids: number[] = []
  for (let at = all.length - 1, base = 0; at >= 0; at--, base += 4) {
    const nibble = Number.parseInt(all[at]!, 16)
    for (let bit = 0; bit < 4; bit++) if (nibble & (1 << bit)) ids.push(base + bit)
  }
  return ids
}

/** The kernel's form of a mask: words of 32 bits as eight digits each, the highest first. */
export function formatCpumask(ids: Iterable<number>): string {
  const words: number[] = [0]
  for (const id of ids) {
    const word = id >>> 5
    while (words.length <= word) words.push(0)
    words[word] = (words[word]! | (1 << (id & 31))) >>> 0
  }
  return words
    .map((word) => word.toString(16).padStart(8, '0'))
    .reverse()
    .join(',')
}

/** Each once. */
function ascending(ids: Iterable<number>): number[] {
  const all = [...ids]
  const isAscending = all.every((id, at) => at === 0 || all[at - 1]! < id)
  return isAscending ? all : [...new Set(all)].sort((a, b) => a - b)
}
