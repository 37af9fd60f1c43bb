/** What `balance` takes and tells. */

import type { Host } from '../../src/types.js'
import type { ChangeProgress, StateOptions } from '../apply/types.js'
import type { SettingsInput } from '../balance/settings.js'
import type { Round } from '../balance/types.js'
import type { Found } from '../found/types.js'
import type { Rates } from '../meter/rates.js'
import type { Reading } from '../meter/types.js'
import type { Policy } from '../policy/types.js'
import type { Action } from './act.js'
import type { Rival } from './rivals.js'

/** `dry-run`: it says what it would do. */
export type BalanceMode = 'act' | 'dry-run'

/** How `balance` works. */
export interface BalanceOptions extends StateOptions {
  /** Without it, what this state folder was last told to do; at first `dry-run`. `act` holds for the folder from then on. */
  readonly mode?: BalanceMode
  /** Seconds from one round to the next. Default: 10. */
  readonly interval?: number
  /** Ends after so many rounds; without it, it does not end by itself. */
  readonly rounds?: number
  /** What pays, and how patient it is. */
  readonly settings?: SettingsInput
  /** What was measured of this machine (`calibrate`): each round reckons with it. */
  readonly measured?: Host
  /** Asked in each round for the rules that hold now. */
  readonly policy?: () => Policy
  /** At most so many bytes are copied a second. */
  readonly rate?: number
  /** Ends it: what is being moved has `graceMs` to come to its end, and is gone on with at the next start if that was not enough. */
  readonly signal?: AbortSignal
  /** Milliseconds. Default: 10,000. */
  readonly graceMs?: number
  /** Called once, before the first round. */
  readonly onStart?: (start: BalanceStart) => void
  /** Called after each round, from this thread. */
  readonly onRound?: (round: BalanceRound) => void
  /** Called while something is moved. */
  readonly onProgress?: (progress: ChangeProgress) => void
}

/** How it begins. */
export interface BalanceStart {
  /** Of the system's clock. */
  readonly time: Date
  /** What it does. */
  readonly mode: BalanceMode
  /** Folder of its state and of undo files. */
  readonly state: string
  /** Rounds that it remembers. */
  readonly rounds: number
  /** What people have to know, as sentences. */
  readonly notes: readonly string[]
}

/** A round: what was seen, what was decided, what was done. */
export interface BalanceRound {
  /** Of the system's clock. */
  readonly time: Date
  /** What it does. */
  readonly mode: BalanceMode
  /** The decision with its figures; `null`: there was none, `notes` say why. */
  readonly decided: Round | null
  /** What was done; `null`: nothing was to be done. */
  readonly action: Action | null
  /** What people have to know and have not been told in the round before, as sentences. */
  readonly notes: readonly string[]
  /** Who places the same. */
  readonly rivals: readonly Rival[]
  /** What happened since the round before; `null`: it could not be looked at. */
  readonly rates: Rates | null
  /** The counters that these are of; `null` likewise. */
  readonly reading: Reading | null
  /** Where all of it was when it was decided; `null`: it could not be looked at. */
  readonly found: Found | null
  /** As the kernel shows it; `null` likewise. */
  readonly host: Host | null
  /** What kept it from looking or deciding: it is tried again in the next round. `null`: nothing did. */
  readonly error: Error | null
  /** Seconds that looking, planning and deciding took. */
  readonly seconds: number
}
