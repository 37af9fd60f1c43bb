/** What became of changes to running VMs, for people. */

import type { Applied, AppliedPartition, AppliedStep, Changes, Difference } from '../../executor/apply/types.js'
import { formatBytes } from '../units.js'
import type { Style } from './output.js'
import { type Column, count, paragraph, table } from './table.js'

/** Whether everything was done, and is so. */
export function isWhole({ steps, partitions, differences }: Applied): boolean {
  // What has ended is neither where it was nor anywhere else.
  const isDone = [...steps, ...partitions].every(({ state }) => state !== 'left' && state !== 'skipped')
  return isDone && differences.length === 0
}

/** @param changes what it came of: what they said need not be said again */
export function showApplied(applied: Applied, changes: Changes, style: Style): string {
  const { steps, partitions, differences, stopped, moved, obstacles } = applied
  const { colors } = style
  const done = steps.filter(({ state }) => state === 'done').length
  const head = stopped
    ? colors.yellow('stopped')
    : isWhole(applied)
      ? colors.green('done')
      : colors.yellow('done in part')
  const threads = steps.reduce((sum, step) => sum + step.threads, 0)
  const what = `${done} of ${count(steps.length, 'change')}, ${count(threads, 'thread')} pinned, ${formatBytes(moved)} copied`
  const state = isWhole(applied) ? '; read back from the kernel: all is where it should be' : ''
  const news = obstacles.slice(changes.obstacles.length).map(({ vm, what: part, why }) => `${vm}: ${part}: ${why}`)
  const notes = [...steps.flatMap(notesOf), ...partitions.map(partitionText), ...news]
  return [
    paragraph(style, `${head}: ${what}${state}`),
    ...notes.map((text) => paragraph(style, text, '    ', '  ')),
    ...(differences.length === 0 ? [] : ['', showDifferences(differences, style), '']),
    ...undoHint(applied, changes).map((text) => paragraph(style, text)),
  ].join('\n')
}

/** An undo file stands by itself until all of it has been brought back. */
function undoHint(applied: Applied, { undoes }: Changes): string[] {
  if (applied.undoFile === null) return []
  if (undoes === null) return [`"homenode undo" brings it back: ${applied.undoFile}`]
  return isWhole(applied) ? [] : [`"homenode undo" can try the rest again: ${applied.undoFile}`]
}

const STATES = { done: '', left: 'ended early', skipped: 'not begun', gone: 'gone' } as const

function notesOf({ vm, state, why, stayed }: AppliedStep): string[] {
  return [
    ...(state === 'done' ? [] : [`${vm}: ${STATES[state]}${why === null ? '' : `: ${why}`}`]),
    ...stayed.map(({ bytes, why: reason }) => `${vm}: ${formatBytes(bytes)} stayed where it was: ${reason}`),
  ]
}

function partitionText({ vm, cpus, state, why }: AppliedPartition): string {
  if (state === 'made') return `${vm}: nobody else runs on CPUs ${cpus}`
  if (state === 'removed') return `${vm}: others may run on CPUs ${cpus} again`
  return `${vm}: CPUs ${cpus} are as they were: ${why}`
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
