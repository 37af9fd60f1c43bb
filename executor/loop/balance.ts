/** The loop that keeps running VMs well placed. */

import { setTimeout as sleep } from 'node:timers/promises'
import { requireCallback, requireObject, requireOneOf, requireSignal } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import { requireStateOptions } from '../apply/arguments.js'
import { takeLock } from '../apply/lock.js'
import { openStateFolder, stateFolder } from '../apply/state-folder.js'
import { settingsOf } from '../balance/settings.js'
import { Keeper } from './keeper.js'
import { Observer } from './observe.js'
import { recall } from './state-file.js'
import type { BalanceOptions } from './types.js'

const INTERVAL = 10
const GRACE_MS = 10_000
const LONGEST = 86_400

/**
 * Keeps the VMs that run here well placed: looks at them round by round, moves those for which it pays, and takes back what made them
 * suffer. In a state folder it is at work only once. It ends with `rounds` or the `signal`, and remembers what it needs to go on.
 * @throws {BusyError} where another process does so with this state folder
 * @throws {UnsupportedError} where the state folder cannot be used, or libvirt refuses
 * @throws {InputError} for options that are none
 * @example
 * ```ts
 * import { mkdtempSync } from 'node:fs'
 * import { balance } from 'homenode/executor'
 *
 * await balance({
 *   mode: 'dry-run',
 *   interval: 0.5,
 *   rounds: 2,
 *   state: mkdtempSync('/tmp/balance-'),
 *   onRound: ({ decided }) => console.log(decided?.decision, decided?.why),
 * })
 * ```
 */
export async function balance(options: BalanceOptions = {}): Promise<void> {
  requireOptions(options)
  const { interval = INTERVAL, rounds = Number.POSITIVE_INFINITY, signal, graceMs = GRACE_MS, connect } = options
  const settings = settingsOf(options.settings)
  const folder = stateFolder(options.state)
  openStateFolder(folder)
  const lock = takeLock(folder, 'balance.lock', 'keeps VMs balanced with this state folder')
  try {
    using observer = await Observer.open(connect === undefined ? {} : { connect }, options.measured)
    const keeper = new Keeper({ ...options, folder, settings, graceMs, observer }, recall(folder))
    options.onStart?.(keeper.start())
    for (let round = 0; round < rounds && !isEnded(signal); round++) {
      const wait = Math.max(0, observer.since + interval * 1000 - performance.now())
      await sleep(wait, undefined, signal && { signal }).catch(() => {})
      if (isEnded(signal)) break
      options.onRound?.(await keeper.round())
    }
    keeper.save()
  } finally {
    lock.close()
  }
}

function isEnded(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function requireOptions(options: BalanceOptions): void {
  requireStateOptions(options)
  const { mode, interval, rounds, rate, graceMs, settings, signal } = options
  requireOneOf('options.mode', mode, ['act', 'dry-run'])
  requireBetween('options.interval', interval, Number.MIN_VALUE, LONGEST)
  requireBetween('options.rounds', rounds, 1, Number.MAX_SAFE_INTEGER)
  requireBetween('options.rate', rate, Number.MIN_VALUE, Number.MAX_VALUE)
  requireBetween('options.graceMs', graceMs, 0, 1000 * LONGEST)
  if (settings !== undefined) requireObject('options.settings', settings)
  requireSignal('options.signal', signal)
  for (const name of ['policy', 'onStart', 'onRound', 'onProgress'] as const) {
    requireCallback(`options.${name}`, options[name])
  }
}

function requireBetween(where: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (typeof value === 'number' && value >= least && value <= most)) return
  throw new InputError(
    where,
    `a number ${least === Number.MIN_VALUE ? 'above 0' : `from ${least}`}, up to ${most}`,
    show(value),
  )
}
