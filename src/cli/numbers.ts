/** Numbers on the command line. */

import { InputError, show } from '../errors.js'
import { parseBytes } from '../units.js'

export { countLost, formatCost } from '../units.js'

/** For an option that takes a whole number up to `most`. */
export function wholeNumber(option: string, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (value <= most) return value
    throw new InputError(option, `a whole number from 0 to ${most}`, show(text))
  }
}

/** For an option that takes a number above 0, up to `most`. */
export function positiveNumber(option: string, most: number): (text: string) => number {
  return (text) => {
    const value = /^(\d{1,15}(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN
    if (value > 0 && value <= most) return value
    throw new InputError(option, `a number above 0, up to ${most}`, show(text))
  }
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** For an option that takes a time above 0, up to so many seconds: `10`, `10s`, `1.5m`, `2h`, `1d`. */
export function duration(option: string, most: number): (text: string) => number {
  return (text) => {
    const [, number = '', unit = 's'] = /^(\d{1,12}(?:\.\d*)?|\.\d+)([smhd])?$/.exec(text) ?? []
    const value = number === '' ? Number.NaN : Number(number) * SECONDS[unit]!
    if (value > 0 && value <= most) return value
    throw new InputError(option, `a time such as 30s, 5m or 1h, above 0 and up to ${most}s`, show(text))
  }
}

/** For an option that takes an amount of memory. */
export function byteCount(option: string): (text: string) => number {
  return (text) => parseBytes(text, option)
}

/** For an option that takes bytes a second. */
export function byteRate(option: string): (text: string) => number {
  return (text) => {
    const bytes = parseBytes(text.replace(/\/s$/, ''), option)
    if (bytes > 0) return bytes
    throw new InputError(option, 'more than 0 bytes a second', show(text))
  }
}

/** With commas between thousands. */
export function formatCount(number: number): string {
  return number.toLocaleString('en-US', { maximumFractionDigits: 0 })
}

/** As `ls -h` shows sizes. */
export function shortBytes(bytes: number): string {
  const power = Math.min(4, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return `${twoDigits(bytes / 1024 ** power)}${'BKMGT'[power]}`
}

/** As many digits as tell: `0`, `0.4`, `12`, `3.4k`, `120M`. */
export function shortCount(number: number): string {
  const power = Math.min(4, Math.floor(Math.log10(Math.max(1, Math.round(number))) / 3))
  return `${twoDigits(number / 1000 ** power)}${['', 'k', 'M', 'G', 'T'][power]}`
}

function twoDigits(value: number): number {
  return value < 10 ? Math.round(value * 10) / 10 : Math.round(value)
}
