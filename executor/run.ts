/** Runs a plan: memory mapped and bound, vCPUs pinned and run, and what the kernel says held against the plan. */

import { setTimeout as delay } from 'node:timers/promises'
import { parseCpulist } from '../src/cpulist.js'
import { InputError, show } from '../src/errors.js'
import type { Backend, Plan, RunMemory, RunReport, VerifiedPlan } from '../src/types.js'
import { isVerified } from '../src/verified.js'
import { chooseBackend } from './backend.js'
import { errorOf, VcpuError } from './failure.js'
import { getAffinity } from './ffi/threads.js'
import { memoryFindings } from './findings.js'
import { requireFreeMemory } from './free-memory.js'
import type { Guest } from './guests/guest.js'
import { walk } from './guests/walk.js'
import { Kvm, type Vcpu } from './kvm.js'
import { dividePrefault, layoutVm, shareMemory, type VmLayout } from './layout.js'
import { Machine } from './machine.js'
import { VmMemory } from './memory.js'
import { VcpuPool } from './pool.js'
import type { MemorySpan } from './residency.js'
import type { VcpuTask } from './vcpu-worker.js'
import { type RunProgress, Watch } from './watch.js'

export interface RunOptions {
  /** How long the guests run; default 3. */
  readonly seconds?: number
  /** Default: `kvm` where it is usable, else `threads`. */
  readonly backend?: Backend
  /** Ends the run early: everything is stopped and given back, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Called about ten times a second while the guests run. What it throws ends the run. */
  readonly onProgress?: (progress: RunProgress) => void
}

const TICK_MS = 100
const READY_POLL_MS = 1

/**
 * Carries a plan out for a while, and reports what the kernel says happened.
 * @throws {InputError} for anything but a plan that `verifyPlan` returned
 * @throws {UnsupportedError} where the system lacks what it takes (memory, KVM)
 * @throws {SyscallError} where the kernel refused a call
 * @throws {VcpuError} names the VM and the vCPU that failed, and why
 */
export async function runPlan(plan: VerifiedPlan, options: RunOptions = {}): Promise<RunReport> {
  if (!isVerified(plan)) throw new InputError('plan', 'the object that verifyPlan() returned', show(plan))
  return carryOut(plan, plan, options)
}

/**
 * Carries out `carried` and holds it against `promised`: the same plan, except in tests, which make the executor lie.
 */
export async function carryOut(
  promised: Plan,
  carried: Plan,
  options: RunOptions,
  guest: Guest = walk,
): Promise<RunReport> {
  const { seconds = 3, signal, onProgress } = options
  if (!(Number.isFinite(seconds) && seconds > 0)) throw new InputError('seconds', 'a number above 0', show(seconds))
  if (carried.vms.length === 0) throw new InputError('plan.vms', 'at least one VM that is placed', 'none')
  signal?.throwIfAborted()
  const { backend, noGuest } = chooseBackend(options.backend)
  const layouts = carried.vms.map(layoutVm)
  requireFreeMemory(layouts)

  const ended = new AbortController()
  const abort = () => ended.abort(signal?.reason)
  signal?.addEventListener('abort', abort)
  const machines: Machine[] = []
  const memories: VmMemory[] = []
  let pool: VcpuPool | undefined
  try {
    for (const layout of layouts) memories.push(VmMemory.map(layout))
    if (backend === 'kvm') buildMachines(machines, memories)
    pool = createPool(layouts, (error) => ended.abort(error))
    ended.signal.addEventListener('abort', () => void pool?.stop())
    for (const [i, memory] of memories.entries()) startThreads(pool, memory, machines[i])
    while (!pool.ready) await delay(READY_POLL_MS, undefined, { signal: ended.signal })
    for (const machine of machines) machine.boot(guest)

    const watch = new Watch(promised, pool)
    const startedAt = performance.now()
    const elapsed = () => (performance.now() - startedAt) / 1000
    pool.go()
    for (let left = seconds; left > 0; left = seconds - elapsed()) {
      await delay(Math.min(TICK_MS, left * 1000), undefined, { signal: ended.signal })
      watch.look()
      onProgress?.(watch.progress(elapsed()))
    }
    const memory = await readMemory(promised, memories, pool)
    watch.look()
    const ran = elapsed()
    await pool.stop()
    ended.signal.throwIfAborted()

    const findings = [...watch.findings(), ...memory.flatMap(memoryFindings)]
    return {
      schemaVersion: 1,
      kind: 'RunReport',
      backend,
      ...(noGuest === null ? {} : { noGuest }),
      seconds: ran,
      plan: promised,
      vcpus: watch.rows(backend, ran),
      memory,
      verified: findings.length === 0,
      findings,
    }
  } catch (error) {
    // Whatever was under way when a vCPU failed, or the caller gave up, fails too: the first cause counts.
    throw ended.signal.aborted ? ended.signal.reason : error
  } finally {
    signal?.removeEventListener('abort', abort)
    await pool?.stop()
    for (const machine of machines) machine.close()
    for (const memory of memories) memory.close()
    await pool?.close()
  }
}

function buildMachines(machines: Machine[], memories: readonly VmMemory[]): void {
  using kvm = Kvm.open()
  for (const memory of memories) machines.push(Machine.build(kvm, memory))
}

/** A pool with a thread for each vCPU, in the order of the plan. */
function createPool(layouts: readonly VmLayout[], failed: (error: Error) => void): VcpuPool {
  const names = layouts.flatMap((layout) => layout.vcpus.map(({ vcpu }) => ({ vm: layout.name, vcpu })))
  return new VcpuPool(names.length, (index, failure) => {
    const name = index === null ? undefined : names[index]
    failed(name === undefined ? errorOf(failure) : new VcpuError(name.vm, name.vcpu, failure))
  })
}

/** Sends each vCPU of a VM on its way to be ready. Without a machine its thread walks over the vCPU's share instead. */
function startThreads(pool: VcpuPool, memory: VmMemory, machine: Machine | undefined): void {
  const { layout } = memory
  const prefault = dividePrefault(layout)
  const work = machine === undefined ? walkWork(memory) : machine.vcpus.map(guestWork)
  layout.vcpus.forEach((planned, i) => {
    const parts = prefault.filter((part) => part.vcpu === planned)
    pool.start(
      {
        cpus: parseCpulist(planned.cpus),
        prefault: parts.map((part) => memory.span(part.cell, part)),
        work: work[i]!,
      },
      () => machine?.vcpus[i]?.requestExit(),
    )
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

/** The report's rows: where the kernel has the memory that the plan promises, asked while the guests run. */
async function readMemory(promised: Plan, memories: readonly VmMemory[], pool: VcpuPool): Promise<RunMemory[]> {
  const rows: Omit<RunMemory, 'residentBytes'>[] = []
  const spans: MemorySpan[] = []
  promised.vms.map(layoutVm).forEach((layout: VmLayout, i) => {
    for (const cell of layout.cells) {
      for (const range of cell.ranges) {
        rows.push({ vm: layout.name, cell: cell.cell, node: range.node, bytes: range.bytes })
        spans.push(memories[i]!.span(cell, range))
      }
    }
  })
  const result = await pool.readBack(getAffinity(0), spans)
  if (!result.ok) throw errorOf(result.failure)
  return rows.map((row, i) => ({ ...row, residentBytes: result.resident[i]! }))
}
