/**
 * A planned VM on the host: its memory where the plan says, a thread for each vCPU where the plan says, and what they do
 * as a whole. What the threads work on is the subclass's: a guest (vm.ts), or a walk over the memory (walkers.ts).
 */

import { requireId, requireObject } from '../../src/checks.js'
import { parseCpulist } from '../../src/cpulist.js'
import { type Finding, InputError, show } from '../../src/errors.js'
import type { PlanVm, RunMemory } from '../../src/types.js'
import { closeInTurn } from '../ffi/close.js'
import type { VmMemory } from '../memory/memory.js'
import type { CellPages, PlacedMemory, PlaceMemoryOptions } from '../memory/placed-memory.js'
import { refusalOf } from '../plan/findings.js'
import { layoutVm, type VmLayout } from '../plan/layout.js'
import { shareCookies } from '../threads/core-scheduling.js'
import { vmError } from '../wire/failure.js'
import { Command } from '../wire/shared.js'
import type { GuestWork, WalkWork } from '../worker/vcpu-worker.js'
import { Lifecycle } from './lifecycle.js'
import { type Patience, withPatience } from './patience.js'

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

export abstract class Placement extends Lifecycle {
  /** What it carries out. */
  readonly plan: PlanVm
  readonly #placed: PlacedMemory
  readonly #options: PlacementOptions

  protected constructor(plan: PlanVm, placed: PlacedMemory, options: PlacementOptions) {
    super(plan.name)
    this.plan = plan
    this.#placed = placed
    this.#options = options
    this.refused.push(...placed.refusals)
    for (const { vcpu, cpus } of plan.vcpus) this.enlist(vcpu, cpus)
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
    return this.refused
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
  /** Gives back what the threads have worked on, when they have ended. */
  protected abstract release(held: ReadonlySet<number>): Promise<void>

  protected override async start(): Promise<void> {
    const { realtime, nice } = this.#options.scheduling ?? {}
    const scheduling = {
      ...(realtime === undefined ? {} : { realtime }),
      ...(nice === undefined ? {} : { nice }),
      relaxed: this.#options.relaxed === true,
    }
    for (const [i, { work, interrupt }] of this.assignments().entries()) {
      if (this.isEnding()) break
      this.crew.start({ work, scheduling, cpus: parseCpulist(this.cpusOf(i)) }, interrupt)
      await this.crew.begun(this.isEnding)
    }
    await this.crew.command(Command.hold, this.isEnding)
    await this.unlessFailed()
    await this.#shareCookies()
  }

  async #shareCookies(): Promise<void> {
    const { scheduling, trust = this.name, relaxed } = this.#options
    try {
      shareCookies(trust, this.crew, this.plan.vcpus.length, scheduling?.core ?? 'available')
    } catch (error) {
      if (relaxed !== true || !(error instanceof Error)) throw await this.failed(error)
      this.refused.push(refusalOf(this.name, null, error))
    }
  }

  /**
   * Moves a cell's memory to a node, also while the guest runs, and reads back where it is.
   * @returns bytes found on each node
   * @throws {VmError} where the node has no room, or pages stayed elsewhere
   */
  async moveMemory(cell: number, node: number, patience: Patience = {}): Promise<Readonly<Record<string, number>>> {
    this.allow('moveMemory', 'created', 'running', 'paused')
    const layout = this.layout.cells.find((each) => each.cell === cell)
    if (layout === undefined) throw new InputError('cell', `a number of a cell of VM "${this.name}"`, show(cell))
    requireId('node', node)
    const work = () =>
      this.#placed.move(layout, node).catch((error) => {
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
    requireObject('promised', promised)
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

  protected override dispose(held: ReadonlySet<number>): Promise<void> {
    return closeInTurn(
      () => this.release(held),
      () => this.#placed.close(),
    )
  }
}
