/** The files of sysfs and procfs as values. Whatever is missing or cannot be understood is `undefined`. */

import { MAX_ID, parseCpulist, parseCpumask } from '../cpulist.js'

/**
 * Where the files come from: a root directory, an archive, an object in a test. Paths are relative to the root,
 * without a slash before them: `sys/devices/system/cpu/online`.
 */
export interface SysReader {
  /** The content, one character for each byte; `undefined` where it cannot be read. */
  readFile(path: string): string | undefined
  /** The names in a directory, in any order; none where it cannot be read. */
  list(directory: string): readonly string[]
}

/** Text without the NUL bytes that some kernels end their files with, and without white space around it. */
export function readText(reader: SysReader, path: string): string | undefined {
  return reader.readFile(path)?.replaceAll('\0', '').trim()
}

export function readInteger(reader: SysReader, path: string): number | undefined {
  const text = readText(reader, path)
  const value = text !== undefined && /^-?\d+$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) ? value : undefined
}

/** A set of numbers from a file with a cpulist; an empty file is the empty set. */
export function readList(reader: SysReader, path: string): number[] | undefined {
  return parsed(readText(reader, path), (text) => parseCpulist(text, { allowEmpty: true }))
}

/** A set of numbers from a file with a hexadecimal mask. */
export function readMask(reader: SysReader, path: string): number[] | undefined {
  return parsed(readText(reader, path), parseCpumask)
}

/**
 * The set of CPUs that `member` belongs to, from the list, or else from the mask. A set without it is passed over: some
 * kernels show an empty or a wrong one in one of the two files.
 */
export function readSetOf(reader: SysReader, member: number, list: string, mask: string): number[] | undefined {
  const listed = readList(reader, list)
  if (listed?.includes(member)) return listed
  const masked = readMask(reader, mask)
  return masked?.includes(member) ? masked : undefined
}

function parsed(text: string | undefined, parse: (text: string) => number[]): number[] | undefined {
  if (text === undefined) return undefined
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

/** The numbers N of the entries `<prefix>N` of a directory, ascending. */
export function listNumbered(reader: SysReader, directory: string, prefix: string): number[] {
  const numbers = reader
    .list(directory)
    .filter((name) => name.startsWith(prefix) && /^\d{1,5}$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
  return numbers.filter((number) => number <= MAX_ID).sort((a, b) => a - b)
}

/** The counters that pages make up, in bytes by name. Those of a node are `Node 0 MemTotal: 65536 kB`. */
export function readMeminfo(reader: SysReader, path: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>()
  for (const match of reader.readFile(path)?.matchAll(/^(?:Node \d+ )?([\w()]+): *(\d{1,12}) kB/gm) ?? []) {
    counters.set(match[1]!, Number(match[2]) * 1024)
  }
  return counters
}
