/** A plan as the kernel has it: memory, VMs and vCPU threads, all owned by one object. */

import { parseCpulist } from '../src/cpulist.js'
import type { Backend, Plan, RunMemory } from '../src/types.js'
import { closeAll } from './close.js'
import { errorOf, VcpuError } from './failure.js'
import { getAffinity } from './ffi/threads.js'
import { requireFreeMemory } from './free-memory.js'
import type { Guest } from './guests/guest.js'
import { Kvm, type Vcpu } from './kvm.js'
import { dividePrefault, layoutVm, shareMemory, type VmLayout } from './layout.js'
import { Machine } from './machine.js'
import { VmMemory } from './memory.js'
import { VcpuPool } from './pool.js'
import type { MemorySpan } from './residency.js'
import type { VcpuTask } from './vcpu-worker.js'

export class AppliedPlan {
  readonly #memories: readonly VmMemory[]
  /** Empty where no guest is to run. */
  readonly #machines: readonly Machine[]
  /** What each thread has prefaulted. */
  readonly #prefaulted: readonly (readonly MemorySpan[])[]
  /** Its threads are the plan's vCPUs, in the plan's order. */
  readonly pool: VcpuPool
  #closing: Promise<void> | null = null

  private constructor(
    memories: readonly VmMemory[],
    machines: readonly Machine[],
    prefaulted: readonly (readonly MemorySpan[])[],
    pool: VcpuPool,
  ) {
    this.#memories = memories
    this.#machines = machines
    this.#prefaulted = prefaulted
    this.pool = pool
  }

  /**
   * Maps and binds memory, makes the VMs, and sends a thread for each vCPU on its way to be ready.
   * @param failed called with each vCPU's failure, whenever that is
   * @throws {SyscallError}
   * @throws {UnsupportedError} where there is too little memory
   */
  static apply(plan: Plan, backend: Backend, failed: (error: Error) => void): AppliedPlan {
    const layouts = plan.vms.map(layoutVm)
    requireFreeMemory(layouts)
    const memories: VmMemory[] = []
    const machines: Machine[] = []
    try {
      for (const layout of layouts) memories.push(VmMemory.map(layout))
      if (backend === 'kvm') {
        using kvm = Kvm.open()
        for (const memory of memories) machines.push(Machine.build(kvm, memory))
      }
      const tasks = memories.flatMap((memory, i) => tasksOf(memory, machines[i]))
      const pool = createPool(layouts, failed)
      for (const { task, interrupt } of tasks) pool.start(task, interrupt)
      const prefaulted = tasks.map(({ task }) => task.prefault)
      return new AppliedPlan(memories, machines, prefaulted, pool)
    } catch (error) {
      closeAll([...machines, ...memories])
      throw error
    }
  }

  /** Lets every vCPU run, `guest` where guests do; only once the pool is ready. */
  go(guest: Guest): void {
    for (const machine of this.#machines) machine.boot(guest)
    this.pool.go()
  }

  /**
   * Where the kernel has the memory that `promised` puts on its nodes; the vCPUs may run meanwhile.
   * @param promised a plan of the same VMs and cells as the applied one
   */
  async readMemory(promised: Plan): Promise<RunMemory[]> {
    const rows: Omit<RunMemory, 'residentBytes'>[] = []
    const spans: MemorySpan[] = []
    for (const [i, { name, cells }] of promised.vms.map(layoutVm).entries()) {
      for (const cell of cells) {
        for (const range of cell.ranges) {
          rows.push({ vm: name, cell: cell.cell, node: range.node, bytes: range.bytes })
          spans.push(this.#memories[i]!.span(cell, range))
        }
      }
    }
    const result = await this.pool.readBack(getAffinity(0), spans)
    if (!result.ok) throw errorOf(result.failure)
    return rows.map((row, i) => ({ ...row, residentBytes: result.resident[i]! }))
  }

  /** Stops the vCPUs and gives everything back; once, however often it is called. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // Not in a `finally`: while a thread may still run, its memory has to stay.
    await this.pool.stop()
    try {
      closeAll(this.#machines)
    } finally {
      await this.pool.giveBack(this.#prefaulted)
      await this.pool.close()
      closeAll(this.#memories)
    }
  }
}

function createPool(layouts: readonly VmLayout[], failed: (error: Error) => void): VcpuPool {
  const names = layouts.flatMap((layout) => layout.vcpus.map(({ vcpu }) => ({ vm: layout.name, vcpu })))
  return new VcpuPool(names.length, (index, failure) => {
    const name = index === null ? undefined : names[index]
    failed(name === undefined ? errorOf(failure) : new VcpuError(name.vm, name.vcpu, failure))
  })
}

interface Assignment {
  readonly task: Omit<VcpuTask, 'shared' | 'index'>
  /** Makes the vCPU leave the guest as soon as it enters it again. */
  readonly interrupt: () => void
}

/** What the thread of each vCPU of a VM does. Without a machine it walks over the vCPU's share of the memory. */
function tasksOf(memory: VmMemory, machine: Machine | undefined): Assignment[] {
  const { layout } = memory
  const prefault = dividePrefault(layout)
  const work = machine === undefined ? walkWork(memory) : machine.vcpus.map(guestWork)
  return layout.vcpus.map((planned, i) => {
    const parts = prefault.filter((part) => part.vcpu === planned)
    const task = {
      cpus: parseCpulist(planned.cpus),
      prefault: parts.map((part) => memory.span(part.cell, part)),
      work: work[i]!,
    }
    return { task, interrupt: () => machine?.vcpus[i]?.requestExit() }
  })
}

function guestWork(vcpu: Vcpu): VcpuTask['work'] {
  return { kind: 'guest', fd: vcpu.fd, page: vcpu.runPage }
}

function walkWork(memory: VmMemory): VcpuTask['work'][] {
  return shareMemory(memory.layout, 0).map(({ start, end }) => ({
    kind: 'walk',
    address: memory.addressOf(start),
    bytes: end - start,
  }))
}
