/** Brings VMs back to what an undo file says: it is held against what is now, so that it works from anything half done. */

import { requirePath } from '../../src/checks.js'
import { canonicalCpulist } from '../../src/cpulist.js'
import { InputError } from '../../src/errors.js'
import { Files } from '../found/files.js'
import { parseCgroup, parseStatus } from '../found/procfs.js'
import { applyChanges } from './apply.js'
import { requireStateOptions } from './arguments.js'
import { betweenOf, cpusetOf, isNobodys } from './cpusets.js'
import { domainBack } from './domains.js'
import { Draft, type DraftThread } from './draft.js'
import { isThereStill } from './exclusive.js'
import { isThere, memoryNow } from './look.js'
import type { Cpusets } from './obstacles.js'
import { type Drafted, settle } from './settle.js'
import { spread, sumOf } from './spread.js'
import { stateFolder, undoFilesIn } from './state-folder.js'
import { snapshotOf } from './threads.js'
import type { Applied, ApplyOptions, Changes, CpusetChange, Obstacle, StateOptions } from './types.js'
import { readUndoFile, type UndoVm } from './undo-file.js'

const files = new Files()

/** Undo files that have not been undone, the newest first. */
export function listUndoFiles(options: StateOptions = {}): string[] {
  requireStateOptions(options)
  return undoFilesIn(stateFolder(options.state))
}

/**
 * What has to be done to bring VMs back to what an undo file says. What cannot be brought back is among the obstacles: VMs that have ended,
 * policies that a cpuset has changed. Of memory the amounts on each node come back, not which pages they were.
 * @param file its path; without it the newest that has not been undone
 * @throws {InputError} for a file that is none, is another user's, or of another boot of the system
 */
export async function prepareUndo(file?: string, options: StateOptions = {}): Promise<Changes> {
  requirePath('file', file)
  requireStateOptions(options)
  const path = file ?? listUndoFiles(options)[0]
  if (path === undefined)
    throw new InputError(stateFolder(options.state), 'an undo file', 'none that is still to be undone')
  const obstacles: Obstacle[] = []
  const drafted: Drafted[] = []
  const waiting: number[] = []
  const { vms, partitions } = readUndoFile(path)
  for (const vm of vms) {
    if (!isThere(vm.pid, vm)) {
      obstacles.push({ vm: vm.name, what: 'all of it', why: `process ${vm.pid} has ended`, left: true })
      continue
    }
    const draft = draftOf(vm, obstacles)
    if (draft === null) {
      waiting.push(vm.pid)
      continue
    }
    const domain = await domainBack(vm, draft, options.connect)
    drafted.push({ draft, uid: uidOf(vm.pid), newcomers: mainCpus(vm), cpusets: cpusetsOf(vm), domain })
  }
  return settle(drafted, { obstacles, waiting, undoes: path, partitions: partitions.filter(isThereStill) })
}

/**
 * `prepareUndo` and `applyChanges` in one.
 * @param file its path; without it the newest that has not been undone
 * @throws {InputError} {BusyError} as they do
 */
export async function undo(file?: string, options: ApplyOptions = {}): Promise<Applied> {
  return applyChanges(await prepareUndo(file, options), options)
}

/** `null`: it is left as it is. */
function draftOf(vm: UndoVm, obstacles: Obstacle[]): Draft | null {
  const saved = new Map(vm.threads.map((thread) => [`${thread.tid}/${thread.startTime}`, thread]))
  const main = mainCpus(vm)
  const aims = new Map<number, string>()
  const threads = snapshotOf(vm.pid).map((now): DraftThread => {
    const { role, number, cpus } = saved.get(`${now.tid}/${now.startTime}`) ?? {
      role: 'emulator',
      number: null,
      cpus: main,
    }
    // Threads that came since then were begun by others of the process, and go where its first one goes.
    if (cpus !== null) aims.set(now.tid, canonicalCpulist(cpus))
    return { ...now, role, number }
  })
  const found = vm.memory.length === 0 ? [] : memoryNow(vm.pid, vm.memory)
  if (found === null) {
    obstacles.push({ vm: vm.name, what: 'its memory', why: 'where it is may not be read: run as root', left: true })
    return null
  }
  const memory = vm.memory.map(({ start, bytes, pageSize, policy }, at) => {
    return { start, bytes, pageSize, policy, on: found[at]?.on ?? [] }
  })
  for (const [at, { policy }] of vm.memory.entries()) {
    const now = found[at]?.policy ?? policy
    const why = `it is ${now} now, and nobody but the VM itself can change it back to ${policy}`
    if (now !== policy) obstacles.push({ vm: vm.name, what: 'the policy of its memory', why, left: false })
  }
  const draft = new Draft({ vm: vm.name, pid: vm.pid, startTime: vm.startTime, threads, memory })
  const back = vm.memory.flatMap(({ start, pageSize, on }, at) => {
    const now = sumOf(memory[at]!.on)
    return now === 0 || sumOf(on) === 0 ? [] : [[start, spread(now, pageSize, on)] as const]
  })
  draft.add(1, { threads: aims, memory: new Map(back) })
  return draft
}

/** Where the process's first thread was, which begins most others. */
function mainCpus({ pid, threads }: UndoVm): string | null {
  return threads.find(({ tid }) => tid === pid)?.cpus ?? null
}

function uidOf(pid: number): number {
  return parseStatus(files.textOr('', `/proc/${pid}/status`))?.uid ?? 0
}

function cpusetsOf({ name, pid, cpusets }: UndoVm): Cpusets {
  const changes: CpusetChange[] = []
  const obstacles: Obstacle[] = []
  const own = new Set(snapshotOf(pid).flatMap(({ tid }) => cgroupsOf(pid, tid)))
  for (const { path, version, ...to } of cpusets) {
    const from = cpusetOf({ path, version })
    if (from !== null && own.has(path) && isNobodys(path)) {
      const isSame = from.cpus === to.cpus && from.mems === to.mems
      if (!isSame) changes.push({ path, version, from, between: betweenOf(from, to), to })
    } else {
      obstacles.push({
        vm: name,
        what: `the cpuset of ${path}`,
        why: 'the VM is not in that cgroup any more',
        left: false,
      })
    }
  }
  return { changes, obstacles }
}

function cgroupsOf(pid: number, tid: number): string[] {
  return parseCgroup(files.textOr('', `/proc/${pid}/task/${tid}/cgroup`)).map(({ path }) => path)
}
