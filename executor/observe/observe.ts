/**
 * What the kernel says about a running thread. The figures are since the thread began: two of them make a rate. Reading
 * them takes no lock that the thread needs, so that it can be done while a guest runs (bench/exits.ts measures it).
 * Source: proc(5); Documentation/scheduler/sched-stats.rst; kernel/sched/debug.c
 */

import { readFileSync } from 'node:fs'
import { getAffinity } from '../ffi/threads.js'

/** What the kernel counts of a thread. */
export interface ThreadState {
  /** CPUs that it may run on, ascending. */
  readonly affinity: readonly number[]
  /** The CPU that it ran on last. */
  readonly lastCpu: number
  /** Time that it was runnable and did not run; 0 where the kernel does not count it. */
  readonly runDelayNs: number
  /** Time that it ran: in the guest, in the kernel, in its own code. 0 where the kernel does not count it. */
  readonly onCpuNs: number
  /**
   * Of `onCpuNs`, in the guest. This and the next two are by the timer's ticks, so that short times are rough, and they
   * need not add up.
   */
  readonly guestNs: number
  /** Of `onCpuNs`, in the kernel: KVM's own work, and guest instructions that it emulates. */
  readonly kernelNs: number
  /** Of `onCpuNs`, outside of both: in the executor. */
  readonly outsideNs: number
  /** How often it gave its CPU up, as to wait for an interrupt of a halted guest. */
  readonly voluntarySwitches: number
  /** How often it was made to give its CPU up. */
  readonly involuntarySwitches: number
  /** How often it went to another CPU; `null` where the kernel does not say (no CONFIG_SCHED_DEBUG before Linux 6.15). */
  readonly migrations: number | null
}

/** @throws {SyscallError} ESRCH for a thread that is gone */
export function observeThread(tid: number): ThreadState {
  // First, since its error is the clearer one.
  const affinity = getAffinity(tid)
  const dir = `/proc/self/task/${tid}`
  return {
    affinity,
    ...statOf(readFileSync(`${dir}/stat`, 'utf8')),
    ...schedstatOf(readFileSync(`${dir}/schedstat`, 'utf8')),
    ...switchesOf(dir),
  }
}

/** USER_HZ is 100 on x86-64 and arm64, whatever the kernel's own timer does. */
const NS_PER_TICK = 1e9 / 100

/** Fields of `stat`, counted from 1. The name, field 2, is in parentheses and may hold anything, spaces too. */
export function statOf(stat: string): Pick<ThreadState, 'lastCpu' | 'guestNs' | 'kernelNs' | 'outsideNs'> {
  const fromThird = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const field = (n: number) => Number(fromThird[n - 3] ?? 0)
  const [user, kernel, guest] = [field(14), field(15), field(43)]
  return {
    lastCpu: field(39),
    guestNs: guest * NS_PER_TICK,
    kernelNs: kernel * NS_PER_TICK,
    // The user time includes the time in the guest, and that is rounded on its own.
    outsideNs: Math.max(0, user - guest) * NS_PER_TICK,
  }
}

/** The first two of the three numbers of `schedstat`. */
export function schedstatOf(schedstat: string): Pick<ThreadState, 'onCpuNs' | 'runDelayNs'> {
  const [onCpu = 0, runDelay = 0] = schedstat.trim().split(' ').map(Number)
  return { onCpuNs: onCpu, runDelayNs: runDelay }
}

type Switches = Pick<ThreadState, 'voluntarySwitches' | 'involuntarySwitches' | 'migrations'>

/** `sched` has all three, and is there only if the kernel was built so; `status` always has the first two. */
function switchesOf(dir: string): Switches {
  let sched: string
  try {
    sched = readFileSync(`${dir}/sched`, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return switchesFromStatus(readFileSync(`${dir}/status`, 'utf8'))
  }
  return switchesFromSched(sched)
}

export function switchesFromSched(sched: string): Switches {
  const value = (name: string) => numberAfter(sched, new RegExp(`^${name}\\s*:`, 'm'))
  return {
    voluntarySwitches: value('nr_voluntary_switches'),
    involuntarySwitches: value('nr_involuntary_switches'),
    migrations: value('se\\.nr_migrations'),
  }
}

export function switchesFromStatus(status: string): Switches {
  return {
    voluntarySwitches: numberAfter(status, /^voluntary_ctxt_switches:/m),
    involuntarySwitches: numberAfter(status, /^nonvoluntary_ctxt_switches:/m),
    migrations: null,
  }
}

function numberAfter(text: string, label: RegExp): number {
  const found = label.exec(text)
  return found === null ? 0 : Number.parseInt(text.slice(found.index + found[0].length), 10)
}
