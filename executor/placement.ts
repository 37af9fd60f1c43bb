/**
 * A planned VM on the host: its memory where the plan says, a thread for each vCPU where the plan says, and what they do
 * as a whole. What the threads work on is the subclass's: a guest (vm.ts), or a walk over the memory (walkers.ts).
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseCpulist } from '../src/cpulist.js'
import { type Finding, InputError, show } from '../src/errors.js'
import type { PlanVm, RunMemory } from '../src/types.js'
import { shareCookies } from './core-scheduling.js'
import { Crew } from './crew.js'
import { errorOf, type Failure, failureOf, type VcpuEnd, VmError, vmError } from './failure.js'
import { getAffinity, setAffinity } from './ffi/threads.js'
import { refusalOf } from './findings.js'
import { layoutVm, type VmLayout } from './layout.js'
import type { VmMemory } from './memory.js'
import type { CellPages, PlacedMemory, PlaceMemoryOptions } from './placed-memory.js'
import { Command, type VcpuBlock, type VcpuMessage } from './shared.js'
import type { GuestWork, WalkWork } from './vcpu-worker.js'
import { type Patience, type VmEnd, type VmState, VmStateError, withPatience } from './vm-state.js'

/** How the vCPUs' threads are scheduled. */
export interface SchedulingOptions {
  /** SCHED_FIFO with this priority, 1 to 99, for the vCPUs' threads. A guest that never exits then keeps its CPU to itself. */
  readonly realtime?: number
  /** Nice value of the vCPUs' threads, -20 to 19. */
  readonly nice?: number
  /**
   * Core scheduling: on a core with SMT siblings only threads of the same trust domain run at the same time.
   * `available` (the default): where the kernel has it; `required`: else that is an error; `off`.
   */
  readonly core?: 'available' | 'required' | 'off'
}

/** How a VM is placed. */
export interface PlacementOptions extends PlaceMemoryOptions {
  /** How the vCPUs' threads are scheduled. */
  readonly scheduling?: SchedulingOptions
  /** Trust domain; default: the VM's name. */
  readonly trust?: string
}

/** What the thread of a vCPU is to do. */
export interface Assignment {
  readonly work: GuestWork | WalkWork
  /** Makes the vCPU leave the guest as soon as it enters it again. */
  readonly interrupt: () => void
}

export abstract class Placement implements AsyncDisposable {
  /** What it carries out. */
  readonly plan: PlanVm
  protected readonly crew: Crew
  readonly #placed: PlacedMemory
  readonly #options: PlacementOptions
  readonly #refusals: Finding[]
  #state: VmState = { name: 'created' }
  /** Why it is on its way to its end, before it is there. */
  #ending: VmState | null = null
  /** Resolves when it has come to its end. */
  readonly #ended: Promise<void>
  #settleEnd: () => void = () => {}
  #started: Promise<void> | null = null
  #closing: Promise<void> | null = null
  readonly #ends: (VcpuEnd | null)[]
  /** CPUs that each vCPU has now. */
  readonly #cpus: string[]

  protected constructor(plan: PlanVm, placed: PlacedMemory, options: PlacementOptions) {
    this.plan = plan
    this.#placed = placed
    this.#options = options
    this.#refusals = [...placed.refusals]
    this.#ends = plan.vcpus.map(() => null)
    this.#cpus = plan.vcpus.map(({ cpus }) => cpus)
    this.#ended = new Promise((resolve) => {
      this.#settleEnd = resolve
    })
    this.crew = new Crew(plan.vcpus.length, {
      ended: (index, end) => this.#vcpuEnded(index, end),
      told: (index, message) => this.#told(index, message),
    })
  }

  /** The VM's name, as in the plan. */
  get name(): string {
    return this.plan.name
  }

  /** Where it is between its creation and its end. */
  get state(): VmState {
    return this.#state
  }

  /**
   * Where its memory is in the process.
   * @internal
   */
  get memory(): VmMemory {
    return this.#placed.memory
  }

  /** What the kernel refused, where `relaxed` allows that. */
  get refusals(): readonly Finding[] {
    return this.#refusals
  }

  /**
   * Which memory it has.
   * @internal
   */
  get layout(): VmLayout {
    return this.memory.layout
  }

  /** What the thread of each vCPU does, in the order of the plan. */
  protected abstract assignments(): Assignment[]
  /** A message of a vCPU's thread that is the subclass's affair. */
  protected abstract received(index: number, message: VcpuMessage): void
  /** Nothing runs any more. What it throws is an error of the caller's code. */
  protected abstract atEnd(): void
  /** Gives back what the threads have worked on, when they have ended. */
  protected abstract release(): Promise<void>

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
    return this.#ends[index]!
  }

  /** cpulist that a vCPU has now: the plan's, or that of `repin`. */
  cpusOf(index: number): string {
    return this.#cpus[index]!
  }

  /**
   * Starts a thread for each vCPU, pinned and scheduled, and has them wait. `run()` does that as well.
   * @throws {VmError}
   */
  prepare(patience: Patience = {}): Promise<void> {
    this.#allow('prepare', 'created')
    this.#started ??= this.#start()
    return withPatience(this.name, 'prepare', patience, this.#started)
  }

  async #start(): Promise<void> {
    const { realtime, nice } = this.#options.scheduling ?? {}
    const scheduling = {
      ...(realtime === undefined ? {} : { realtime }),
      ...(nice === undefined ? {} : { nice }),
      relaxed: this.#options.relaxed === true,
    }
    for (const [i, { work, interrupt }] of this.assignments().entries()) {
      if (this.#isEnding()) break
      this.crew.start({ work, scheduling, cpus: parseCpulist(this.#cpus[i]!) }, interrupt)
      // A new thread takes Node 10 ms on this one.
      await nextTurn()
    }
    await this.crew.command(Command.hold, this.#isEnding)
    await this.#unlessFailed()
    await this.#shareCookies()
  }

  async #shareCookies(): Promise<void> {
    const { scheduling, trust = this.name, relaxed } = this.#options
    try {
      shareCookies(trust, this.crew, this.plan.vcpus.length, scheduling?.core ?? 'available')
    } catch (error) {
      if (relaxed !== true || !(error instanceof Error)) throw await this.#fail(error)
      this.#refusals.push(refusalOf(this.name, null, error))
    }
  }

  readonly #isEnding = () => this.#ending !== null

  /**
   * Lets the vCPUs run.
   * @throws {VmError} where one of them could not be started
   */
  async run(patience: Patience = {}): Promise<void> {
    await this.prepare(patience)
    this.#allow('run', 'created')
    await this.#command('run', Command.go, patience)
  }

  /** Has the vCPUs wait, outside of the guest; resolves when all of them do. Accesses under way are answered first. */
  async pause(patience: Patience = {}): Promise<void> {
    this.#allow('pause', 'running')
    await this.#command('pause', Command.hold, patience)
  }

  /**
   * Lets the vCPUs of a paused VM go on.
   * @throws {VmStateError} for one that is not paused
   */
  async resume(patience: Patience = {}): Promise<void> {
    this.#allow('resume', 'paused')
    await this.#command('resume', Command.go, patience)
  }

  async #command(operation: string, value: typeof Command.go | typeof Command.hold, patience: Patience) {
    let isAbandoned = false
    const work = async () => {
      await this.crew.command(value, () => isAbandoned || this.#isEnding())
      await this.#unlessFailed()
      if (!isAbandoned && this.#ending === null) this.#state = { name: value === Command.go ? 'running' : 'paused' }
    }
    try {
      await withPatience(this.name, operation, patience, work())
    } catch (error) {
      // A pause that nobody waits for must not come later; a start or a resumption may.
      if (value === Command.hold && this.#ending === null) {
        isAbandoned = true
        void this.crew.command(Command.go, this.#isEnding)
      }
      throw error
    }
  }

  /** Stops every vCPU, wherever it is. A VM that has stopped already, or failed, stays as it is. */
  async stop(patience: Patience = {}): Promise<void> {
    await withPatience(this.name, 'stop', patience, this.#end({ name: 'stopped', by: 'caller', exitCode: null }))
  }

  /**
   * Resolves when the VM has stopped, with how.
   * @throws {VmError} when it has failed
   */
  async wait(patience: Patience = {}): Promise<VmEnd> {
    await withPatience(this.name, 'wait', patience, this.#ended)
    if (this.#state.name === 'failed') throw this.#state.error
    return this.#state as VmEnd
  }

  /** Throws an end that has come in the meantime, where that is a failure. */
  async #unlessFailed(): Promise<void> {
    if (this.#ending === null) return
    await this.#ended
    if (this.#state.name === 'failed') throw this.#state.error
  }

  #end(end: VmState): Promise<void> {
    if (this.#ending !== null) return this.#ended
    this.#ending = end
    const over = () => {
      this.#state = end
      try {
        this.atEnd()
      } catch (error) {
        if (end.name !== 'failed') this.#state = { name: 'failed', error: vmError(this.name, error) }
      }
      this.#settleEnd()
    }
    void this.crew.stop().then(over, over)
    return this.#ended
  }

  /** The VM has failed; resolves, with the error, when nothing of it runs any more. */
  async #fail(error: unknown): Promise<VmError> {
    const failure = vmError(this.name, error)
    await this.#end({ name: 'failed', error: failure })
    return failure
  }

  /** @param index of the vCPU that it is about; `null`: none */
  protected fail(index: number | null, failure: Failure, cause?: unknown): void {
    const vcpu = index === null ? null : this.plan.vcpus[index]!.vcpu
    void this.#end({ name: 'failed', error: new VmError(this.name, vcpu, failure, cause) })
  }

  #vcpuEnded(index: number, end: VcpuEnd): void {
    this.#ends[index] = end
    if (end.kind === 'failed') this.fail(index, end.failure)
    else if (end.kind === 'exited') void this.#end({ name: 'stopped', by: 'guest', exitCode: end.code })
    else if (this.#ends.every((each) => each?.kind === 'halted')) {
      void this.#end({ name: 'stopped', by: 'halt', exitCode: null })
    }
  }

  #told(index: number, message: VcpuMessage): void {
    if (message.kind === 'refused') {
      this.#refusals.push(refusalOf(this.name, this.plan.vcpus[index]!.vcpu, errorOf(message.failure)))
    } else this.received(index, message)
  }

  #allow(operation: string, ...allowed: VmState['name'][]): void {
    if (allowed.includes(this.#state.name)) return
    if (this.#state.name === 'failed') throw this.#state.error
    throw new VmStateError(this.name, operation, allowed, this.#state.name)
  }

  /** Throws unless the VM is at rest and can still run. */
  protected allowAtRest(operation: string): void {
    this.#allow(operation, 'created', 'paused')
  }

  /** Throws when its memory is given back, or about to be. */
  protected allowOpen(operation: string): void {
    if (this.#closing !== null) throw new VmStateError(this.name, operation, ['created', 'running', 'paused'], 'closed')
  }

  /** Throws unless the VM has not run yet. */
  protected allowBeforeRun(operation: string): void {
    this.#allow(operation, 'created')
    if (this.#started !== null) throw new VmStateError(this.name, operation, ['created'], 'running')
  }

  /**
   * Gives a vCPU other CPUs, while it runs or before, and reads back that it has them.
   * @param vcpu its number
   * @param cpus cpulist
   * @returns the cpulist that the kernel says it has
   * @throws {SyscallError} where the kernel refuses; {VmError} where it leaves some out
   */
  repin(vcpu: number, cpus: string): string {
    this.#allow('repin', 'created', 'running', 'paused')
    const index = this.plan.vcpus.findIndex((each) => each.vcpu === vcpu)
    if (index < 0) throw new InputError('vcpu', `a number of a vCPU of VM "${this.name}"`, show(vcpu))
    const wanted = parseCpulist(cpus)
    const tid = this.tid(index)
    if (tid !== 0) {
      try {
        setAffinity(tid, wanted)
        const found = getAffinity(tid)
        if (found.join() !== wanted.join()) {
          throw new Error(
            `the kernel gave CPU ${found.join(',')} of CPU ${cpus}: the others are offline or not in the cpuset`,
          )
        }
      } catch (error) {
        throw new VmError(this.name, vcpu, failureOf(error), error)
      }
    }
    this.#cpus[index] = cpus
    return cpus
  }

  /**
   * Moves a cell's memory to a node, also while the guest runs, and reads back where it is.
   * @returns bytes found on each node
   * @throws {VmError} where the node has no room, or pages stayed elsewhere
   */
  async moveMemory(cell: number, node: number, patience: Patience = {}): Promise<Readonly<Record<string, number>>> {
    this.#allow('moveMemory', 'created', 'running', 'paused')
    const layout = this.layout.cells.find((each) => each.cell === cell)
    if (layout === undefined) throw new InputError('cell', `a number of a cell of VM "${this.name}"`, show(cell))
    const work = this.#placed.move(layout, node).catch((error) => {
      throw vmError(this.name, error)
    })
    return withPatience(this.name, 'moveMemory', patience, work)
  }

  /**
   * Where the kernel has the memory, by the ranges of a plan; the guest may run meanwhile.
   * @param promised the VM with the same cells, where it is not its own plan that it is held against
   */
  async readMemory(promised: PlanVm = this.plan): Promise<RunMemory[]> {
    this.allowOpen('readMemory')
    return this.#placed.read(layoutVm(promised))
  }

  /** Where the kernel has each cell's memory, by node and page size; the guest may run meanwhile. */
  async readPages(): Promise<CellPages[]> {
    this.allowOpen('readPages')
    return this.#placed.pages()
  }

  /** What `readMemory` has found elsewhere than planned. */
  memoryFindings(rows: readonly RunMemory[]): Finding[] {
    return this.#placed.findings(rows)
  }

  /** Stops the vCPUs and gives everything back; once, however often it is called. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // While a thread may still run, its memory has to stay.
    await this.stop()
    try {
      await this.release()
    } finally {
      await this.#placed.close()
    }
  }

  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
