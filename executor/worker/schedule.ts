/** How a vCPU's thread is scheduled, and how it is given back as it was. */

import { SyscallError } from '../../src/errors.js'
import { EINVAL, ENODEV } from '../abi/linux.js'
import { getNice, setNice, setRealtime, shareCoreCookie } from '../ffi/scheduling.js'
import { currentThread, getAffinity, setAffinity } from '../ffi/threads.js'
import { type Failure, failureOf } from '../wire/failure.js'

export interface Scheduling {
  /** SCHED_FIFO with this priority, 1 to 99. */
  readonly realtime?: number
  /** Nice value, -20 to 19; not with `realtime`. */
  readonly nice?: number
  /** Whether what the kernel refuses is only told, or ends the thread. */
  readonly relaxed: boolean
}

export interface Schedule {
  readonly tid: number
  /** @throws {SyscallError} */
  apply(): void
  /** Takes the core scheduling cookie of another thread; 0: none. */
  shareCore(tid: number): void
  /** @returns whether the thread is as it was, so that others can use it */
  restore(): boolean
}

/** The calling thread's schedule. `refused` is told what the kernel refuses where that is relaxed. */
export function takeSchedule(
  cpus: readonly number[],
  { realtime, nice, relaxed }: Scheduling,
  refused: (failure: Failure) => void,
): Schedule {
  const tid = currentThread()
  const before = { cpus: getAffinity(0), nice: getNice(0) }
  const attempt = (set: () => void) => {
    try {
      set()
    } catch (error) {
      if (!(relaxed && error instanceof SyscallError)) throw error
      refused(failureOf(error))
    }
  }
  let hasCookie = false
  return {
    tid,
    apply() {
      attempt(() => setAffinity(0, cpus))
      if (realtime !== undefined) attempt(() => setRealtime(0, realtime))
      if (nice !== undefined) attempt(() => setNice(0, nice))
    },
    shareCore(other) {
      if (other === 0) return
      hasCookie = true
      if (other !== tid) attempt(() => shareCoreCookie(other))
    },
    restore() {
      return [
        !hasCookie || isDone(() => shareCoreCookie(process.pid)),
        realtime === undefined || isDone(() => setRealtime(0, null)),
        // Nobody but root may make a thread less nice again.
        nice === undefined || isDone(() => setNice(0, before.nice)),
        isDone(() => setAffinity(0, before.cpus)),
      ].every(Boolean)
    },
  }
}

function isDone(restore: () => void): boolean {
  try {
    restore()
    return true
  } catch (error) {
    if (error instanceof SyscallError) return false
    throw error
  }
}

/** Whether a refusal says that the kernel or the host has no core scheduling at all. */
export function hasNoCoreScheduling(error: unknown): boolean {
  return error instanceof SyscallError && (error.errno === EINVAL || error.errno === ENODEV)
}
