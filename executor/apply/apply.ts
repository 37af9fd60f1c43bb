/** Changes carried out: the lock, the undo file, the steps, and what the kernel says of it at the end. */

import { requireBoolean, requireCallback, requireSignal } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import { requireChanges, requirePressure, requireStateOptions } from './arguments.js'
import { compare, type Wanted } from './compare.js'
import { cpusetOf } from './cpusets.js'
import type { DomainState } from './domain-state.js'
import { OpenDomains } from './domains.js'
import { makePartitions, type PlannedPartitions, planPartitions, removePartitions } from './exclusive.js'
import { takeLock } from './lock.js'
import { isThere, memoryNow } from './look.js'
import { Run } from './run.js'
import { openStateFolder, stateFolder } from './state-folder.js'
import { snapshotOf } from './threads.js'
import type { Applied, ApplyOptions, ChangedVm, ChangeStep, Changes, MemoryChange } from './types.js'
import { markUndone, type UndoVm, writeUndoFile } from './undo-file.js'

/**
 * Carries changes out, step by step. An undo file is written before anything is touched, so that `undo` works from whatever is left
 * when this process is ended in the middle; so does another `applyChanges`. What fails at one VM leaves the rest of that VM as it is,
 * and the others go on: `steps` says what became of each, `differences` what the kernel says at the end.
 * @throws {BusyError} where another process changes VMs
 * @throws {UnsupportedError} where the undo file cannot be written: nothing is touched then
 * @throws {InputError} for options that are none
 */
export async function applyChanges(changes: Changes, options: ApplyOptions = {}): Promise<Applied> {
  requireChanges(changes)
  checkOptions(options)
  const folder = stateFolder(options.state)
  const takesCpus = options.exclusive === true && changes.undoes === null && changes.dedicated.length > 0
  const partitions = takesCpus ? planPartitions(changes) : { partitions: [], held: [], left: [] }
  if (changes.steps.length === 0 && changes.undoes === null && partitions.partitions.length === 0) {
    const { obstacles } = changes
    const nothing = {
      steps: [],
      partitions: [...partitions.held, ...partitions.left],
      differences: [],
      stopped: false,
      moved: 0,
    }
    return { kind: 'Applied', undoFile: null, obstacles, ...nothing }
  }
  openStateFolder(folder)
  const lock = takeLock(folder)
  try {
    return await carryOut(changes, options, partitions, folder)
  } finally {
    lock.close()
  }
}

async function carryOut(
  changes: Changes,
  options: ApplyOptions,
  { partitions, held, left }: PlannedPartitions,
  folder: string,
): Promise<Applied> {
  using domains = await OpenDomains.of(changes.vms, options.config === true)
  const undoFile = changes.undoes ?? writeUndoFile(folder, statesOf(changes, domains), partitions)
  const run = new Run(changes, options, undoFile, domains)
  run.tell('undo-file')
  const removed = removePartitions(changes.partitions)
  await run.all()
  const made = makePartitions(partitions, (vm) => run.whyLeft(vm))
  run.tell('read-back')
  const steps = run.outcomes()
  const differences = compare(wantedOf(changes))
  const { stopped, moved } = run
  const isTried = [...steps, ...removed].every(({ state }) => state !== 'left' && state !== 'skipped')
  const isOver = isTried && changes.waiting.length === 0
  if (changes.undoes !== null && isOver && !stopped) markUndone(changes.undoes)
  const obstacles = [...changes.obstacles, ...domains.obstacles]
  return {
    kind: 'Applied',
    undoFile,
    steps,
    obstacles,
    partitions: [...removed, ...made, ...held, ...left],
    differences,
    stopped,
    moved,
  }
}

function checkOptions(options: ApplyOptions): void {
  requireStateOptions(options)
  requireBoolean('options.config', options.config)
  requireBoolean('options.exclusive', options.exclusive)
  requireSignal('options.signal', options.signal)
  requireCallback('options.onProgress', options.onProgress)
  const { rate, pressure } = options
  if (rate !== undefined && !(Number.isFinite(rate) && rate > 0)) {
    throw new InputError('options.rate', 'bytes a second, more than 0', show(rate))
  }
  requirePressure(pressure)
}

/** VMs as they are now, in so far as they are to change. */
function statesOf({ vms, steps }: Changes, domains: OpenDomains): UndoVm[] {
  return vms
    .filter((vm) => isThere(vm.pid, vm))
    .map((vm) =>
      stateOf(
        vm,
        steps.filter(({ pid }) => pid === vm.pid),
        domains.get(vm.pid)?.before ?? null,
      ),
    )
}

function stateOf(
  { vm, pid, startTime, threads }: ChangedVm,
  steps: readonly ChangeStep[],
  domain: DomainState | null,
): UndoVm {
  const roles = new Map(threads.map((thread) => [thread.tid, thread]))
  const ranges = rangesOf(steps)
  const found = memoryNow(pid, ranges)
  return {
    name: vm,
    pid,
    startTime,
    threads: snapshotOf(pid).map(({ tid, startTime: begun, cpus }) => {
      const { role = 'emulator', number = null } = roles.get(tid) ?? {}
      return { tid, startTime: begun, role, number, cpus }
    }),
    memory: ranges.map(({ start, bytes, pageSize, policy, from }, at) => {
      return { start, bytes, pageSize, policy, on: [...(found?.[at]?.on ?? from)] }
    }),
    cpusets: steps
      .flatMap(({ cpusets }) => cpusets)
      .map(({ path, version, from }) => ({ path, version, ...(cpusetOf({ path, version }) ?? from) })),
    domain,
  }
}

/** The ranges of several steps, each once. */
function rangesOf(steps: readonly ChangeStep[]): MemoryChange[] {
  return [...new Map(steps.flatMap(({ memory }) => memory).map((range) => [range.start, range])).values()]
}

/** What is to be so in the end. */
function wantedOf({ vms, steps }: Changes): Wanted[] {
  return vms.map(({ vm, pid, startTime }) => {
    const own = steps.filter((step) => step.pid === pid)
    // The last of several is what holds in the end.
    const threads = new Map(own.flatMap((step) => step.threads).map((thread) => [thread.tid, thread]))
    return {
      vm,
      pid,
      startTime,
      threads: [...threads.values()].map((thread) => ({ ...thread, cpus: thread.to })),
      memory: rangesOf(own),
    }
  })
}
