/** The moves of a re-plan for people: the steps in their order, and what keeps the rest where they are. */

import type { Move, Plan, Spare } from '../types.js'
import { formatBytes } from '../units.js'
import type { Style } from './output.js'
import { pinsText } from './pins.js'
import { type Column, count, paragraph, table } from './table.js'

const COLUMNS: readonly Column[] = [
  { head: 'STEP', align: 'right' },
  { head: 'VM' },
  { head: 'CELL', align: 'right' },
  { head: 'VCPUS -> CPUS', wraps: true },
  { head: 'MEMORY', wraps: true },
  { head: 'COPIED', align: 'right' },
]

/** Paragraphs; none where the plan is no re-plan. */
export function showMoves({ moves, spare }: Plan, style: Style): string[] {
  if (moves === undefined) return []
  const parts = [summary(moves)]
  if (moves.length > 0) parts.push(table(style, COLUMNS, rowsOf(moves)))
  if (spare !== undefined) parts.push(showSpare(spare, style))
  return parts
}

function summary(moves: readonly Move[]): string {
  const steps = moves.at(-1)?.step
  if (steps === undefined) return 'nothing moves'
  const copied = moves.reduce((sum, { bytes }) => sum + bytes, 0)
  const what = `${count(moves.length, 'move')} in ${count(steps, 'step')}`
  return copied === 0 ? `${what}, no memory to copy` : `${what}, ${formatBytes(copied)} to copy`
}

/** A step's number is on its first move. */
function rowsOf(moves: readonly Move[]): string[][] {
  return moves.map((move, at) => [
    move.step === moves[at - 1]?.step ? '' : String(move.step),
    move.vm,
    String(move.cell),
    move.vcpus.length === 0 ? '' : pinsText(move.vcpus),
    memoryText(move),
    move.bytes === 0 ? '' : formatBytes(move.bytes),
  ])
}

function memoryText({ memory }: Move): string {
  const [only] = memory
  if (memory.length === 1) return `to node ${only!.node}`
  return memory.map(({ node, bytes }) => `${formatBytes(bytes)} on ${node}`).join('\n')
}

function showSpare(spare: readonly Spare[], style: Style): string {
  return [
    style.colors.yellow('the moves do not get all the way'),
    ...spare.map(({ text }) => paragraph(style, text, '    ', '  ')),
  ].join('\n')
}
