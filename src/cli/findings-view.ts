/** Findings as a table. */

import type { Finding } from '../errors.js'
import type { Style } from './output.js'
import { type Column, table } from './table.js'

const COLUMNS: readonly Column[] = [
  { head: 'CONSTRAINT' },
  { head: 'VM' },
  { head: 'CELL', align: 'right' },
  { head: 'VCPU', align: 'right' },
  { head: 'FINDING', wraps: true },
]

export function showFindings(findings: readonly Finding[], style: Style): string {
  const rows = findings.map(({ constraint, vm, cell, vcpu, text }) => [
    constraint,
    vm ?? '',
    `${cell ?? ''}`,
    `${vcpu ?? ''}`,
    text,
  ])
  return table(style, COLUMNS, rows)
}
