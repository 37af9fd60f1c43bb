/** What `NumaOptimizer.startBalancing()` takes and tells. */

import { requireBoolean, requireCallback, requireObject } from '../../../../src/checks.js'
import { InputError, show } from '../../../../src/errors.js'
import { type SettingsInput, settingsOf } from '../../../balance/settings.js'
import type { Round } from '../../../balance/types.js'

/** How guests are kept balanced. */
export interface BalancingOptions {
  /** Seconds from the end of a round to the next one. Default: 10. */
  readonly interval?: number
  /** What pays, and how patient it is: those of `homenode balance`. */
  readonly settings?: SettingsInput
  /** Nothing is moved: `round` says what would be. */
  readonly dryRun?: boolean
  /**
   * Called after each round; the next one waits for its promise. What it throws, or rejects with, ends the balancing, and comes out of
   * `stopBalancing()`.
   */
  readonly onRound?: (round: BalancingRound) => void | Promise<void>
}

/** A round: what was decided, and what was done. */
export interface BalancingRound {
  /** The engine's decision with its figures; `null`: there was none, since something could not be looked at or planned. */
  readonly round: Round | null
  /** What was done; `null`: nothing was to be done. */
  readonly action: BalancingAction | null
  /** What kept it from deciding: it is tried again in the next round. `null`: nothing did. */
  readonly error: Error | null
}

/** Moves, or their undoing. */
export interface BalancingAction {
  /** What it was. */
  readonly kind: 'move' | 'undo'
  /**
   * `done`: all of it; `partial`: some of it could not be taken back; `failed`: it failed, and what was done of it was taken back; `dry`: nothing was
   * tried, or all guests that were to move had ended.
   */
  readonly result: 'done' | 'partial' | 'failed' | 'dry'
  /** Guests that it was about, by their names in the round. */
  readonly guests: readonly string[]
  /** Bytes of parts and blocks that have gone to another node. */
  readonly bytes: number
  /** Seconds that it took. */
  readonly seconds: number
  /** What was not done and why, as sentences. */
  readonly why: readonly string[]
}

const LONGEST = 86_400

/** @throws {InputError} with the option */
export function requireBalancingOptions(options: BalancingOptions): void {
  requireObject('options', options)
  const known = ['interval', 'settings', 'dryRun', 'onRound']
  const odd = Object.keys(options).find((name) => !known.includes(name))
  if (odd !== undefined) throw new InputError(`options.${odd}`, `one of the options ${known.join(', ')}`, show(odd))
  const { interval, settings, dryRun, onRound } = options
  if (interval !== undefined && !(typeof interval === 'number' && interval > 0 && interval <= LONGEST)) {
    throw new InputError('options.interval', `a number above 0, up to ${LONGEST}`, show(interval))
  }
  requireSettings(settings)
  requireBoolean('options.dryRun', dryRun)
  requireCallback('options.onRound', onRound)
}

function requireSettings(settings: SettingsInput | undefined): void {
  if (settings !== undefined) requireObject('options.settings', settings)
  try {
    settingsOf(settings)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    throw new InputError(`options.settings.${error.where}`, error.expected, error.got)
  }
}
