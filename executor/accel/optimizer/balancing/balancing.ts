/** Keeps guests balanced, round by round: looks, decides, acts. What the system refuses in one round is told, and tried again in the next. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { InputError, PlanError, SyscallError, UnsupportedError } from '../../../../src/errors.js'
import { detectHost } from '../../../../src/topology/node-fs.js'
import type { Host, VerifiedPlan } from '../../../../src/types.js'
import { Balancer } from '../../../balance/balancer.js'
import type { Decided } from '../../../balance/types.js'
import { printable } from '../../../found/printable.js'
import { VmStateError } from '../../../vm/vm-state.js'
import { VmError } from '../../../wire/failure.js'
import type { NodeMemory } from '../node-memory.js'
import { type Acted, move, NOTHING, notTried, type Trace, takeBack } from './act.js'
import type { BalancedGuest, GuestNow } from './guest.js'
import { GuestObserver } from './observer.js'
import { planAll, situate } from './situation.js'
import type { BalancingOptions, BalancingRound } from './types.js'

/** What is balanced. */
export interface Balanced {
  /** Asked in each round. */
  readonly guests: () => readonly BalancedGuest[]
  /** Where the blocks are. */
  readonly memory: NodeMemory
  /** Of the blocks. */
  readonly pageSize: number
}

type Named = readonly { readonly name: string; readonly now: GuestNow }[]

/** Whose `onRound` it is that runs. */
const telling = new AsyncLocalStorage<Balancing>()

const INTERVAL = 10
/** A request's names have up to 255 characters. */
const LONGEST_NAME = 200

export class Balancing {
  readonly #balanced: Balanced
  readonly #options: BalancingOptions
  readonly #balancer: Balancer
  readonly #observer = new GuestObserver()
  /** Of the last moves. */
  #trace: Trace = NOTHING
  #timer: NodeJS.Timeout | undefined
  #work: Promise<void> = Promise.resolve()
  /** What `onRound` has returned last. */
  #told: Promise<void> = Promise.resolve()
  #isStopped = false

  /** The first round is an interval from now. */
  constructor(balanced: Balanced, options: BalancingOptions) {
    this.#balanced = balanced
    this.#options = options
    this.#balancer = new Balancer(options.settings)
    this.#wait()
  }

  #wait(): void {
    const { interval = INTERVAL } = this.#options
    // Whoever has nothing else to do need not wait for the next round.
    this.#timer = setTimeout(() => {
      this.#work = this.#next()
      // What ends it is kept for whoever stops it.
      this.#work.catch(() => {})
    }, interval * 1000).unref()
  }

  async #next(): Promise<void> {
    const round = await this.#round()
    const told = telling.run(this, () => this.#options.onRound?.(round))
    this.#told = this.#goOn(told)
    this.#told.catch(() => {})
  }

  async #goOn(told: void | Promise<void>): Promise<void> {
    await told
    if (!this.#isStopped) this.#wait()
  }

  async #round(): Promise<BalancingRound> {
    let decided: Decided | null = null
    try {
      const host = await detectHost()
      const guests = named(this.#look(host))
      const observation = this.#observer.look(guests)
      this.#balancer.observe(observation)
      const demands = this.#balancer.demands()
      const { settings } = this.#balancer
      const situation = situate({ at: observation.at, host, guests, demands, settings })
      decided = await this.#balancer.decide(situation, planAll)
      const acted = await this.#act(decided, new Map(guests.map(({ name, now }) => [name, now])))
      return { round: decided.round, action: acted?.action ?? null, error: null }
    } catch (error) {
      if (!isRefusal(error)) throw error
      return { round: decided?.round ?? null, action: null, error }
    }
  }

  #look(host: Host): GuestNow[] {
    const { guests, memory, pageSize } = this.#balanced
    return guests().flatMap((guest) => guest.look(host, memory, pageSize) ?? [])
  }

  async #act({ round, plan }: Decided, guests: ReadonlyMap<string, GuestNow>): Promise<Acted | null> {
    const { decision, round: number } = round
    if (decision !== 'act' && decision !== 'undo') return null
    const acted = decision === 'act' ? await this.#move(plan!, guests) : await takeBack(this.#trace)
    const { result, bytes } = acted.action
    const isKept = decision === 'act' && result !== 'dry' && result !== 'failed'
    if (isKept) this.#trace = acted.trace
    this.#balancer.acted({
      at: performance.now(),
      decision,
      round: number,
      result,
      bytes,
      moved: acted.keys,
      undo: isKept ? `${number}` : null,
    })
    return acted
  }

  async #move(plan: VerifiedPlan, guests: ReadonlyMap<string, GuestNow>): Promise<Acted> {
    if (this.#options.dryRun !== true) return move(plan, guests)
    return notTried(plan.vms.map(({ name }) => name))
  }

  /**
   * Resolves when what is being moved has come to its end, and `onRound` has; again: the same. Rejects with what `onRound` threw. Within
   * `onRound` it does not wait for that.
   */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#work.finally(() => this.#observer.close())
    if (telling.getStore() !== this) await this.#told
  }
}

/** Each under another name, as a request has them. */
function named(guests: readonly GuestNow[]): Named {
  const names = guests.map(({ guest }) => printable(guest.accel.name) || 'guest')
  return guests.map((now, at) => {
    const name = names[at]!
    const isOnly = names.filter((other) => other === name).length === 1
    return { now, name: isOnly ? name : `${name.slice(0, LONGEST_NAME)} (${now.guest.key})` }
  })
}

const REFUSALS = [InputError, PlanError, SyscallError, UnsupportedError, VmError, VmStateError]

function isRefusal(error: unknown): error is Error {
  return REFUSALS.some((type) => error instanceof type)
}
