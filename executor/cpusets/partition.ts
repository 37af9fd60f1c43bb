/**
 * CPUs of their own for threads of a process: a partition of cgroup v2's cpusets, whose CPUs leave everybody else's mask at once.
 * Other threads of the process stay where they are, and do without these CPUs.
 * Source: Documentation/admin-guide/cgroup-v2.rst, "Cpuset"; tried on Linux 6.1
 */

import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { UnsupportedError } from '../../src/errors.js'
import type { PartitionKind } from '../../src/types.js'
import { Files, valueOr } from '../found/files.js'
import { type Affinities, keepAffinities, readAffinities, startTimeOf } from './affinities.js'
import { isLeftBehind, partitionAround, placeFor, type WhyNot } from './place.js'
import type { PartitionState, PartitionThread } from './state.js'

export interface PartitionRequest {
  readonly pid: number
  /** Threads of that process, and the cpulist that each is to have. */
  readonly threads: readonly { readonly tid: number; readonly cpus: string }[]
}

const files = new Files()

/** What a partition with the CPUs of these threads takes, or why there can be none. Touches nothing. */
export function planPartition(
  { pid, threads }: PartitionRequest,
  kind: PartitionKind = 'root',
): PartitionState | WhyNot {
  const cpus = [...new Set(threads.flatMap((thread) => parseCpulist(thread.cpus)))].sort((a, b) => a - b)
  const tids = threads.map(({ tid }) => tid)
  const place = placeFor(files, pid, tids, cpus)
  if ('why' in place) return place
  const { parent, enables } = place
  const affinities = readAffinities()
  return {
    directory: `${parent}/homenode-${pid}-${tids[0]}`,
    kind,
    cpus: formatCpulist(cpus),
    enables,
    threads: threads.flatMap((thread) => recordOf(thread.tid, parseCpulist(thread.cpus))),
    losers: losersOf(affinities, new Set(tids), cpus, effectiveOf(parent)),
  }
}

/** cpulist of the partition that threads of a process have already, if it holds; `null`: they have none. */
export function partitionOf({ pid, threads }: PartitionRequest): string | null {
  return partitionAround(
    files,
    pid,
    threads.map(({ tid }) => tid),
  )
}

/** Threads that are pinned, some of whose CPUs the partition takes. */
function losersOf(
  affinities: Affinities,
  members: ReadonlySet<number>,
  cpus: readonly number[],
  all: readonly number[],
): PartitionThread[] {
  const loses = (own: readonly number[]) => own.some((cpu) => cpus.includes(cpu)) && !hasAll(own, all)
  return [...affinities].flatMap(([tid, own]) => (!members.has(tid) && loses(own) ? recordOf(tid, own) : []))
}

function recordOf(tid: number, cpus: readonly number[]): PartitionThread[] {
  const startTime = startTimeOf(files, tid)
  return startTime === null ? [] : [{ tid, startTime, cpus: formatCpulist(cpus) }]
}

/**
 * Makes it, moves the threads there, and reads back that it holds. Pins of other threads stay, without its CPUs.
 * @throws {UnsupportedError} with the kernel's reason, when what was made is undone
 */
export function makePartition(state: PartitionState): void {
  const { directory, threads } = state
  const parent = dirname(directory)
  const own = parseCpulist(state.cpus)
  const all = effectiveOf(parent)
  const members = new Map(threads.filter(isThere).map(({ tid, cpus }) => [tid, parseCpulist(cpus)]))
  try {
    keepAffinities(
      () => build(state, parent, [...members.keys()]),
      (tid, before) => {
        const rest = before.filter((cpu) => !own.includes(cpu))
        return members.get(tid) ?? (hasAll(before, all) || rest.length === 0 ? null : rest)
      },
    )
    const why = checkPartition(state)
    if (why !== null) throw new UnsupportedError('a partition of CPUs', why)
  } catch (error) {
    removePartition(state)
    throw error
  }
}

function build({ directory, kind, cpus, enables }: PartitionState, parent: string, tids: readonly number[]): void {
  for (const name of valueOr([], files.list(parent))) {
    if (isLeftBehind(files, parent, name)) attempt(`${parent}/${name}`, () => rmdirSync(`${parent}/${name}`))
  }
  if (enables) write(`${parent}/cgroup.subtree_control`, '+cpuset')
  attempt(directory, () => mkdirSync(directory))
  write(`${directory}/cgroup.type`, 'threaded')
  write(`${directory}/cpuset.cpus`, cpus)
  for (const tid of tids) write(`${directory}/cgroup.threads`, `${tid}`)
  write(`${directory}/cpuset.cpus.partition`, kind)
}

/** Why it does not hold, or not any more, in the kernel's words where it has some; `null`: it does. An offline CPU leaves it valid. */
export function checkPartition({ directory, kind, threads }: PartitionState): string | null {
  const is = files.textOr('', `${directory}/cpuset.cpus.partition`).trim()
  if (is === '') return `cgroup ${directory} is gone`
  if (is !== kind) return `cgroup ${directory} is "${is}" instead of "${kind}"`
  const inside = new Set(tidsIn(directory))
  const strays = threads.filter((thread) => isThere(thread) && !inside.has(thread.tid)).map(({ tid }) => tid)
  return strays.length === 0 ? null : `thread ${strays.join()} is not in cgroup ${directory} any more`
}

/**
 * Undoes what `makePartition` did, or the part of it that was done: its threads go back, others get the CPUs back that they lost. Threads
 * that were in it keep their CPUs.
 * @returns what could not be undone, as sentences
 */
export function removePartition(state: PartitionState): string[] {
  const { directory } = state
  if (files.text(`${directory}/cgroup.type`) === null) return disable(state)
  const parent = dirname(directory)
  const own = parseCpulist(state.cpus)
  const all = effectiveOf(parent)
  const losers = new Map(state.losers.filter(isThere).map(({ tid, cpus }) => [tid, parseCpulist(cpus)]))
  const members = new Set(tidsIn(directory))
  const failed: string[] = []
  keepAffinities(
    () => failed.push(...dissolve(directory, parent)),
    (tid, before) => {
      if (members.has(tid)) return before
      const had = losers.get(tid)
      const rest = had?.filter((cpu) => !own.includes(cpu)) ?? []
      // Whoever has been pinned anew since stays there.
      if (had !== undefined && (rest.length === 0 ? hasAll(before, all) : before.join() === rest.join())) return had
      return hasAll(before, all) ? null : before
    },
  )
  return [...failed, ...disable(state)]
}

/** A thread that one of its threads has started meanwhile is in it, too. */
function dissolve(directory: string, parent: string): string[] {
  const failed: string[] = []
  const step = (act: () => void) => {
    try {
      act()
    } catch (error) {
      failed.push(error instanceof Error ? error.message : String(error))
    }
  }
  // At once. By the removal alone the kernel would give the CPUs back some time later.
  step(() => write(`${directory}/cpuset.cpus.partition`, 'member'))
  for (const tid of tidsIn(directory)) {
    step(() => {
      try {
        write(`${parent}/cgroup.threads`, `${tid}`)
      } catch (error) {
        // It may have ended.
        if (startTimeOf(files, tid) !== null) throw error
      }
    })
  }
  step(() => attempt(directory, () => rmdirSync(directory)))
  return failed
}

/** Switches cpusets off again for the children of the process's cgroup, unless another one has one by now. */
function disable({ directory, enables }: PartitionState): string[] {
  const parent = dirname(directory)
  const isUsed = (name: string) => files.textOr('', `${parent}/${name}/cpuset.cpus`).trim() !== ''
  if (!enables || valueOr([], files.list(parent)).some((name) => name !== basename(directory) && isUsed(name)))
    return []
  try {
    write(`${parent}/cgroup.subtree_control`, '-cpuset')
    return []
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

function isThere({ tid, startTime }: PartitionThread): boolean {
  return startTimeOf(files, tid) === startTime
}

function tidsIn(directory: string): number[] {
  return files.textOr('', `${directory}/cgroup.threads`).split('\n').filter(Boolean).map(Number)
}

function effectiveOf(directory: string): number[] {
  return parseCpulist(files.textOr('', `${directory}/cpuset.cpus.effective`).trim(), { allowEmpty: true })
}

function hasAll(cpus: readonly number[], all: readonly number[]): boolean {
  return all.every((cpu) => cpus.includes(cpu))
}

/** Files of a cgroup are never made by writing. */
function write(path: string, text: string): void {
  attempt(`${path} <- ${text}`, () => writeFileSync(path, text, { flag: 'r+' }))
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'this kernel does not have it: partitions came with Linux 5.0',
  EOPNOTSUPP: 'the cgroup above cannot have threads of one process in several cgroups',
  EEXIST: 'it is there already',
}

/** @throws {UnsupportedError} that says what was tried */
function attempt(what: string, act: () => void): void {
  try {
    act()
  } catch (error) {
    const { code = 'error' } = error as NodeJS.ErrnoException
    const hint = HINTS[code]
    throw new UnsupportedError('a partition of CPUs', `${what}: ${code}${hint === undefined ? '' : ` (${hint})`}`)
  }
}
