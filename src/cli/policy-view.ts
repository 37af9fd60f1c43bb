/** What rules say, for people. */

import type { RuleAbout, Ruling } from '../../executor/policy/rulings.js'
import type { Style } from './output.js'
import { count, paragraph, table } from './table.js'

export function showCheck(file: string, rules: readonly RuleAbout[], style: Style): string {
  const rows = rules.map(({ rule, vms, sets }) => [rule, vms.join(', ') || '-', fieldsText(sets)])
  const columns = [{ head: 'RULE' }, { head: 'VMS HERE', wraps: true }, { head: 'SETS', wraps: true }]
  return [paragraph(style, `${file}: ${count(rules.length, 'rule')}, no error`), table(style, columns, rows)].join(
    '\n\n',
  )
}

export function showExplanation({ name, why, said }: Ruling, style: Style): string {
  const moves = why === null ? 'it may be moved' : why
  if (said.length === 0) return paragraph(style, `${name}: no rule says anything of it, ${moves}`)
  const columns = [
    { head: 'FIELD' },
    { head: 'VALUE', wraps: true },
    { head: 'RULE' },
    { head: 'INSTEAD OF', wraps: true },
  ]
  const rows = said.map(({ field, value, rule, over }) => [field, valueText(value), rule, over.join(', ') || '-'])
  return [paragraph(style, `${name}: ${moves}`), table(style, columns, rows)].join('\n\n')
}

function fieldsText(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([field, value]) => `${field} ${valueText(value)}`)
    .join('; ')
}

function valueText(value: unknown): string {
  if (value === null) return 'as without rules'
  if (Array.isArray(value)) return value.join(', ')
  return typeof value === 'object'
    ? Object.entries(value)
        .map(([key, one]) => `${key}=${one ?? ''}`)
        .join(' ')
    : String(value)
}
