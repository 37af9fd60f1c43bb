/** Steps carried out in their order. What fails at one VM leaves the rest of that VM as it is, and nothing else. */

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { SyscallError, UnsupportedError } from '../../src/errors.js'
import { ESRCH } from '../abi/linux.js'
import { writeCpuset } from './cpusets.js'
import type { OpenDomains } from './domains.js'
import { isThere } from './look.js'
import { MemoryPressure } from './memory-pressure.js'
import { type Pace, RangeMove } from './range-move.js'
import { giveCpus, giveCpusToNewcomers } from './threads.js'
import type { AppliedStep, ApplyOptions, ChangedVm, ChangeProgress, ChangeStep, Changes } from './types.js'

/** What becomes of a step, while it does. */
type Outcome = { -readonly [Field in keyof AppliedStep]: AppliedStep[Field] }

export class Run {
  readonly #changes: Changes
  readonly #options: ApplyOptions
  readonly #undoFile: string
  readonly #outcomes: ReadonlyMap<ChangeStep, Outcome>
  /** Why VMs are left as they are from here on, by pid. */
  readonly #failed: Map<number, string>
  readonly #domains: OpenDomains
  readonly #pressure: MemoryPressure | null
  readonly #startedAt = performance.now()
  #stopped = false
  #moved = 0

  constructor(changes: Changes, options: ApplyOptions, undoFile: string, domains: OpenDomains) {
    this.#domains = domains
    this.#failed = new Map(domains.failed)
    this.#changes = changes
    this.#options = options
    this.#pressure = options.pressure === undefined ? null : new MemoryPressure(options.pressure, options.signal)
    this.#undoFile = undoFile
    this.#outcomes = new Map(
      changes.steps.map((step) => {
        const { vm, step: number } = step
        return [step, { step: number, vm, state: 'skipped', why: null, threads: 0, moved: 0, stayed: [] }]
      }),
    )
  }

  /** Whether the signal ended it early. */
  get stopped(): boolean {
    return this.#stopped
  }

  get moved(): number {
    return this.#moved
  }

  /** Why a VM, by its name, is not all as planned; `null`: it is. */
  whyLeft(name: string): string | null {
    if (this.#stopped) return 'it was asked to stop'
    const vm = this.#changes.vms.find((one) => one.vm === name)
    return vm === undefined ? null : (this.#failed.get(vm.pid) ?? null)
  }

  outcomes(): readonly AppliedStep[] {
    return [...this.#outcomes.values()]
  }

  async all(): Promise<void> {
    const numbers = [...new Set(this.#changes.steps.map(({ step }) => step))]
    for (const number of numbers) await this.#together(this.#changes.steps.filter(({ step }) => step === number))
    for (const vm of this.#changes.vms) this.#finish(vm)
  }

  tell(doing: ChangeProgress['doing'], step: ChangeStep | null = null): void {
    const { steps, bytes } = this.#changes
    this.#options.onProgress?.({
      doing,
      undoFile: this.#undoFile,
      step: step?.step ?? 0,
      steps: steps.at(-1)?.step ?? 0,
      vm: step?.vm ?? null,
      moved: this.#moved,
      bytes,
      paused: this.#pausedMs() / 1000,
    })
  }

  #pausedMs(): number {
    return this.#pressure?.pausedMs ?? 0
  }

  /** Steps of one number. */
  async #together(steps: readonly ChangeStep[]): Promise<void> {
    for (const step of steps) {
      // What is asked to end is heard of in a turn of its own.
      await turn()
      if (this.#isStopped()) break
      this.#attempt(step, () => this.#begin(step))
    }
    await this.#moveMemory(steps.filter((step) => this.#outcomes.get(step)!.state === 'done'))
  }

  /** Cpusets and threads. */
  #begin(step: ChangeStep): void {
    const outcome = this.#outcomes.get(step)!
    this.#requireThere(step.pid)
    outcome.state = 'done'
    if (step.cpusets.length > 0) this.tell('cpusets', step)
    for (const cpuset of step.cpusets) writeCpuset(cpuset, cpuset.between, step.pid)
    if (step.threads.length > 0) this.tell('threads', step)
    const domain = this.#domains.get(step.pid)
    if (domain === undefined) {
      for (const thread of step.threads) if (giveCpus(step.pid, thread, thread.to)) outcome.threads++
      return
    }
    if (step.memory.length > 0) domain.widen()
    outcome.threads += domain.pin(step.threads)
  }

  /** What has no room at first may have it when others of the same step have gone. */
  async #moveMemory(steps: readonly ChangeStep[]): Promise<void> {
    let pending = steps.flatMap((step) =>
      step.memory.map((change) => ({ step, move: new RangeMove(step.pid, change, this.#paceOf(step)) })),
    )
    for (let before = -1; pending.length > 0 && before !== this.#moved; ) {
      before = this.#moved
      const noRoom: typeof pending = []
      for (const one of pending) {
        if (this.#failed.has(one.step.pid)) continue
        const end = await this.#moveRange(one.step, one.move)
        if (end === 'stopped') return
        if (end === 'no-room') noRoom.push(one)
      }
      pending = noRoom
    }
    for (const { step, move } of pending) {
      const nodes = move.change.to.map(({ node }) => node).join(', ')
      this.#fail(step, `node ${nodes} has no room for the rest of its memory`)
    }
  }

  async #moveRange(step: ChangeStep, move: RangeMove): Promise<'done' | 'no-room' | 'stopped' | 'failed'> {
    const outcome = this.#outcomes.get(step)!
    this.tell('memory', step)
    try {
      const end = await move.run()
      if (end === 'stopped') {
        this.#stopped = true
        outcome.state = 'left'
        outcome.why = 'it was asked to stop'
      }
      if (end === 'done') outcome.stayed = [...outcome.stayed, ...move.stayed()]
      return end
    } catch (error) {
      this.#fail(step, reasonOf(error))
      return 'failed'
    }
  }

  #paceOf(step: ChangeStep): Pace {
    const outcome = this.#outcomes.get(step)!
    const { rate, signal } = this.#options
    return {
      check: () => this.#requireThere(step.pid),
      stopped: () => signal?.aborted === true,
      copied: async (bytes) => {
        outcome.moved += bytes
        this.#moved += bytes
        if (bytes > 0) this.tell('memory', step)
        await this.#pressure?.wait(() => this.tell('paused', step))
        const passed = performance.now() - this.#startedAt - this.#pausedMs()
        const ahead = rate === undefined ? 0 : (1000 * this.#moved) / rate - passed
        if (ahead < 1) await turn()
        else await sleep(ahead, undefined, signal && { signal }).catch(() => {})
      },
    }
  }

  /** Narrows cpusets, and looks for threads that came meanwhile. */
  #finish(vm: ChangedVm): void {
    const own = this.#changes.steps.filter(({ pid }) => pid === vm.pid)
    const begun = own.filter((step) => this.#outcomes.get(step)!.state !== 'skipped')
    const last = begun.at(-1)
    if (last === undefined || this.#failed.has(vm.pid)) return
    this.#attempt(last, () => {
      this.#requireThere(vm.pid)
      const changed = giveCpusToNewcomers(vm)
      this.#outcomes.get(last)!.threads += changed
      // A cpuset that is narrowed takes pages with it: not of a VM that was to stop in the middle.
      const isWhole = own.every((step) => this.#outcomes.get(step)!.state === 'done')
      for (const { cpusets } of isWhole ? own : []) {
        for (const cpuset of cpusets) writeCpuset(cpuset, cpuset.to, vm.pid)
      }
      if (isWhole) this.#domains.get(vm.pid)?.finish(this.#options.config === true)
    })
  }

  #attempt(step: ChangeStep, work: () => void): void {
    const why = this.#failed.get(step.pid)
    if (why !== undefined) {
      const outcome = this.#outcomes.get(step)!
      outcome.why = why
      if (why === ENDED) outcome.state = 'gone'
      return
    }
    try {
      work()
    } catch (error) {
      this.#fail(step, reasonOf(error))
    }
  }

  #fail(step: ChangeStep, why: string): void {
    this.#failed.set(step.pid, why)
    const outcome = this.#outcomes.get(step)!
    outcome.state = why === ENDED ? 'gone' : 'left'
    outcome.why = why
  }

  #isStopped(): boolean {
    this.#stopped ||= this.#options.signal?.aborted === true
    return this.#stopped
  }

  /** @throws {SyscallError} as a call would: ESRCH */
  #requireThere(pid: number): void {
    const vm = this.#changes.vms.find((one) => one.pid === pid)!
    if (!isThere(pid, vm)) throw new SyscallError(`process ${pid}`, ESRCH, 'ESRCH', ENDED)
  }
}

const ENDED = 'it has ended'

function reasonOf(error: unknown): string {
  if (error instanceof SyscallError) return error.errno === ESRCH ? ENDED : error.message
  if (error instanceof UnsupportedError) return error.message
  throw error
}
