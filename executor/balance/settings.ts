/** What the decision engine may do, and how patient it is. */

import * as z from 'zod'
import { parseWith } from '../../src/schema.js'

const seconds = z.number().min(0).max(31_536_000)
const share = z.number().min(0).max(1)
const whole = z.int().min(1).max(1_000_000)

const schema = z
  .strictObject({
    window: seconds.min(1).default(1800),
    percentile: share.default(0.9),
    leastKnown: seconds.default(10),
    horizon: seconds.min(1).default(3600),
    copyBytesPerSecond: z.int().min(1).max(Number.MAX_SAFE_INTEGER).default(1_000_000_000),
    margin: z.number().min(1).max(1000).default(2),
    leastGain: z.number().min(0).max(1_000_000).default(0.05),
    patience: whole.default(3),
    movesPerRound: whole.default(8),
    bytesPerRound: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .default(64 * 2 ** 30),
    settle: seconds.default(30),
    rest: seconds.default(600),
    cpuPressure: share.default(0.9),
    memoryPressure: share.default(0.1),
    delayRise: share.default(0.1),
    backOff: seconds.default(300),
    longestBackOff: seconds.default(7200),
  })
  .readonly()

/** All of it. Times are seconds. */
export interface Settings {
  /** Over how long the demand is measured. Default: 1800. */
  readonly window: number
  /** Which percentile of the window is the demand, 0 to 1. Default: 0.9. */
  readonly percentile: number
  /** A VM of which less is known does not move. Default: 10. */
  readonly leastKnown: number
  /** For how long a gain is expected to last. Default: 3600. */
  readonly horizon: number
  /** How fast memory is copied. Default: 1,000,000,000. */
  readonly copyBytesPerSecond: number
  /** The gain over the horizon has to be the price so many times. Default: 2. */
  readonly margin: number
  /** Lost vCPUs that moves have to save at least. Default: 0.05. */
  readonly leastGain: number
  /** Rounds in a row in which it has to pay. Default: 3. */
  readonly patience: number
  /** VMs that are moved at a time. Default: 8. */
  readonly movesPerRound: number
  /** Bytes that are copied at a time. Default: 64 GiB. */
  readonly bytesPerRound: number
  /** After moves nothing else is moved for so long, and their effect is watched. Default: 30. */
  readonly settle: number
  /** A VM that was moved rests for so long; twice as long each time it is moved again on the same day. Default: 600. */
  readonly rest: number
  /** With more CPU pressure (PSI `some`) than this no memory is moved. Default: 0.9. */
  readonly cpuPressure: number
  /** With more memory pressure (PSI `some`) than this nothing is moved, and copying pauses. Default: 0.1. */
  readonly memoryPressure: number
  /** Moves are undone where vCPUs wait for CPUs for so much more of the time than before. Default: 0.1. */
  readonly delayRise: number
  /** After an undo or a failure nothing is moved for so long; twice as long each time. Default: 300. */
  readonly backOff: number
  /** At most so long. Default: 7200. */
  readonly longestBackOff: number
}

/** What `Balancer` takes; each field has a default. */
export type SettingsInput = Partial<Settings>

/**
 * Complete settings.
 * @throws {InputError} with the field
 */
export function settingsOf(given: SettingsInput = {}): Settings {
  return parseWith(schema, given)
}
