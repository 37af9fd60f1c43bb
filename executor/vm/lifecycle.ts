/**
 * The threads of one VM and what they do as a whole: start, run, pause, come to an end. Which vCPUs there are, what they
 * work on and what is given back afterwards is the subclass's.
 */

import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { type Finding, InputError, show } from '../../src/errors.js'
import { getAffinity, setAffinity } from '../ffi/threads.js'
import { refusalOf } from '../plan/findings.js'
import { Crew, type HeldVcpu } from '../threads/crew.js'
import { errorOf, type Failure, failureOf, type VcpuEnd, VmError, vmError } from '../wire/failure.js'
import { Command, type VcpuBlock, type VcpuMessage } from '../wire/shared.js'
import { type Patience, withPatience } from './patience.js'
import { type VmEnd, type VmState, VmStateError } from './vm-state.js'

interface Member {
  /** Its number. */
  readonly vcpu: number
  /** cpulist that it has now. */
  cpus: string
  end: VcpuEnd | null
}

/** The command that brings a VM from one state to another. */
const CHANGES = {
  run: { value: Command.go, from: 'created', to: 'running' },
  pause: { value: Command.hold, from: 'running', to: 'paused' },
  resume: { value: Command.go, from: 'paused', to: 'running' },
} as const

export abstract class Lifecycle implements AsyncDisposable {
  /** The VM's name. */
  readonly name: string
  protected readonly crew: Crew
  /** What the kernel refused and the caller goes on without. */
  protected readonly refused: Finding[] = []
  readonly #members: Member[] = []
  #state: VmState = { name: 'created' }
  /** Why it is on its way to its end, before it is there. */
  #ending: VmState | null = null
  /** Resolves when it has come to its end. */
  readonly #ended: Promise<void>
  #settleEnd: () => void = () => {}
  #started: Promise<void> | null = null
  /** Of a vCPU whose thread does not let go of it. */
  #held: VmError | null = null
  #closing: Promise<void> | null = null

  protected constructor(name: string) {
    this.name = name
    this.#ended = new Promise((resolve) => {
      this.#settleEnd = resolve
    })
    this.crew = new Crew({
      ended: (index, end) => this.#vcpuEnded(index, end),
      told: (index, message) => this.#told(index, message),
      nameOf: (device) => this.nameOfDevice(device),
    })
  }

  /** Where it is between its creation and its end. */
  get state(): VmState {
    return this.#state
  }

  /** Has a thread for each vCPU wait for the command to go. */
  protected abstract start(): Promise<void>
  /** A message of a vCPU's thread that is the subclass's affair. */
  protected abstract received(index: number, message: VcpuMessage): void
  /** Nothing runs any more. What it throws is an error of the caller's code. */
  protected abstract atEnd(): void
  /** A device of its threads, for messages. */
  protected abstract nameOfDevice(device: number): string
  /**
   * Gives back everything that the threads have used, when they have ended.
   * @param held vCPUs, by their places, whose threads have not: what such a thread has of its own stays
   */
  protected abstract dispose(held: ReadonlySet<number>): Promise<void>
  /** Gives back what stayed of a vCPU: its thread has ended after all. */
  protected abstract disposeHeld(index: number): void

  /**
   * One more vCPU, whose thread is the next that the crew starts.
   * @param vcpu its number
   * @param cpus cpulist
   */
  protected enlist(vcpu: number, cpus: string): void {
    this.#members.push({ vcpu, cpus, end: null })
  }

  /**
   * Counters and state of a vCPU's thread.
   * @internal
   */
  block(index: number): VcpuBlock {
    return this.crew.block(index)
  }

  /** Number of a vCPU's thread, as in /proc/self/task; 0 while it has none. */
  tid(index: number): number {
    return this.crew.tid(index)
  }

  /**
   * How a vCPU came to its end; `null`: it has not.
   * @internal
   */
  endOf(index: number): VcpuEnd | null {
    return this.#members[index]!.end
  }

  /** cpulist that a vCPU has now: its first one, or that of `repin`. */
  cpusOf(index: number): string {
    return this.#members[index]!.cpus
  }

  /**
   * Starts a thread for each vCPU, pinned and scheduled, and has them wait. `run()` does that as well.
   * @throws {VmError}
   */
  prepare(patience: Patience = {}): Promise<void> {
    this.allowStart('prepare')
    return withPatience(this.name, 'prepare', patience, () => this.#prepared())
  }

  #prepared(): Promise<void> {
    this.#started ??= this.start().catch(async (error) => {
      throw await this.failed(error)
    })
    return this.#started
  }

  protected readonly isEnding = () => this.#ending !== null

  /**
   * Lets the vCPUs run.
   * @throws {VmError} where one of them could not be started
   */
  async run(patience: Patience = {}): Promise<void> {
    this.allowStart('run')
    await this.#change('run', patience, async () => {
      await this.#prepared()
      this.allow('run', 'created')
    })
  }

  /** Has the vCPUs wait, outside of the guest; resolves when all of them do. Accesses under way are answered first. */
  async pause(patience: Patience = {}): Promise<void> {
    this.allow('pause', 'running')
    await this.#change('pause', patience)
  }

  /**
   * Lets the vCPUs of a paused VM go on.
   * @throws {VmStateError} for one that is not paused
   */
  async resume(patience: Patience = {}): Promise<void> {
    this.allow('resume', 'paused')
    await this.#change('resume', patience)
  }

  /** @param before what has to be done first; nobody gives the command later who has given that up */
  async #change(operation: keyof typeof CHANGES, patience: Patience, before: () => Promise<void> = async () => {}) {
    const { value, from, to } = CHANGES[operation]
    let isGiven = false
    let isAbandoned = false
    const work = async () => {
      await before()
      if (isAbandoned) return
      isGiven = true
      await this.crew.command(value, () => isAbandoned || this.isEnding())
      if (this.#ending === null) {
        if (!isAbandoned) this.#state = { name: to }
        return
      }
      await this.unlessFailed()
      // A guest that has come to its end by itself has run. Nothing of it is paused.
      const { by } = this.#state as VmEnd
      if (value === Command.hold || by === 'caller') throw new VmStateError(this.name, operation, [from], 'stopped')
    }
    try {
      await withPatience(this.name, operation, patience, work)
    } catch (error) {
      // A pause that nobody waits for must not take effect later. A start or a resumption may.
      const isPause = value === Command.hold && this.#ending === null
      isAbandoned = isPause || !isGiven
      if (isPause) void this.crew.command(Command.go, this.isEnding)
      throw error
    }
  }

  /**
   * Stops every vCPU, wherever it is. A VM that has stopped already, or failed, stays as it is.
   * @throws {VmError} for a vCPU whose device does not come back: names both, after 7 s (more on a busy machine)
   */
  async stop(patience: Patience = {}): Promise<void> {
    const end = () => this.#end({ name: 'stopped', by: 'caller', exitCode: null })
    await withPatience(this.name, 'stop', patience, end)
    if (this.#held !== null) throw this.#held
  }

  /**
   * Resolves when the VM has stopped, with how.
   * @throws {VmError} when it has failed
   */
  async wait(patience: Patience = {}): Promise<VmEnd> {
    await withPatience(this.name, 'wait', patience, () => this.#ended)
    if (this.#state.name === 'failed') throw this.#state.error
    return this.#state as VmEnd
  }

  /** Throws an end that has come in the meantime, where that is a failure. */
  protected async unlessFailed(): Promise<void> {
    if (this.#ending === null) return
    await this.#ended
    if (this.#state.name === 'failed') throw this.#state.error
  }

  #end(end: VmState): Promise<void> {
    if (this.#ending !== null) return this.#ended
    this.#ending = end
    const over = (held: readonly HeldVcpu[]) => {
      this.#state = end
      for (const { index, failure } of held) this.#held ??= this.#errorOf(index, failure)
      if (this.#held !== null && end.name !== 'failed') this.#state = { name: 'failed', error: this.#held }
      try {
        this.atEnd()
      } catch (error) {
        if (end.name !== 'failed') this.#state = { name: 'failed', error: vmError(this.name, error) }
      }
      this.#settleEnd()
    }
    void this.crew.stop().then(over)
    return this.#ended
  }

  #errorOf(index: number | null, failure: Failure, cause?: unknown): VmError {
    return new VmError(this.name, index === null ? null : this.#members[index]!.vcpu, failure, cause)
  }

  /** The VM has failed; resolves, with the error, when nothing of it runs any more. */
  protected async failed(error: unknown): Promise<VmError> {
    const failure = vmError(this.name, error)
    await this.#end({ name: 'failed', error: failure })
    return failure
  }

  /** @param index of the vCPU that it is about; `null`: none */
  protected fail(index: number | null, failure: Failure, cause?: unknown): void {
    void this.#end({ name: 'failed', error: this.#errorOf(index, failure, cause) })
  }

  #vcpuEnded(index: number, end: VcpuEnd): void {
    this.#members[index]!.end = end
    if (end.kind === 'failed') this.fail(index, end.failure)
    else if (end.kind === 'exited') void this.#end({ name: 'stopped', by: 'guest', exitCode: end.code })
    else if (end.kind === 'ended') void this.#end({ name: 'stopped', by: end.how, exitCode: null })
    else if (this.#members.every((member) => member.end?.kind === 'halted')) {
      void this.#end({ name: 'stopped', by: 'halt', exitCode: null })
    }
  }

  #told(index: number, message: VcpuMessage): void {
    if (message.kind === 'refused') {
      this.refused.push(refusalOf(this.name, this.#members[index]!.vcpu, errorOf(message.failure)))
    } else this.received(index, message)
  }

  /** Throws unless the VM is in one of these states. */
  protected allow(operation: string, ...allowed: VmState['name'][]): void {
    if (this.#closing !== null) throw new VmStateError(this.name, operation, allowed, 'closed')
    // On its way to its end nothing has an effect any more.
    const state = this.#ending ?? this.#state
    if (allowed.includes(state.name)) return
    if (state.name === 'failed') throw state.error
    throw new VmStateError(this.name, operation, allowed, state.name)
  }

  /** Throws unless the VM can be started. */
  protected allowStart(operation: string): void {
    this.allow(operation, 'created')
  }

  /** Throws unless the VM is at rest and can still run. */
  protected allowAtRest(operation: string): void {
    this.allow(operation, 'created', 'paused')
  }

  /** Throws when its memory is given back, or about to be. */
  protected allowOpen(operation: string): void {
    if (this.#closing !== null) throw new VmStateError(this.name, operation, ['created', 'running', 'paused'], 'closed')
  }

  /** Throws unless the VM has not run yet. */
  protected allowBeforeRun(operation: string): void {
    this.allow(operation, 'created')
    if (this.#started !== null) throw new VmStateError(this.name, operation, ['created'], 'running')
  }

  /** Which of the vCPUs has this number. */
  protected indexOf(vcpu: number): number {
    const index = this.#members.findIndex((member) => member.vcpu === vcpu)
    if (index >= 0) return index
    const numbers = formatCpulist(this.#members.map((member) => member.vcpu))
    throw new InputError('vcpu', `a number of a vCPU of VM "${this.name}" (${numbers || 'none yet'})`, show(vcpu))
  }

  /**
   * Gives a vCPU other CPUs, while it runs or before, and reads back that it has them.
   * @param vcpu its number
   * @param cpus cpulist
   * @returns the cpulist that the kernel says it has
   * @throws {VmError} where the kernel refuses, or leaves some out: the vCPU keeps those that it had; for a vCPU that has halted
   */
  repin(vcpu: number, cpus: string): string {
    this.allow('repin', 'created', 'running', 'paused')
    const index = this.indexOf(vcpu)
    if (typeof cpus !== 'string') throw new InputError('cpus', 'a cpulist', show(cpus))
    const wanted = parseCpulist(cpus)
    try {
      this.crew.withThread(index, (tid) => {
        if (tid !== 0) changeAffinity(tid, wanted)
      })
    } catch (error) {
      throw new VmError(this.name, vcpu, failureOf(error), error)
    }
    this.#members[index]!.cpus = cpus
    return cpus
  }

  /**
   * Stops the vCPUs and gives everything back; once, however often it is called.
   * @throws {VmError} as `stop()`, when everything else has been given back
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // While a thread may still run, what it uses has to stay.
    await this.#end({ name: 'stopped', by: 'caller', exitCode: null })
    const held = await this.crew.disband((index) => this.disposeHeld(index))
    await this.dispose(held)
    if (this.#held !== null) throw this.#held
  }

  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Gives a thread these CPUs and no others. @throws {Error} where the kernel gives some of them only: it has its old ones then */
function changeAffinity(tid: number, cpus: readonly number[]): void {
  const before = getAffinity(tid)
  setAffinity(tid, cpus)
  const found = getAffinity(tid)
  if (found.join() === cpus.join()) return
  setAffinity(tid, before)
  const lists = [found, cpus].map(formatCpulist)
  throw new Error(`the kernel gave CPU ${lists[0]} of CPU ${lists[1]}: the others are offline or not in the cpuset`)
}
