/** `homenode doctor`: what this machine lacks, what for, and how to mend it. Also whether placing guests pays on it. */

import type { Check } from './doctor/check.js'
import { examine } from './doctor/examine.js'
import { systemProbes } from './doctor/probes.js'
import { EXIT } from './errors.js'
import { type ColorWhen, print, printJson, type Style, styleOf } from './output.js'
import { count, paragraph } from './table.js'

interface DoctorOptions {
  readonly json?: true
  readonly color: ColorWhen
}

export async function doctor({ json, color }: DoctorOptions): Promise<void> {
  const checks = await examine(systemProbes())
  if (json) printJson({ schemaVersion: 1, kind: 'DoctorReport', checks })
  else print(showChecks(checks, styleOf(process.stdout, color)))
  if (checks.some(({ status }) => status === 'problem')) process.exitCode = EXIT.failed
}

const MARK = { ok: 'ok', warning: 'warning', problem: 'PROBLEM' } as const
const INDENT = '         '

export function showChecks(checks: readonly Check[], style: Style): string {
  const { colors } = style
  const paint = { ok: colors.green, warning: colors.yellow, problem: colors.red }
  const blocks = checks.map(({ id, status, found, means, mend }) => {
    const head = paragraph(style, `${id}: ${found}`, INDENT, '').replace(id, colors.bold(id))
    const lines = [
      paint[status](MARK[status].padEnd(INDENT.length)) + head,
      paragraph(style, means, INDENT),
      ...(mend === undefined ? [] : [paragraph(style, `Mend: ${mend}`, INDENT)]),
    ]
    return lines.join('\n')
  })
  return [...blocks, summary(checks)].join('\n')
}

function summary(checks: readonly Check[]): string {
  const number = (status: Check['status']) => checks.filter((check) => check.status === status).length
  return `\n${number('ok')} ok, ${count(number('warning'), 'warning')}, ${count(number('problem'), 'problem')}`
}
