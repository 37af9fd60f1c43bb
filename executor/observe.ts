/** What the kernel says about a running thread. Source: proc(5); Documentation/scheduler/sched-stats.rst */

import { readFileSync } from 'node:fs'
import { getAffinity } from './ffi/threads.js'

export interface ThreadState {
  /** CPUs that it may run on, ascending. */
  readonly affinity: readonly number[]
  /** The CPU that it ran on last. */
  readonly lastCpu: number
  /** Time that it was runnable and did not run, since it began; 0 where the kernel does not count it. */
  readonly runDelayNs: number
}

/** @throws {SyscallError} ESRCH for a thread that is gone */
export function observeThread(tid: number): ThreadState {
  const dir = `/proc/self/task/${tid}`
  return {
    affinity: getAffinity(tid),
    lastCpu: lastCpuOf(readFileSync(`${dir}/stat`, 'utf8')),
    runDelayNs: runDelayOf(readFileSync(`${dir}/schedstat`, 'utf8')),
  }
}

/** Field 39 of `stat`, counted from 1. The name, field 2, is in parentheses and may hold anything, spaces too. */
export function lastCpuOf(stat: string): number {
  const fromThird = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fromThird[39 - 3])
}

/** The second of the three numbers of `schedstat`. */
export function runDelayOf(schedstat: string): number {
  return Number(schedstat.trim().split(' ')[1] ?? 0)
}
