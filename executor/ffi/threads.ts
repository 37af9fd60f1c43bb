/** Threads by their number (tid): where they may run, and how to wake one that is inside the kernel. */

import { UnsupportedError } from '../../src/errors.js'
import { EINVAL, ESRCH, SIGRTMIN, sigaction } from '../abi/linux.js'
import { bitmap, fromBitmap } from './bitmap.js'
import * as libc from './libc.js'
import { refused } from './libc.js'

/** A real-time signal that the C library, libuv and V8 leave alone. */
export const KICK_SIGNAL = SIGRTMIN + 8

/** The caller's own thread. */
export function currentThread(): number {
  const tid = libc.attempt(() => libc.gettid(libc.numberOf('gettid')))
  if (tid < 0) throw refused(-tid, 'gettid')
  return tid
}

const AFFINITY_HINTS = {
  EINVAL: 'none of these CPUs is online and in the cpuset of this process',
  EPERM: "the thread is another user's: CAP_SYS_NICE is needed",
  ESRCH: 'no such thread',
}

/**
 * Lets a thread run on these CPUs only; 0 is the caller. The kernel leaves out CPUs that the cpuset does not have and
 * says nothing, so read it back.
 * @throws {SyscallError}
 */
export function setAffinity(tid: number, cpus: readonly number[]): void {
  const mask = bitmap(cpus)
  const rc = libc.attempt(() => libc.sched_setaffinity(tid, mask.length, mask))
  if (rc < 0) throw refused(-rc, `sched_setaffinity(CPU ${cpus.join(',')})`, AFFINITY_HINTS)
}

/**
 * The CPUs that a thread may run on, ascending; 0 is the caller.
 * @throws {SyscallError}
 */
export function getAffinity(tid: number): number[] {
  // The kernel refuses a mask shorter than its own with EINVAL, and does not say how long that is.
  for (let size = 128; ; size *= 2) {
    const mask = new Uint8Array(size)
    const rc = libc.attempt(() => libc.sched_getaffinity(tid, size, mask))
    if (rc === 0) return fromBitmap(mask)
    if (rc !== -EINVAL || size >= 65536) throw refused(-rc, `sched_getaffinity(${tid})`, AFFINITY_HINTS)
  }
}

/**
 * Makes KICK_SIGNAL harmless for this process: its handler is the C library's `getpid`, which changes nothing, and
 * without SA_RESTART a system call that it interrupts ends with EINTR. It stays installed, since a signal may still be
 * on its way when a run has ended.
 * @throws {SyscallError}
 */
export function installKickHandler(): void {
  const handler = libc.dlsym(0, 'getpid')
  if (handler === 0) throw new UnsupportedError('the C library', 'it has no getpid')
  const action = new Uint8Array(sigaction.size)
  new DataView(action.buffer).setBigUint64(sigaction.sa_handler, BigInt(handler), true)
  const rc = libc.attempt(() => libc.sigaction(KICK_SIGNAL, action, null))
  if (rc < 0) throw refused(-rc, `sigaction(${KICK_SIGNAL})`)
}

/** Ends the process at once, with all of its threads, whatever they are in. */
export function endProcess(code: number): never {
  libc._exit(code)
  throw new Error('the process has ended')
}

/**
 * Interrupts the system call that a thread of this process is in, if any. A thread that is gone is fine.
 * @throws {SyscallError}
 */
export function kickThread(tid: number): void {
  const rc = libc.attempt(() => libc.tgkill(libc.numberOf('tgkill'), process.pid, tid, KICK_SIGNAL))
  if (rc !== 0 && rc !== -ESRCH) throw refused(-rc, `tgkill(${tid})`)
}
