/** What was decided, done: moves, their undoing, and the rest of moves that a process was killed in. */

import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { SyscallError, UnsupportedError } from '../../src/errors.js'
import { applyChanges } from '../apply/apply.js'
import { BusyError } from '../apply/lock.js'
import type { Applied, ApplyOptions, ChangeProgress, Changes, Obstacle } from '../apply/types.js'
import { listUndoFiles, prepareUndo } from '../apply/undo.js'
import type { Outcome } from '../balance/types.js'
import { keyOf } from './observe.js'
import type { Pending } from './state-file.js'

/** What was done in a round. */
export interface Action {
  /** `resume`: moves that were begun by a process that was ended in the middle of them. */
  readonly kind: 'move' | 'undo' | 'resume'
  /** `dry`: nothing was tried; `stopped`: it was asked to end, and goes on when it is started again. */
  readonly result: Outcome['result'] | 'stopped'
  /** VMs that it was about. */
  readonly vms: readonly string[]
  /** Bytes that were copied. */
  readonly bytes: number
  /** Seconds that it took. */
  readonly seconds: number
  /** Seconds of it in which nothing was copied, since tasks waited for memory. */
  readonly paused: number
  /** Takes it back; `null`: there is nothing to take back. */
  readonly undoFile: string | null
  /** What was not done and why, as sentences. */
  readonly why: readonly string[]
}

/** How it is acted. */
export interface ActOptions extends ApplyOptions {
  /** After the signal, what is being moved has so long to come to its end. */
  readonly graceMs: number
  /** Called when the undo file is written, and nothing was touched yet. */
  readonly onBegin: (begun: Omit<Pending, 'round'>) => void
}

/** An action, and keys of VMs that it has changed. */
export interface Acted {
  readonly action: Action
  readonly keys: readonly string[]
}

/** Moves VMs. Where something fails in the middle, what was done is brought back. */
export async function move(changes: Changes, options: ActOptions): Promise<Acted> {
  if (changes.steps.length === 0)
    return notTried('move', [], ['nothing is left to do: it has ended, or is there by now'])
  const acted = await carryOut('move', changes, options)
  const { action, isHalf } = acted
  if (!isHalf || action.undoFile === null) return acted
  const back = (await takeBack(action.undoFile, options)).action
  const why = [
    ...action.why,
    ...back.why,
    back.result === 'done' ? 'what was done of it was taken back' : 'it was taken back in part',
  ]
  // One that was asked to end in the middle of that goes on with it at the next start.
  const result = back.result === 'done' ? 'failed' : back.result === 'stopped' ? 'stopped' : 'partial'
  return { action: { ...action, result, why }, keys: acted.keys }
}

/** Brings back what a move has changed. */
export async function takeBack(undoFile: string, options: ActOptions): Promise<Acted> {
  return carryOut('undo', await prepareUndo(undoFile, stateOf(options)), options)
}

/** Goes on with moves that were begun; `null`: somebody has taken them back meanwhile. */
export async function resume({ changes, undoFile }: Pending, options: ActOptions): Promise<Acted | null> {
  if (!listUndoFiles(stateOf(options)).includes(undoFile)) return null
  // What it was like half-way is not what anybody wants back.
  const onBegin: ActOptions['onBegin'] = (begun) => {
    if (begun.undoFile !== undoFile) rmSync(begun.undoFile)
  }
  const { action, keys } = await carryOut('resume', changes, { ...options, onBegin })
  return { action: { ...action, undoFile }, keys }
}

/** Nothing is tried. */
export function notTried(kind: Action['kind'], vms: readonly string[], why: readonly string[] = []): Acted {
  return { action: { kind, result: 'dry', vms, bytes: 0, seconds: 0, paused: 0, undoFile: null, why }, keys: [] }
}

/** What the engine is told of what it has decided. */
export function outcomeOf(
  { action, keys }: Acted,
  { at, round, decision }: Pick<Outcome, 'at' | 'round' | 'decision'>,
): Outcome {
  const result = action.result === 'stopped' ? 'partial' : action.result
  const undo = decision === 'undo' || result === 'failed' ? null : action.undoFile
  return { at, decision, round, result, bytes: action.bytes, moved: keys, undo }
}

/** As a sentence. */
export function obstacleText({ vm, what, why }: Obstacle): string {
  return `${vm}: ${what}: ${why}`
}

function stateOf({ state, connect }: ActOptions) {
  return { ...(state === undefined ? {} : { state }), ...(connect === undefined ? {} : { connect }) }
}

async function carryOut(
  kind: Action['kind'],
  changes: Changes,
  options: ActOptions,
): Promise<Acted & { readonly isHalf: boolean }> {
  const began = performance.now()
  const vms = [...new Set(changes.steps.map(({ vm }) => vm))]
  const known = changes.obstacles.map(obstacleText)
  let paused = 0
  const onProgress = (progress: ChangeProgress) => {
    paused = progress.paused
    options.onProgress?.(progress)
  }
  try {
    const applied = await applyPatiently(changes, { ...options, onProgress })
    const { steps, moved, undoFile, stopped } = applied
    const changed = new Set(steps.filter((step) => step.threads > 0 || step.moved > 0).map(({ vm }) => vm))
    const seconds = (performance.now() - began) / 1000
    const why = [...known, ...reasonsOf(applied)]
    return {
      action: { kind, result: resultOf(applied), vms, bytes: moved, seconds, paused, undoFile, why },
      keys: changes.vms.filter(({ vm }) => changed.has(vm)).map(keyOf),
      isHalf: !stopped && changed.size > 0 && steps.some(({ state }) => state === 'left'),
    }
  } catch (error) {
    if (error instanceof BusyError) return { ...notTried(kind, vms, [error.message]), isHalf: false }
    if (!(error instanceof UnsupportedError || error instanceof SyscallError)) throw error
    const { action, keys } = notTried(kind, vms, [...known, error.message])
    return { action: { ...action, result: 'failed' }, keys, isHalf: false }
  }
}

/** The signal does not end it at once. */
async function applyPatiently(changes: Changes, options: ActOptions): Promise<Applied> {
  const { graceMs, onBegin, signal, onProgress, ...rest } = options
  const stop = new AbortController()
  const over = new AbortController()
  const wait = () => {
    sleep(graceMs, undefined, { signal: over.signal }).then(
      () => stop.abort(),
      () => {},
    )
  }
  signal?.addEventListener('abort', wait, { once: true })
  if (signal?.aborted) wait()
  const tell = (progress: ChangeProgress) => {
    if (progress.doing === 'undo-file') onBegin({ undoFile: progress.undoFile, changes })
    onProgress?.(progress)
  }
  try {
    return await applyChanges(changes, { ...rest, signal: stop.signal, onProgress: tell })
  } finally {
    signal?.removeEventListener('abort', wait)
    over.abort()
  }
}

function resultOf({ steps, stopped, differences }: Applied): Action['result'] {
  if (stopped) return 'stopped'
  const done = steps.filter(({ state }) => state === 'done').length
  // That a VM ends is no failure of a move.
  if (done === 0 && !steps.every(({ state }) => state === 'gone')) return 'failed'
  return done === steps.length && differences.length === 0 ? 'done' : 'partial'
}

function reasonsOf({ steps, differences }: Applied): string[] {
  return [
    ...steps.flatMap(({ vm, why }) => (why === null ? [] : [`${vm}: ${why}`])),
    ...differences.map(({ vm, what, wanted, found }) => `${vm}: ${what}: ${wanted} was wanted, it is ${found}`),
  ]
}
