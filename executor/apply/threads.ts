/** Threads of another process get their CPUs. */

import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { SyscallError } from '../../src/errors.js'
import { ESRCH } from '../abi/linux.js'
import { setAffinity } from '../ffi/threads.js'
import { type ThreadNow, threadNow, threadsOf } from './look.js'
import type { ChangedVm, KnownThread, ThreadRole } from './types.js'

/**
 * Lets a thread run on these CPUs.
 * @returns whether it was changed; `false`: it has them, or has ended
 * @throws {SyscallError} EPERM, EINVAL
 */
export function giveCpus(pid: number, thread: Pick<KnownThread, 'tid' | 'startTime'>, cpus: string): boolean {
  const now = threadNow(pid, thread.tid)
  if (now === null || now.startTime !== thread.startTime || now.cpus === cpus) return false
  try {
    setAffinity(thread.tid, parseCpulist(cpus))
    return true
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ESRCH) return false
    throw error
  }
}

/** Where all threads of a process may run. */
export function snapshotOf(pid: number): ThreadNow[] {
  return threadsOf(pid).flatMap((tid) => threadNow(pid, tid) ?? [])
}

/** Looks so often for threads that came while others were looked at. */
const LOOKS = 3

/**
 * Threads that a process has begun since `vm` was looked at: they were begun by others of it, and have their CPUs.
 * @returns how many were changed
 * @throws {SyscallError} EPERM, EINVAL
 */
export function giveCpusToNewcomers({ pid, threads, newcomers }: ChangedVm): number {
  if (newcomers === null) return 0
  const known = new Set(threads.map(keyOf))
  let changed = 0
  for (let look = 0; look < LOOKS; look++) {
    const strangers = snapshotOf(pid).filter((thread) => !known.has(keyOf(thread)) && thread.cpus !== newcomers)
    if (strangers.length === 0) break
    for (const thread of strangers) if (giveCpus(pid, thread, newcomers)) changed++
  }
  return changed
}

function keyOf({ tid, startTime }: Pick<KnownThread, 'tid' | 'startTime'>): string {
  return `${tid}/${startTime}`
}

/** A thread as people call it. */
export function threadName(thread: { role: ThreadRole; number: number | null; tid: number }): string {
  const { role, number, tid } = thread
  const what = role === 'vcpu' ? `vCPU ${number}` : role === 'iothread' ? `I/O thread ${number}` : 'emulator'
  return `${what} (thread ${tid})`
}

export function union(...lists: readonly string[]): string {
  return formatCpulist(lists.flatMap((list) => parseCpulist(list, { allowEmpty: true })))
}

/** What is in both. */
export function common(cpus: string, others: string): string {
  const set = new Set(parseCpulist(others, { allowEmpty: true }))
  return formatCpulist(parseCpulist(cpus, { allowEmpty: true }).filter((cpu) => set.has(cpu)))
}

/** Whether all of the numbers are in the other list. */
export function isWithin(cpus: string, others: string): boolean {
  const set = new Set(parseCpulist(others, { allowEmpty: true }))
  return parseCpulist(cpus, { allowEmpty: true }).every((cpu) => set.has(cpu))
}
