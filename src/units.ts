/**
 * Sizes in bytes, as text with a unit; numbers of things and lost vCPUs as text.
 * `K`, `Ki`, `KiB` and so on up to `TiB` are powers of 1024, `kB`, `MB`, `GB`, `TB` powers of 1000, `B` is one byte.
 */

import { InputError, show } from './errors.js'

const KIB = 1024
const BINARY = [
  ['TiB', KIB ** 4],
  ['GiB', KIB ** 3],
  ['MiB', KIB ** 2],
  ['KiB', KIB],
] as const

const BYTES_OF_UNIT: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ...BINARY,
  ...BINARY.map(([unit, bytes]): [string, number] => [unit.slice(0, 2), bytes]),
  ...BINARY.map(([unit, bytes]): [string, number] => [unit.slice(0, 1), bytes]),
  ...BINARY.map(([unit, bytes]): [string, number] => [unit.slice(0, 1).toLowerCase(), bytes]),
  ['kB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
])

const EXPECTED = 'a size with a unit, such as "512MiB" or "16GiB"'

/**
 * The bytes that `text` stands for: `512MiB`, `1.5G`, `64 kB`.
 * Numbers without a unit are refused: virsh reads them as KiB, QEMU as MiB.
 * @throws {InputError} at `where`, if it is no such text, or not a whole and safe number of bytes
 */
export function parseBytes(text: unknown, where: string): number {
  if (typeof text === 'number' || (typeof text === 'string' && /^\s*\d+(\.\d+)?\s*$/.test(text))) {
    throw new InputError(where, EXPECTED, `${show(text)} without a unit (virsh would read KiB, QEMU MiB)`)
  }
  if (typeof text !== 'string') throw new InputError(where, EXPECTED, show(text))
  const [, whole = '', decimals = '', unit = ''] = /^\s*(\d{1,20})(?:\.(\d{1,6}))?\s*([A-Za-z]+)\s*$/.exec(text) ?? []
  const unitBytes = BYTES_OF_UNIT.get(unit)
  if (unitBytes === undefined) {
    throw new InputError(
      where,
      `${EXPECTED} (K, M, G, T, Ki ... Ti or KiB ... TiB: binary; kB, MB, GB, TB: decimal)`,
      show(text),
    )
  }
  // In integers, so that "0.1GB" is 100,000,000 bytes and not a double beside it.
  const scale = 10n ** BigInt(decimals.length)
  const scaled = BigInt(whole + decimals) * BigInt(unitBytes)
  if (scaled % scale !== 0n) throw new InputError(where, 'a whole number of bytes', show(text))
  const bytes = Number(scaled / scale)
  if (!Number.isSafeInteger(bytes)) throw new InputError(where, 'less than 8 PiB', show(text))
  return bytes
}

/**
 * `bytes` in the largest binary unit that shows it exactly with at most three decimals and five digits before them
 * (`64 MiB`, `1.5 GiB`); rounded to two decimals of the largest unit where none does.
 */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of BINARY) {
    const value = bytes / size
    if (value >= 1 && value < 100_000 && Number.isInteger(value * 1000)) return `${value} ${unit}`
  }
  const [unit, size] = BINARY.find(([, candidate]) => bytes >= candidate) ?? ['bytes', 1]
  return `${Math.round((bytes / size) * 100) / 100} ${unit}`
}

/** `1 node`, `2 nodes`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** Lost vCPUs: whole millionths, without an exponent and without zeros at the end. */
export function formatCost(lostVcpus: number): string {
  return lostVcpus.toFixed(6).replace(/\.?0+$/, '')
}

/** `1 lost vCPU`, `0.5 lost vCPUs`, `2 more lost vCPUs`. */
export function countLost(lostVcpus: number, noun = 'lost vCPU'): string {
  const cost = formatCost(lostVcpus)
  return `${cost} ${noun}${cost === '1' ? '' : 's'}`
}
