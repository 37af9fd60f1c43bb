/** One round after the other: looks, decides, acts, remembers. What the system refuses in one round is said, and tried again in the next. */

import { rmSync } from 'node:fs'
import { InputError, PlanError, SyscallError, UnsupportedError } from '../../src/errors.js'
import type { VerifiedPlan } from '../../src/types.js'
import { prepareChanges } from '../apply/prepare.js'
import type { ApplyOptions } from '../apply/types.js'
import { Balancer } from '../balance/balancer.js'
import type { Settings } from '../balance/settings.js'
import type { Decided, Outcome, Round } from '../balance/types.js'
import { nameIn } from '../found/as-request.js'
import type { Found, FoundVm, Missing } from '../found/types.js'
import { NO_RULES } from '../policy/policy.js'
import { rulingsOf } from '../policy/rulings.js'
import { type Acted, type ActOptions, move, notTried, obstacleText, outcomeOf, resume, takeBack } from './act.js'
import { keyOf, now, type Observer, type Seen } from './observe.js'
import { situate } from './situation.js'
import { type Pending, type Recalled, remember } from './state-file.js'
import type { BalanceMode, BalanceOptions, BalanceRound, BalanceStart } from './types.js'

/** What a keeper works with. */
export interface Means extends Pick<BalanceOptions, 'mode' | 'policy' | 'rate' | 'signal' | 'onProgress' | 'connect'> {
  readonly folder: string
  readonly settings: Settings
  readonly graceMs: number
  readonly observer: Observer
}

/** What stands in the way of a VM is looked at again after so long. */
const BARRED_MS = 3_600_000
/** Of the undo files that it has written so many are kept. */
const MOST_UNDO_FILES = 100

export class Keeper {
  readonly #means: Means
  readonly #mode: BalanceMode
  readonly #balancer: Balancer
  readonly #recalled: Recalled
  #pending: Pending | null
  #undoFiles: readonly string[]
  #told = new Notes()
  readonly #barred = new Map<string, { readonly why: string; readonly until: number }>()

  /** @throws {InputError} for settings that are none */
  constructor(means: Means, recalled: Recalled) {
    this.#means = means
    this.#recalled = recalled
    this.#mode = means.mode ?? (recalled.acting ? 'act' : 'dry-run')
    this.#balancer = new Balancer(means.settings, recalled.engine ?? undefined)
    this.#pending = recalled.pending
    this.#undoFiles = recalled.undoFiles
  }

  start(): BalanceStart {
    const { lost } = this.#recalled
    const rounds = this.#balancer.state().round
    const notes = lost === null ? [] : [lost]
    return { time: new Date(), mode: this.#mode, state: this.#means.folder, rounds, notes }
  }

  /** Writes down what it needs to go on. */
  save(): void {
    remember(this.#means.folder, {
      acting: this.#mode === 'act' || this.#recalled.acting,
      engine: this.#balancer.state(),
      pending: this.#pending,
      undoFiles: this.#undoFiles,
    })
  }

  async round(): Promise<BalanceRound> {
    const began = performance.now()
    const notes = new Notes()
    let error: Error | null = null
    // What the system or the rules refuse is said, and tried again; what is a defect is not.
    const tolerant = async <Value>(work: () => Promise<Value>): Promise<Value | null> => {
      try {
        return await work()
      } catch (refusal) {
        if (!isRefusal(refusal)) throw refusal
        error = refusal
        notes.add(refusal.message)
        return null
      }
    }
    const seen = await tolerant(() => this.#means.observer.look())
    const done = seen === null ? null : await tolerant(() => this.#decide(seen, notes))
    const { decided, acted } = done ?? { decided: null, acted: null }
    const seconds = (performance.now() - began) / 1000 - (acted?.action.seconds ?? 0)
    await tolerant(async () => this.save())
    return {
      time: new Date(),
      mode: this.#mode,
      decided: decided?.round ?? null,
      action: acted?.action ?? null,
      notes: this.#new(notes),
      rivals: seen?.rivals ?? [],
      rates: seen?.rates ?? null,
      reading: seen?.reading ?? null,
      found: seen?.found ?? null,
      host: seen?.host ?? null,
      error,
      seconds,
    }
  }

  async #decide(seen: Seen, notes: Notes): Promise<{ decided: Decided | null; acted: Acted | null }> {
    const { observation, found, host, rivals, rates } = seen
    for (const { fights, text, mend } of rivals) if (fights) notes.add(`${text}: ${mend}`)
    // The reasons have counts in them, which are others in each round.
    for (const one of [...found.missing, ...rates.missing]) notes.add(missingText(one), one.what)
    this.#balancer.observe(observation)
    const policy = this.#means.policy?.() ?? NO_RULES
    const time = new Date()
    if (this.#pending !== null) {
      const acted = await this.#goOn(this.#pending, found, rulingsOf(policy, found.vms, time), notes)
      if (acted !== null) return { decided: null, acted }
    }
    const demands = this.#balancer.demands()
    const { at } = observation
    const { settings } = this.#means
    const inTheWay = this.#inTheWay()
    const situated = situate({ at, vms: found.vms, host, demands, policy, time, settings, inTheWay })
    const decided = await this.#balancer.decide(situated.situation, situated.planning)
    for (const text of situated.notes) notes.add(text)
    for (const { vm, why } of situated.left) notes.add(`left as it is: ${vm.name.value}: ${why}${knownTo(vm)}`)
    const acted = await this.#act(decided)
    return { decided, acted }
  }

  async #act({ round, plan }: Decided): Promise<Acted | null> {
    const { decision } = round
    if (decision !== 'act' && decision !== 'undo') return null
    const acted = decision === 'act' ? await this.#move(plan!, round) : await this.#takeBack(round)
    this.#over(acted, { round: round.round, decision })
    return acted
  }

  /** A VM that something stands in the way of is not planned for a while, and none of the others moves in this round. */
  async #move(plan: VerifiedPlan, { round, moves }: Round): Promise<Acted> {
    const found = await this.#means.observer.find()
    const { connect } = this.#means
    const changes = await prepareChanges(found, plan, connect === undefined ? {} : { connect })
    const barred = changes.obstacles.filter(({ left }) => left)
    for (const { vm, why } of barred) {
      const meant = found.vms.find((one) => nameIn(found.vms, one) === vm)
      if (meant !== undefined) this.#barred.set(keyOf(meant), { why, until: performance.now() + BARRED_MS })
    }
    if (barred.length === 0 && this.#mode === 'act') return move(changes, this.#options(round))
    const names = moves.map(({ vm }) => vm)
    return notTried('move', names, changes.obstacles.map(obstacleText))
  }

  async #takeBack({ round, undoes, moves }: Round): Promise<Acted> {
    if (undoes === null) return notTried('undo', [], ['there is no undo file'])
    if (this.#mode === 'act') return takeBack(undoes, this.#options(round))
    return notTried(
      'undo',
      moves.map(({ vm }) => vm),
    )
  }

  /** By key: what stands in the way of VMs, for as long as it is believed. */
  #inTheWay(): ReadonlyMap<string, string> {
    for (const [key, { until }] of this.#barred) if (performance.now() >= until) this.#barred.delete(key)
    return new Map([...this.#barred].map(([key, { why }]) => [key, why]))
  }

  /** The rest of what a process was killed in; `null`: there is none, or it is left. */
  async #goOn(
    pending: Pending,
    { vms }: Found,
    rulings: ReturnType<typeof rulingsOf>,
    notes: Notes,
  ): Promise<Acted | null> {
    const names = [...new Set(pending.changes.steps.map(({ vm }) => vm))]
    const half = `${names.join(', ')}: the last move was ended in the middle`
    if (this.#mode === 'dry-run') {
      notes.add(`${half}; it would be gone on with`)
      return null
    }
    const pids = new Set(pending.changes.vms.map(({ pid }) => pid))
    const barred = vms.flatMap(({ pid }, at) => (pids.has(pid) ? [rulings[at]!] : [])).find(({ mayMove }) => !mayMove)
    const acted = barred === undefined ? await resume(pending, this.#options(pending.round)) : null
    if (acted === null) {
      this.#pending = null
      notes.add(`${half}, and is left so: ${barred?.why ?? 'somebody has taken it back'} (${pending.undoFile})`)
      return null
    }
    this.#over(acted, { round: pending.round, decision: pending.changes.undoes === null ? 'act' : 'undo' })
    return acted
  }

  /** After an action. */
  #over(acted: Acted, decided: Pick<Outcome, 'round' | 'decision'>): void {
    const { kind, result, undoFile } = acted.action
    if (result !== 'dry') this.#means.observer.forget()
    if (result !== 'stopped' && result !== 'dry') this.#pending = null
    if (kind === 'move' && undoFile !== null) this.#keepUndoFile(undoFile)
    this.#balancer.acted(outcomeOf(acted, { ...decided, at: now() }))
  }

  #keepUndoFile(path: string): void {
    const all = [...this.#undoFiles, path]
    for (const old of all.slice(0, -MOST_UNDO_FILES)) rmSync(old, { force: true })
    this.#undoFiles = all.slice(-MOST_UNDO_FILES)
  }

  #options(round: number): ActOptions {
    const { folder, settings, connect, rate, signal, graceMs, onProgress } = this.#means
    const given: ApplyOptions = {
      state: folder,
      pressure: { most: settings.memoryPressure },
      ...(connect === undefined ? {} : { connect }),
      ...(rate === undefined ? {} : { rate }),
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    }
    const onBegin: ActOptions['onBegin'] = (begun) => {
      this.#pending = { ...begun, round }
      this.save()
    }
    return { ...given, graceMs, onBegin }
  }

  /** Those that were not in the round before. */
  #new(notes: Notes): string[] {
    const before = this.#told
    this.#told = notes
    return notes.without(before)
  }
}

/** What people have to know, each under a key by which it is known again. */
class Notes {
  readonly #texts = new Map<string, string>()

  add(text: string, key = text): void {
    if (!this.#texts.has(key)) this.#texts.set(key, text)
  }

  without(others: Notes): string[] {
    return [...this.#texts].flatMap(([key, text]) => (others.#texts.has(key) ? [] : [text]))
  }
}

const REFUSALS = [InputError, PlanError, SyscallError, UnsupportedError]

function isRefusal(error: unknown): error is Error {
  if (REFUSALS.some((type) => error instanceof type)) return true
  // Of Node.js: a disk is full, no descriptor is left.
  return error instanceof Error && 'syscall' in error
}

function missingText({ what, why, runAs }: Missing): string {
  return `not known: ${what}: ${why}${runAs === null ? '' : `; run as ${runAs}`}`
}

function knownTo({ missing }: FoundVm): string {
  const users = [...new Set(missing.flatMap(({ runAs }) => runAs ?? []))]
  return users.length === 0 ? '' : ` (known to ${users.join(', ')})`
}
