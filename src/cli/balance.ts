/** `homenode balance`: keeps the VMs that run here well placed, until it is told to end. */

import { type SettingsInput, settingsOf } from '../../executor/balance/settings.js'
import { balance as keepBalanced } from '../../executor/loop/balance.js'
import type { BalanceMode, BalanceOptions, BalanceRound } from '../../executor/loop/types.js'
import { NO_RULES } from '../../executor/policy/policy.js'
import type { Policy } from '../../executor/policy/types.js'
import { within } from '../errors.js'
import { type ListenAddress, showAddress } from '../service/address.js'
import { Service } from '../service/service.js'
import { type BalanceView, jsonView, textView } from './balance-view.js'
import { EXIT } from './errors.js'
import { readThisHost } from './host-source.js'
import { requireOneStdin } from './input.js'
import { type ColorWhen, styleOf } from './output.js'
import { readPolicy } from './policy-source.js'

interface BalanceCommandOptions {
  readonly act?: true
  readonly dryRun?: true
  readonly once?: true
  readonly interval: number
  readonly horizon?: number
  readonly patience?: number
  readonly maxMoves?: number
  readonly maxBytes?: number
  readonly rate?: number
  readonly set?: Readonly<Record<string, number>>
  readonly policy?: string
  readonly measured?: string
  readonly connect?: string
  readonly state?: string
  readonly metrics?: ListenAddress
  readonly json?: true
  readonly color: ColorWhen
}

export async function balance(options: BalanceCommandOptions): Promise<void> {
  const view = options.json ? jsonView() : textView(styleOf(process.stdout, options.color))
  requireOneStdin({ '--policy': options.policy, '--measured': options.measured })
  // What is wrong with it is said before anything begins. Each round has what the machine is by then.
  const measured = options.measured === undefined ? undefined : await readThisHost(options)
  const rules = await RulesInForce.read(options.policy, view)
  const service = await Service.open({
    interval: options.interval,
    warn: (text) => console.error(text),
    ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
  })
  if (service.address !== null) console.error(`metrics: http://${showAddress(service.address)}/metrics`)
  const end = new AbortController()
  // Nobody reads any more what it says.
  process.stdout.once('error', () => end.abort())
  const stop = (signal: NodeJS.Signals) => {
    process.exitCode = signal === 'SIGINT' ? EXIT.interrupted : EXIT.done
    view.stopping(signal)
    service.stopping(`ends: ${signal}`)
    end.abort()
  }
  let reading = Promise.resolve()
  // One after the other: what was in the file at last is what holds.
  const again = () => {
    reading = reading.then(async () => {
      service.reloading()
      await rules.readAgain()
      service.ready('the policy was read again')
    })
  }
  // A second one ends it at once.
  for (const signal of ENDS) process.once(signal, stop)
  process.on('SIGHUP', again)
  try {
    await keepBalanced({
      ...loopOptions(options),
      ...(measured === undefined ? {} : { measured }),
      policy: () => rules.policy,
      signal: end.signal,
      onStart: (start) => {
        view.start(start)
        service.ready(start.mode === 'act' ? 'moves VMs where it pays' : 'a dry run')
      },
      onRound: (round) => {
        view.round(round)
        service.round(round, statusOf(round))
      },
      onProgress: (progress) => {
        view.progress(progress)
        service.alive()
      },
    })
  } finally {
    for (const signal of ENDS) process.off(signal, stop)
    process.off('SIGHUP', again)
    await service.close()
  }
}

/** A line for `systemctl status`. */
function statusOf({ decided, action, error }: BalanceRound): string {
  if (error !== null) return error.message
  if (decided === null) return action === null ? 'nothing was decided' : 'goes on with what was ended in the middle'
  return `round ${decided.round}: ${decided.decision}: ${decided.why}`
}

const ENDS = ['SIGINT', 'SIGTERM'] as const

function loopOptions({ interval, once, rate, connect, state, ...options }: BalanceCommandOptions): BalanceOptions {
  const mode: BalanceMode | undefined = options.act ? 'act' : options.dryRun ? 'dry-run' : undefined
  return {
    interval,
    settings: givenSettings(options),
    ...(mode === undefined ? {} : { mode }),
    ...(once === undefined ? {} : { rounds: 1 }),
    ...(rate === undefined ? {} : { rate }),
    ...(connect === undefined ? {} : { connect }),
    ...(state === undefined ? {} : { state }),
  }
}

type GivenSettings = Pick<BalanceCommandOptions, 'horizon' | 'patience' | 'maxMoves' | 'maxBytes' | 'rate' | 'set'>

/** @throws {InputError} for settings that there are not */
function givenSettings({ horizon, patience, maxMoves, maxBytes, rate, set = {} }: GivenSettings): SettingsInput {
  within('--set', () => settingsOf(set))
  return {
    ...(horizon === undefined ? {} : { horizon }),
    ...(patience === undefined ? {} : { patience }),
    ...(maxMoves === undefined ? {} : { movesPerRound: maxMoves }),
    ...(maxBytes === undefined ? {} : { bytesPerRound: maxBytes }),
    // What is copied slowly on purpose is dear.
    ...(rate === undefined ? {} : { copyBytesPerSecond: rate }),
    ...set,
  }
}

/** The rules of a file, as they were when it was last in order. */
class RulesInForce {
  readonly #file: string | undefined
  readonly #view: BalanceView
  #policy: Policy

  private constructor(file: string | undefined, view: BalanceView, policy: Policy) {
    this.#file = file
    this.#view = view
    this.#policy = policy
  }

  /** @throws {InputError} with the file's name and the place in it */
  static async read(file: string | undefined, view: BalanceView): Promise<RulesInForce> {
    return new RulesInForce(file, view, file === undefined ? NO_RULES : await readPolicy(file))
  }

  get policy(): Policy {
    return this.#policy
  }

  /** Rules with an error in them leave those before in force. */
  async readAgain(): Promise<void> {
    if (this.#file === undefined || this.#file === '-') return
    try {
      this.#policy = await readPolicy(this.#file)
      this.#view.policy(this.#file, null)
    } catch (error) {
      this.#view.policy(this.#file, (error as Error).message)
    }
  }
}
