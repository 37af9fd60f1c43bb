/** When it pays to move VMs that run: takes in what happens, decides round by round. No I/O, no clock. */

import { requireInstance, requireList, requireObject } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import { knownOf, percentileOf, sampleOf, withSample } from './demand.js'
import { Pricing } from './pricing.js'
import { type Settings, type SettingsInput, settingsOf } from './settings.js'
import { NEW } from './state.js'
import type {
  BalanceState,
  Decided,
  DecisionEngine,
  Demand,
  Observation,
  Outcome,
  Planning,
  Situation,
  VmState,
  Watched,
} from './types.js'
import { type Known, resting, told, type Verdict } from './verdict.js'
import { beginWatch, effectOf, type Sufferer, sufferer, watchedUntil, watchOn } from './watch.js'
import { weigh } from './weigh.js'
import { duration, lost, percent } from './words.js'

const MS = 1000
const DAY = 86_400_000

/** The engine of `homenode balance`. */
export class Balancer implements DecisionEngine {
  /** Complete. */
  readonly settings: Settings
  #state: BalanceState
  #pressure: Observation['pressure'] = { cpu: null, memory: null }
  #delay: number | null = null

  /**
   * @param state of `Balancer.state` or `readState`; without it, nothing is known yet
   * @throws {InputError} for settings that are none
   */
  constructor(settings: SettingsInput = {}, state: BalanceState = NEW) {
    this.settings = settingsOf(settings)
    this.#state = state
  }

  state(): BalanceState {
    return this.#state
  }

  observe(observation: Observation): void {
    requireObservation(observation, this.#state.at)
    const { at, vms, pressure } = observation
    const { watched } = this.#state
    const known = new Map(this.#state.vms.map((vm) => [vm.key, vm]))
    const delays = vms.flatMap(({ vcpus }) => vcpus.flatMap(({ delay }) => delay ?? []))
    this.#pressure = pressure
    this.#delay = delays.length === 0 ? null : delays.reduce((sum, delay) => sum + delay, 0) / delays.length
    this.#state = {
      ...this.#state,
      at,
      vms: vms.map(({ key, name, vcpus }): VmState => {
        const { parts = [], held = 0, restsUntil = null, movedAt = [] } = known.get(key) ?? {}
        return {
          key,
          name,
          vcpus: vcpus.length,
          parts: withSample(parts, sampleOf({ vcpus }), observation, this.settings),
          held,
          restsUntil: restsUntil !== null && restsUntil <= at ? null : restsUntil,
          movedAt: movedAt.filter((moved) => moved > at - DAY),
        }
      }),
      watched: watched === null ? null : watchOn(watched, observation),
    }
  }

  demands(): ReadonlyMap<string, Demand> {
    const { percentile } = this.settings
    const demands = this.#state.vms.flatMap((vm): [string, Demand][] => {
      const { key, name, parts } = vm
      const demand = percentileOf(vm, percentile)
      const usual = percentileOf(vm, 0.5)
      return demand === null || usual === null ? [] : [[key, { key, name, demand, usual, known: knownOf(parts) }]]
    })
    return new Map(demands)
  }

  async decide(situation: Situation, plan: Planning): Promise<Decided> {
    requireSituation(situation)
    requireInstance('plan', plan, 'function', Function)
    const verdict = await this.#verdict(situation, plan)
    const round = this.#state.round + 1
    const { vms } = this.#state
    const wanted = new Set(verdict.wanted)
    const counted = vms.map((vm) => ({ ...vm, held: wanted.has(vm.name) ? vm.held + 1 : 0 }))
    // Where nothing was weighed, what was wanted before is neither wanted nor unwanted.
    this.#state = { ...this.#state, round, vms: verdict.pricing === undefined ? vms : counted }
    return { round: told(situation, verdict, round, this.#known()), plan: verdict.plan ?? null }
  }

  acted(outcome: Outcome): void {
    requireOutcome(outcome)
    const { at, decision, result, moved } = outcome
    if (result === 'dry') return
    const { rest } = this.settings
    const vms = this.#state.vms.map((vm): VmState => {
      if (!moved.includes(vm.key)) return vm
      const movedAt = [...vm.movedAt, at]
      return { ...vm, held: 0, movedAt, restsUntil: at + rest * MS * 2 ** (movedAt.length - 1) }
    })
    const isWatched = decision === 'act' && moved.length > 0
    this.#state = { ...this.#state, vms, watched: isWatched ? beginWatch(vms, outcome) : null }
    if (decision === 'undo') this.#backOff(at, 'moves were undone')
    else if (result === 'failed') this.#backOff(at, 'moves have failed')
  }

  #known(): Known {
    const vms = new Map(this.#state.vms.map((vm) => [vm.key, vm]))
    return { settings: this.settings, vms, pressure: this.#pressure, delay: this.#delay }
  }

  #backOff(at: number, why: string): number {
    const { backOff, longestBackOff } = this.settings
    const times = (this.#state.backOff?.times ?? 0) + 1
    const until = at + Math.min(longestBackOff, backOff * 2 ** (times - 1)) * MS
    this.#state = { ...this.#state, backOff: { until, why, times } }
    return until
  }

  async #verdict(situation: Situation, plan: Planning): Promise<Verdict> {
    const obstacle = this.#obstacle(situation.at)
    if (obstacle !== null) return obstacle
    if (situation.residents.length === 0) {
      return { decision: 'stay', reason: 'none', why: 'no VM runs of which enough is known' }
    }
    const pricing = new Pricing(situation)
    const { leastGain } = this.settings
    const { lostVcpus } = pricing.now
    if (lostVcpus < leastGain) {
      const why = `${lost(lostVcpus)}: less than the least gain, ${leastGain}`
      return { decision: 'stay', reason: 'even', why, pricing }
    }
    const mayMove = situation.vms.some(({ mayNot }) => mayNot === null)
    const proposal = mayMove ? await plan(situation) : null
    if (proposal !== null) return weigh(situation, pricing, proposal, this.#known())
    const records = resting(situation, this.#known())
    return { decision: 'stay', reason: 'policy', why: 'no VM may move now', pricing, records }
  }

  /** What stands against doing anything; `null`: nothing. */
  #obstacle(at: number): Verdict | null {
    const { settings } = this
    const { watched, backOff } = this.#state
    if (watched !== null) {
      const until = watchedUntil(watched, settings)
      if (at < until) {
        const why = `the moves of round ${watched.round} are watched for ${duration(until - at)} more`
        return { decision: 'back-off', reason: 'settling', why, until }
      }
      const found = sufferer(effectOf(watched), settings)
      if (found !== null) return this.#suffers(at, watched, found)
      // They have done well: what went wrong before is not held against the next ones.
      this.#state = { ...this.#state, watched: null, backOff: null }
    } else if (backOff !== null && at < backOff.until) {
      const { until } = backOff
      const why = `${backOff.why}: nothing is moved for ${duration(until - at)} more`
      return { decision: 'back-off', reason: 'backed-off', why, until }
    }
    const { memory } = this.#pressure
    if (memory === null || memory <= settings.memoryPressure) return null
    const why = `tasks wait for memory ${percent(memory)} of the time, more than ${percent(settings.memoryPressure)}`
    return { decision: 'back-off', reason: 'pressure', why }
  }

  #suffers(at: number, { round, undo }: Watched, { who, change }: Sufferer): Verdict {
    const why = `since round ${round} the vCPUs of ${who} wait ${percent(change.delay)} more of the time for a CPU, and run ${percent(change.use)} more`
    if (undo !== null) return { decision: 'undo', reason: 'suffers', why, undoes: undo }
    this.#state = { ...this.#state, watched: null }
    const until = this.#backOff(at, 'guests suffered from moves that cannot be undone')
    return { decision: 'back-off', reason: 'backed-off', why: `${why}; the moves cannot be undone`, until }
  }
}

/** @throws {InputError} */
function requireObservation(observation: Observation, last: number | null): void {
  requireObject('observation', observation)
  requireList('observation.vms', observation.vms)
  const { at, interval } = observation
  if (!Number.isFinite(at) || at < (last ?? 0)) {
    throw new InputError('observation.at', `milliseconds, not before ${last ?? 0}`, show(at))
  }
  if (!Number.isFinite(interval) || interval < 0) {
    throw new InputError('observation.interval', 'milliseconds, 0 or more', show(interval))
  }
}

/** @throws {InputError} */
function requireOutcome({ at, moved, undo }: Outcome): void {
  requireList('outcome.moved', moved)
  if (!Number.isFinite(at)) throw new InputError('outcome.at', 'milliseconds', show(at))
  if (undo !== null && typeof undo !== 'string') throw new InputError('outcome.undo', 'text or null', show(undo))
}

/** @throws {InputError} */
function requireSituation(situation: Situation): void {
  requireObject('situation', situation)
  const { request, residents, vms } = situation
  requireList('situation.residents', residents)
  requireList('situation.vms', vms)
  const asked = new Set(request.vms.map(({ name }) => name))
  const told = new Set(vms.map(({ name }) => name))
  const odd = [
    ...residents.filter(({ name }) => !asked.has(name) || !told.has(name)),
    ...vms.filter(({ name }) => !asked.has(name)),
  ]
  if (odd.length > 0) throw new InputError('situation', 'the same VMs in request, residents and vms', odd[0]!.name)
}
