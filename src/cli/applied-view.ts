/** What became of changes to running VMs, for people. */

import type { Applied, AppliedStep, Difference } from '../../executor/apply/types.js'
import { formatBytes } from '../units.js'
import type { Style } from './output.js'
import { type Column, count, paragraph, table } from './table.js'

/** @param isUndo an undo file stands by itself until all of it has been brought back */
export function showApplied(
  { steps, differences, stopped, moved, undoFile }: Applied,
  isUndo: boolean,
  style: Style,
): string {
  const { colors } = style
  const done = steps.filter(({ state }) => state === 'done').length
  const isWhole = done === steps.length && differences.length === 0
  const head = stopped ? colors.yellow('stopped') : isWhole ? colors.green('done') : colors.yellow('done in part')
  const threads = steps.reduce((sum, step) => sum + step.threads, 0)
  const what = `${done} of ${count(steps.length, 'change')}, ${count(threads, 'thread')} pinned, ${formatBytes(moved)} copied`
  const state = isWhole ? '; read back from the kernel: all is where it should be' : ''
  const hint = isUndo ? 'can try the rest again' : 'brings it back'
  return [
    paragraph(style, `${head}: ${what}${state}`),
    ...steps.flatMap((step) => notesOf(step)).map((text) => paragraph(style, text, '    ', '  ')),
    ...(differences.length === 0 ? [] : ['', showDifferences(differences, style), '']),
    ...(undoFile === null || (isUndo && isWhole) ? [] : [paragraph(style, `"homenode undo" ${hint}: ${undoFile}`)]),
  ].join('\n')
}

function notesOf({ vm, state, why, stayed }: AppliedStep): string[] {
  const early = state === 'skipped' ? 'not begun' : 'ended early'
  return [
    ...(state === 'done' ? [] : [`${vm}: ${early}${why === null ? '' : `: ${why}`}`]),
    ...stayed.map(({ bytes, why: reason }) => `${vm}: ${formatBytes(bytes)} stayed where it was: ${reason}`),
  ]
}

const COLUMNS: readonly Column[] = [
  { head: 'VM' },
  { head: 'WHAT' },
  { head: 'WANTED', wraps: true },
  { head: 'FOUND', wraps: true },
]

export function showDifferences(differences: readonly Difference[], style: Style): string {
  return table(
    style,
    COLUMNS,
    differences.map(({ vm, what, wanted, found }) => [vm, what, wanted, found]),
  )
}
