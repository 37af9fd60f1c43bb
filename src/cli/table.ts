/** Text in columns without borders, as kubectl and lscpu print it, and wrapped to the width of the terminal. */

import { stripVTControlCharacters } from 'node:util'
import Table from 'cli-table3'
import type { Style } from './output.js'

export { count } from '../units.js'

export interface Column {
  readonly head: string
  readonly align?: 'left' | 'right'
  /** May its cells be broken into lines, at spaces and after commas. Such cells have no colours. */
  readonly wraps?: boolean
}

const GAP = 2
/** Below this a column is not worth reading. */
const LEAST_WRAPPED = 20

const NO_BORDER = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
    ['', '-mid', '-left', '-right'].map((end) => [`${side}${end}`, '']),
  ),
)

/**
 * A heading and a line for each row. Where the terminal is too narrow, the widest column that may is wrapped; where that
 * is not enough, each row becomes a block of lines with the heading before each value.
 */
export function table(style: Style, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ head }, at) => Math.max(head.length, ...rows.map((row) => widthOf(row[at]!))))
  const excess = widths.reduce((sum, width) => sum + width + GAP, -GAP) - style.width
  if (excess <= 0) return lines(style, columns, rows)
  const wrapped = columns.reduce((best, column, at) => {
    return column.wraps && (best < 0 || widths[at]! > widths[best]!) ? at : best
  }, -1)
  const room = wrapped < 0 ? 0 : widths[wrapped]! - excess
  if (room < LEAST_WRAPPED) return blocks(style, columns, rows)
  const narrow = rows.map((row) => row.map((cell, at) => (at === wrapped ? wrap(cell, room) : cell)))
  return lines(style, columns, narrow)
}

function lines(style: Style, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const result = new Table({
    head: columns.map(({ head }) => style.colors.bold(head)),
    colAligns: columns.map(({ align = 'left' }) => align),
    chars: { ...NO_BORDER, middle: ' '.repeat(GAP) },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  })
  result.push(...rows.map((row) => [...row]))
  return result.toString().replace(/ +$/gm, '')
}

function blocks(style: Style, columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const label = Math.max(...columns.map(({ head }) => head.length))
  const block = (row: readonly string[]) =>
    columns.flatMap(({ head }, at) => {
      if (row[at] === '') return []
      const value = wrap(row[at]!, style.width - label - GAP).replaceAll('\n', `\n${' '.repeat(label + GAP)}`)
      return `${style.colors.bold(head.padEnd(label))}${' '.repeat(GAP)}${value}`
    })
  return rows.map((row) => block(row).join('\n')).join('\n\n')
}

function widthOf(cell: string): number {
  return Math.max(
    ...stripVTControlCharacters(cell)
      .split('\n')
      .map((line) => line.length),
  )
}

/** `text` in lines of at most `width` characters, where it has a space or a comma to break at. */
export function wrap(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => wrapLine(line, width))
    .join('\n')
}

function wrapLine(line: string, width: number): string {
  const done: string[] = []
  let current = ''
  for (const piece of line.match(/\s*(?:[^\s,]*,|[^\s,]+)/g) ?? []) {
    if (current !== '' && current.length + piece.length > width) {
      done.push(current)
      current = piece.trimStart()
    } else current += piece
  }
  return [...done, current].join('\n')
}

/** A paragraph. Its lines begin with `indent`, the first with `first` if that is given. */
export function paragraph(style: Style, text: string, indent = '', first = indent): string {
  return first + wrap(text, style.width - indent.length).replaceAll('\n', `\n${indent}`)
}
