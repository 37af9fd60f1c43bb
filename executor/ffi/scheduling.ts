/** How the kernel schedules a thread: policy, nice value, core scheduling. */

import {
  PR_SCHED_CORE,
  PR_SCHED_CORE_CREATE,
  PR_SCHED_CORE_SHARE_FROM,
  PRIO_PROCESS,
  SCHED_FIFO,
  SCHED_OTHER,
} from '../abi/linux.js'
import * as libc from './libc.js'
import { refused } from './libc.js'

/**
 * SCHED_FIFO with this priority, 1 to 99; `null`: the kernel's ordinary policy. `tid` 0 is the caller.
 * @throws {SyscallError}
 */
export function setRealtime(tid: number, priority: number | null): void {
  const parameter = new Uint8Array(4)
  new DataView(parameter.buffer).setInt32(0, priority ?? 0, true)
  const rc = libc.attempt(() => libc.sched_setscheduler(tid, priority === null ? SCHED_OTHER : SCHED_FIFO, parameter))
  if (rc < 0) {
    throw refused(-rc, `sched_setscheduler(SCHED_FIFO, ${priority})`, {
      EPERM: 'CAP_SYS_NICE or a limit (ulimit -r) of that priority is needed; a cgroup may have no real-time budget',
      EINVAL: 'a priority is 1 to 99',
    })
  }
}

/** Whether a thread has SCHED_FIFO. */
export function isRealtime(tid: number): boolean {
  const policy = libc.attempt(() => libc.sched_getscheduler(tid))
  if (policy < 0) throw refused(-policy, `sched_getscheduler(${tid})`)
  return policy === SCHED_FIFO
}

/**
 * Sets a thread's nice value, -20 (most) to 19 (least CPU time); 0 is the caller. The kernel cuts off what lies beyond.
 * @throws {SyscallError}
 */
export function setNice(tid: number, nice: number): void {
  const rc = libc.attempt(() => libc.setpriority(PRIO_PROCESS, tid, nice))
  if (rc < 0) {
    throw refused(-rc, `setpriority(${nice})`, {
      EACCES: 'less than the thread has takes CAP_SYS_NICE, or a limit (ulimit -e) that allows it',
      EPERM: "the thread is another user's: CAP_SYS_NICE is needed",
    })
  }
}

/**
 * A thread's nice value, -20 to 19; 0 is the caller.
 * @throws {SyscallError} ESRCH for a thread that is gone
 */
export function getNice(tid: number): number {
  libc.errno(0)
  const nice = libc.getpriority(PRIO_PROCESS, tid)
  const error = nice === -1 ? libc.errno() : 0
  if (error !== 0) throw refused(error, `getpriority(${tid})`)
  return nice
}

const CORE_HINTS = {
  EINVAL: 'this kernel has no core scheduling (CONFIG_SCHED_CORE, since Linux 5.14)',
  ENODEV: 'this host has no SMT, so that nobody shares a core',
  ESRCH: 'the thread to share with is gone',
  EPERM: 'the other thread may not be traced by this process',
}

/**
 * Gives a thread a cookie of its own: only threads with the same cookie run on a core at the same time.
 * @throws {SyscallError} EINVAL, ENODEV: there is no core scheduling here
 */
export function createCoreCookie(tid: number): void {
  const rc = libc.attempt(() => libc.prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, tid, 0, 0))
  if (rc < 0) throw refused(-rc, 'prctl(PR_SCHED_CORE_CREATE)', CORE_HINTS)
}

/**
 * Gives the caller the cookie of another thread of this process, or none where that has none.
 * @throws {SyscallError} as `createCoreCookie`
 */
export function shareCoreCookie(tid: number): void {
  const rc = libc.attempt(() => libc.prctl(PR_SCHED_CORE, PR_SCHED_CORE_SHARE_FROM, tid, 0, 0))
  if (rc < 0) throw refused(-rc, `prctl(PR_SCHED_CORE_SHARE_FROM, ${tid})`, CORE_HINTS)
}
