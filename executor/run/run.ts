/** Runs a plan: applies it, lets its guests run, and holds what the kernel says against it. */

import { setTimeout as delay } from 'node:timers/promises'
import { requireBoolean, requireCallback, requireObject, requireOneOf, requireSignal } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import type { Backend, PartitionKind, Plan, PlanVm, RunReport, VerifiedPlan } from '../../src/types.js'
import { type Grounds, groundsOf, isVerified } from '../../src/verified.js'
import { KINDS } from '../cpusets/state.js'
import { reportDevice } from '../devices/create.js'
import type { Guest } from '../guests/guest.js'
import { walk } from '../guests/walk.js'
import { requireFreeMemory } from '../observe/free-memory.js'
import { failureFinding } from '../plan/findings.js'
import { layoutVm } from '../plan/layout.js'
import { bootGuest } from '../program/boot.js'
import type { Placement, PlacementOptions } from '../vm/placement.js'
import { carryOutVm } from '../vm/vm.js'
import { Walkers } from '../vm/walkers.js'
import { VmError } from '../wire/failure.js'
import { chooseBackend } from './backend.js'
import { ExclusiveCpus } from './exclusive.js'
import { MemoryWatch, type WatchedMemory } from './memory-watch.js'
import { type RunProgress, Watch } from './watch.js'

/** How a run is carried out. */
export interface RunOptions {
  /** How long the guests run; default 3. Up to 10 s longer while a vCPU has not had a CPU for long enough to do anything. */
  readonly seconds?: number
  /** Default: `kvm` where it is usable, else `threads`. */
  readonly backend?: Backend
  /** Gives the dedicated vCPUs their CPUs alone for the time of the run: nobody else on this system runs there. Default: not. */
  readonly exclusive?: PartitionKind
  /** Whether binding, pinning, scheduling and exclusive CPUs that the kernel refuses are findings of the report rather than errors. */
  readonly relaxed?: boolean
  /** Ends the run early: everything is stopped and given back, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Called about ten times a second while the guests run. What it throws ends the run. */
  readonly onProgress?: (progress: RunProgress) => void
}

const TICK_MS = 100
/** How much longer a run goes on while a vCPU has done nothing yet. On a busy machine its first turn can take seconds to come. */
const GRACE_SECONDS = 10

/**
 * Carries a plan out for a while, and reports what the kernel says happened. A VM that fails is a finding, and the others
 * go on; where all of them fail, that is an error.
 * @throws {InputError} for anything but a plan that `verifyPlan` returned
 * @throws {UnsupportedError} where the system lacks what it takes (memory, KVM)
 * @throws {VmError} names the VM that failed, and why
 */
export async function runPlan(plan: VerifiedPlan, options: RunOptions = {}): Promise<RunReport> {
  if (!isVerified(plan)) throw new InputError('plan', 'the object that verifyPlan() returned', show(plan))
  return carryOut(plan, plan, options, walk, groundsOf(plan))
}

/**
 * Carries out `carried` and holds it against `promised`: the same plan, except in tests, which make the executor lie.
 */
export async function carryOut(
  promised: Plan,
  carried: Plan,
  options: RunOptions,
  guest: Guest = walk,
  grounds: Grounds = { cpus: [], nodes: [], distances: [], vms: {} },
): Promise<RunReport> {
  requireObject('options', options)
  const { seconds = 3, signal, onProgress, relaxed = false, exclusive } = options
  requireBoolean('relaxed', relaxed)
  requireSignal('signal', signal)
  requireOneOf('exclusive', exclusive, KINDS)
  requireCallback('onProgress', onProgress)
  if (!(Number.isFinite(seconds) && seconds > 0)) throw new InputError('seconds', 'a number above 0', show(seconds))
  if (carried.vms.length === 0) throw new InputError('plan.vms', 'at least one VM that is placed', 'none')
  signal?.throwIfAborted()
  const { backend, noGuest } = chooseBackend(options.backend)
  requireFreeMemory(carried.vms.map(layoutVm))

  const failures = new Map<string, Error>()
  const placements: Placement[] = []
  /** Of those that have not failed; what fails is noted, and has stopped. */
  const running = () => placements.filter((vm) => !failures.has(vm.name))
  const each = async (work: (vm: Placement) => Promise<unknown>) => {
    await Promise.all(running().map((vm) => work(vm).catch((error) => failures.set(vm.name, error))))
    signal?.throwIfAborted()
    if (running().length === 0) throw failures.values().next().value
  }
  const cpus = exclusive === undefined ? null : new ExclusiveCpus(exclusive, relaxed)
  const place = signal === undefined ? { relaxed } : { relaxed, signal }
  try {
    await Promise.all(
      carried.vms.map(async (vm) => {
        try {
          placements.push(await placeVm(vm, backend, guest, grounds, place))
        } catch (error) {
          failures.set(vm.name, error as Error)
        }
      }),
    )
    await each((vm) => vm.prepare(place))
    cpus?.take(inOrderOf(carried, running()))
    const watch = new Watch(promised, inOrderOf(carried, running()))
    const memoryWatch = new MemoryWatch()
    const memories = (vms: readonly Placement[]) => vms.map((vm) => memoryOf(vm, promisedVm(promised, vm)))
    await each((vm) => vm.run(place))
    const startedAt = performance.now()
    const elapsed = () => (performance.now() - startedAt) / 1000
    const left = () => (watch.allProgressed() ? seconds : seconds + GRACE_SECONDS) - elapsed()
    while (left() > 0) {
      const untilDue = (seconds - elapsed()) * 1000
      await delay(untilDue > 0 ? Math.min(TICK_MS, untilDue) : TICK_MS, undefined, place)
      watch.look()
      cpus?.look()
      memoryWatch.tick(memories(inOrderOf(carried, running())))
      onProgress?.(watch.progress(elapsed()))
      await each(checkRunning)
    }
    watch.look()
    cpus?.look()
    const ran = elapsed()
    // While its threads are still the vCPUs': later they have their own CPUs again.
    cpus?.release()
    await each(async (vm) => {
      await checkRunning(vm)
      await vm.stop()
    })
    // Only now are the vCPUs' threads free to do it. New threads would have to start beside guests that never rest.
    const readers = inOrderOf(carried, running())
    await memoryWatch.settled()
    const memory = await memoryWatch.look(memories(readers))
    const watched = {
      threadLooks: watch.looks,
      memoryLooks: memoryWatch.looks,
      pagesMigrated: memoryWatch.pagesMigrated,
    }
    await each((vm) => vm.close())

    const findings = [
      ...[...failures].map(([vm, error]) => failureFinding(vm, error)),
      ...placements.flatMap(({ refusals }) => refusals),
      ...(cpus?.findings ?? []),
      ...watch.findings(new Set(failures.keys())),
      ...memoryWatch.findings.filter(({ vm }) => !failures.has(vm ?? '')),
    ]
    return {
      schemaVersion: 1,
      kind: 'RunReport',
      backend,
      ...(noGuest === null ? {} : { noGuest }),
      seconds: ran,
      plan: promised,
      vcpus: watch.rows(backend, ran),
      memory,
      ...cpus?.report(),
      watched,
      verified: findings.length === 0,
      findings,
    }
  } catch (error) {
    // When the caller gives up, whatever is under way fails too. The first cause counts.
    throw signal?.aborted === true ? signal.reason : error
  } finally {
    cpus?.release()
    await Promise.allSettled(placements.map((vm) => vm.close()))
  }
}

function placeVm(vm: PlanVm, backend: Backend, guest: Guest, grounds: Grounds, options: PlacementOptions) {
  const trust = grounds.vms[vm.name]?.trust ?? vm.name
  if (backend === 'threads') return Walkers.create(vm, { ...options, trust })
  return carryOutVm(vm, grounds, options, (memory, { vcpus }) => bootGuest(memory, vcpus, guest)).then((made) => {
    made.attach('port', reportDevice.range, reportDevice.what)
    return made
  })
}

/** A VM's memory, as another plan than its own may have promised it. */
function memoryOf(vm: Placement, planned: PlanVm): WatchedMemory {
  return { readMemory: () => vm.readMemory(planned), memoryFindings: (rows) => vm.memoryFindings(rows) }
}

/** VMs are ready in any order; a report is in the plan's. */
function inOrderOf({ vms }: Plan, placements: readonly Placement[]): Placement[] {
  return vms.flatMap(({ name }) => placements.filter((placement) => placement.name === name))
}

function promisedVm({ vms }: Plan, { name }: Placement): PlanVm {
  return vms.find((vm) => vm.name === name)!
}

/** The guest of a run has no end: one that has come to it has failed. */
async function checkRunning(vm: Placement): Promise<void> {
  if (vm.state.name === 'failed') throw vm.state.error
  for (const [i, { vcpu }] of vm.plan.vcpus.entries()) {
    if (vm.endOf(i)?.kind !== 'halted') continue
    await vm.stop()
    const text = 'the guest halted, and nothing is there to wake it'
    throw new VmError(vm.name, vcpu, { kind: 'exit', reason: 'hlt', text })
  }
}
