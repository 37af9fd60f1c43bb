/**
 * Affinities of all threads of the system around a change of cpusets. Before Linux 6.2 the kernel gives each thread whose
 * cpuset changes all of the cpuset's CPUs, so that pins of threads that have nothing to do with it are lost.
 * Source: kernel/cgroup/cpuset.c, update_tasks_cpumask
 */

import { readdirSync } from 'node:fs'
import { SyscallError } from '../../src/errors.js'
import { getAffinity, setAffinity } from '../ffi/threads.js'
import type { Files } from '../found/files.js'
import { parseStat } from '../found/procfs.js'

/** By thread: CPUs, ascending. */
export type Affinities = ReadonlyMap<number, readonly number[]>

/** Of every thread that this process sees. */
export function readAffinities(): Affinities {
  const found = new Map<number, readonly number[]>()
  for (const pid of numbersIn('/proc')) {
    for (const tid of numbersIn(`/proc/${pid}/task`)) {
      const cpus = affinityOf(tid)
      if (cpus !== null) found.set(tid, cpus)
    }
  }
  return found
}

/**
 * Makes a change, and gives every thread the CPUs that it has to have then; threads that are gone, or that nobody may pin, are left.
 * @param wanted of a thread and its CPUs before; `null`: what the kernel gives it
 */
export function keepAffinities(
  change: () => void,
  wanted: (tid: number, before: readonly number[]) => readonly number[] | null,
): void {
  const before = readAffinities()
  try {
    change()
  } finally {
    for (const [tid, had] of before) {
      const cpus = wanted(tid, had)
      if (cpus !== null && affinityOf(tid)?.join() !== cpus.join()) attempt(() => setAffinity(tid, cpus))
    }
  }
}

/** Clock ticks after the system's start; `null`: there is no such thread. */
export function startTimeOf(files: Files, tid: number): number | null {
  return parseStat(files.textOr('', `/proc/${tid}/stat`))?.startTime ?? null
}

function affinityOf(tid: number): readonly number[] | null {
  return attempt(() => getAffinity(tid))
}

function attempt<Result>(call: () => Result): Result | null {
  try {
    return call()
  } catch (error) {
    if (error instanceof SyscallError) return null
    throw error
  }
}

function numbersIn(directory: string): number[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    // The process is gone, or is hidden from this one.
    return []
  }
}
