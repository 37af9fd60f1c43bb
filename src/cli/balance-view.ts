/** What `homenode balance` says: a line for each decision, with its figures. For people, and as JSON lines. */

import type { ChangeProgress } from '../../executor/apply/types.js'
import type { ChosenMove } from '../../executor/balance/types.js'
import type { Action } from '../../executor/loop/act.js'
import type { BalanceRound, BalanceStart } from '../../executor/loop/types.js'
import { formatBytes } from '../units.js'
import { print, type Style } from './output.js'
import { count, paragraph } from './table.js'

/** Where the loop's events go. */
export interface BalanceView {
  readonly start: (start: BalanceStart) => void
  readonly round: (round: BalanceRound) => void
  readonly progress: (progress: ChangeProgress) => void
  /** @param error of the file; `null`: it holds from now on */
  readonly policy: (file: string, error: string | null) => void
  readonly stopping: (signal: string) => void
}

/** A JSON object a line. */
export function jsonView(): BalanceView {
  const line = (kind: string, time: Date, content: object) =>
    print(JSON.stringify({ schemaVersion: 1, kind, time: time.toISOString(), ...content }))
  return {
    start: ({ time, ...start }) => line('BalanceStart', time, start),
    round: ({ time, mode, decided, action, notes, error, seconds }) => {
      const { schemaVersion: _, kind: __, ...round } = decided ?? { schemaVersion: 1, kind: '', decision: null }
      line('BalanceRound', time, { mode, ...round, action, notes, error: error?.message ?? null, seconds })
    },
    progress: () => {},
    policy: (file, error) => line('BalancePolicy', new Date(), { file, error }),
    stopping: (signal) => line('BalanceEnd', new Date(), { signal }),
  }
}

const INDENT = '          '

/** Notes are on standard error. */
export function textView(style: Style): BalanceView {
  const say = (time: Date, text: string) => print(`${clock(time)}  ${paragraph(style, text, INDENT, '')}`)
  const add = (text: string) => print(paragraph(style, text, INDENT))
  const note = (text: string) => console.error(text)
  let isDry = false
  return {
    start: ({ time, mode, state, rounds, notes }) => {
      isDry = mode === 'dry-run'
      for (const text of notes) note(text)
      say(time, isDry ? DRY : 'VMs are moved where it pays; "homenode undo" takes a move back')
      add(`state: ${state}, ${rounds === 0 ? 'new' : `goes on after round ${rounds}`}`)
    },
    round: ({ time, decided, action, notes }) => {
      for (const text of notes) note(text)
      if (decided !== null) {
        say(time, `${style.colors.bold(decided.decision)}: ${decided.why}`)
        for (const move of decided.moves) add(moveText(move))
        for (const { vm, why } of decided.vms) if (decided.moves.every((move) => move.vm !== vm)) add(`${vm}: ${why}`)
      }
      if (action !== null) {
        if (decided === null) say(time, 'goes on with what was ended in the middle')
        for (const text of actionTexts(action)) add(text)
      }
    },
    progress: () => {},
    policy: (file, error) => {
      if (error === null) say(new Date(), `${file} was read again, and holds from now on`)
      else note(`the rules stay as they were: ${error}`)
    },
    stopping: (signal) => note(`${signal}: ends when what is being moved has come to its end`),
  }
}

const DRY = 'a dry run: nothing is changed, it says what it would do. With --act it does it'

function clock(time: Date): string {
  return time.toTimeString().slice(0, 8)
}

function moveText({ vm, from, to, bytes, pinned }: ChosenMove): string {
  const nodes = from === to ? `stays on node ${to}` : `node ${from} -> ${to}`
  return `${vm}: ${nodes}, ${count(pinned, 'vCPU')} to pin, ${formatBytes(bytes)} to copy`
}

const DONE: Readonly<Record<Action['kind'], string>> = {
  move: 'moved',
  undo: 'taken back',
  resume: 'gone on with, and done',
}

function pauseText(seconds: number): string {
  return seconds === 0 ? '' : ` (${seconds.toFixed(1)} s of them paused, while tasks waited for memory)`
}

function actionTexts({ kind, result, bytes, seconds, paused, undoFile, why }: Action): string[] {
  const back = undoFile === null || kind === 'undo' ? [] : [`"homenode undo" takes it back: ${undoFile}`]
  const figures = `${formatBytes(bytes)} copied in ${seconds.toFixed(1)} s${pauseText(paused)}`
  switch (result) {
    case 'dry':
      return why.length === 0 ? ['dry run: not done'] : [...why, 'not done']
    case 'done':
      return [`${DONE[kind]}: ${figures}; read back from the kernel: all is where it should be`, ...back]
    case 'stopped':
      return [`ended in the middle: ${figures}; the next start goes on with it`, ...why, ...back]
    case 'partial':
      return [`${DONE[kind]} in part: ${figures}`, ...why, ...back]
    case 'failed':
      return ['not done:', ...why]
  }
}
