/**
 * Text of procfs and sysfs -> counters. Pure, and for any text: what is not as the kernel writes it is `null`. Those of threads
 * are read by the hundred each second, and so do without regular expressions.
 * Source: proc(5); Documentation/scheduler/sched-stats.rst; Documentation/accounting/psi.rst; kernel/sched/debug.c
 */

import type { Allocations, NodeFaults, PressureReading, ThreadDetails } from './types.js'

/** USER_HZ is 100 on x86-64 and arm64, whatever the kernel's own timer does. */
export const NS_PER_TICK = 1e9 / 100

/** What `stat` has of a thread or of a process. */
export interface StatCounters {
  /** In its code, a guest's too, and in the kernel. */
  readonly ranNs: number
  readonly threads: number
  readonly startTime: number
  /** Resident pages of the process. */
  readonly residentPages: number
  readonly lastCpu: number
}

/** Fields are counted from 1. The name, field 2, is in parentheses and may hold anything, spaces too. */
export function parseStatCounters(text: string): StatCounters | null {
  let at = text.lastIndexOf(')') + 2
  if (at < 2) return null
  let n = 3
  /** Fields are asked for in their order. */
  const field = (wanted: number): number => {
    for (; n < wanted; n++) {
      const space = text.indexOf(' ', at)
      if (space < 0) return Number.NaN
      at = space + 1
    }
    return numberAt(text, at)
  }
  const [user, kernel, threads, startTime] = [field(14), field(15), field(20), field(22)]
  const [residentPages, lastCpu] = [field(24), field(39)]
  if (!(user + kernel + threads + startTime + residentPages + lastCpu >= 0)) return null
  return { ranNs: (user + kernel) * NS_PER_TICK, threads, startTime, residentPages, lastCpu }
}

/** What `schedstat` has of a thread. */
export interface SchedCounters {
  readonly onCpuNs: number
  readonly delayNs: number
}

/** `null` also where it is all zeros, as the kernel writes it when it does not count. */
export function parseSchedstat(text: string): SchedCounters | null {
  const space = text.indexOf(' ')
  const [onCpuNs, delayNs] = [numberAt(text, 0), numberAt(text, space + 1)]
  if (space < 0 || !(onCpuNs + delayNs > 0)) return null
  return { onCpuNs, delayNs }
}

const MIGRATIONS = 'se.nr_migrations'
const FAULTS = '\nnuma_faults node='

/** What `sched` has of a thread. */
export function parseSched(text: string): Pick<ThreadDetails, 'migrations' | 'faults'> {
  const migrations = numberAfter(text, text.indexOf(MIGRATIONS), ':')
  const faults: NodeFaults[] = []
  let sum = 0
  for (let at = text.indexOf(FAULTS); at >= 0; at = text.indexOf(FAULTS, at + 1)) {
    const node = numberAt(text, at + FAULTS.length)
    const own = numberAfter(text, text.indexOf('task_private', at), '=')
    const shared = numberAfter(text, text.indexOf('task_shared', at), '=')
    if (!(node >= 0) || own === null || shared === null) return { migrations, faults: null }
    faults.push({ node, count: own + shared })
    sum += own + shared
  }
  return { migrations, faults: sum > 0 ? faults : null }
}

/** The number after the first `mark` from `at` on, with spaces between. */
function numberAfter(text: string, at: number, mark: string): number | null {
  if (at < 0) return null
  const from = text.indexOf(mark, at) + 1
  if (from === 0) return null
  const number = numberAt(text, from)
  return number >= 0 ? number : null
}

const [ZERO, NINE, SPACE] = [48, 57, 32]

/** The whole number that begins at `at`, after spaces; NaN where there is none. */
function numberAt(text: string, at: number): number {
  let from = at
  while (text.charCodeAt(from) === SPACE) from++
  let value = Number.NaN
  for (let code = text.charCodeAt(from); code >= ZERO && code <= NINE; code = text.charCodeAt(++from)) {
    value = (value >= 0 ? value : 0) * 10 + (code - ZERO)
  }
  return value
}

/** Of a file of /proc/pressure. The kernel's numbers are microseconds. */
export function parsePressure(text: string): PressureReading | null {
  const total = (line: string) => {
    const found = new RegExp(`^${line} .*total=(\\d{1,18})$`, 'm').exec(text)?.[1]
    return found === undefined ? null : Number(found) * 1000
  }
  const someNs = total('some')
  return someNs === null ? null : { someNs, fullNs: total('full') }
}

/** Share of the last 10 s in which some task waited: `avg10` of a file of /proc/pressure, or of a cgroup. */
export function shareOfLast10(text: string): number | null {
  const percent = /^some .*\bavg10=(\d{1,3}\.\d\d)/m.exec(text)?.[1]
  return percent === undefined ? null : Number(percent) / 100
}

/** Of a node's `numastat`. */
export function parseNumastat(text: string): Allocations | null {
  const [hit, miss, foreign] = [
    counterIn(text, 'numa_hit'),
    counterIn(text, 'numa_miss'),
    counterIn(text, 'numa_foreign'),
  ]
  const [local, other] = [counterIn(text, 'local_node'), counterIn(text, 'other_node')]
  if (hit === null || miss === null || foreign === null || local === null || other === null) return null
  return { hit, miss, foreign, local, other }
}

/** Of lines with a name and a number: `numastat`, `vmstat`. */
export function counterIn(text: string, name: string): number | null {
  const at = text.startsWith(`${name} `) ? 0 : text.indexOf(`\n${name} `) + 1
  if (at === 0 && !text.startsWith(`${name} `)) return null
  const value = numberAt(text, at + name.length + 1)
  return value >= 0 ? value : null
}

/** Time of a CPU. */
export interface CpuTime {
  readonly busyNs: number
  readonly idleNs: number
}

/** By CPU, of `/proc/stat`: user nice system idle iowait irq softirq steal; a guest's time is in the first two. */
export function parseCpuTimes(text: string): Map<number, CpuTime> {
  const times = new Map<number, CpuTime>()
  for (let at = text.indexOf('\ncpu'); at >= 0; at = text.indexOf('\ncpu', at + 1)) {
    const end = text.indexOf('\n', at + 1)
    const [name = '', ...fields] = text.slice(at + 4, end < 0 ? undefined : end).split(' ')
    const [user = 0, nice = 0, system = 0, idle, wait = 0, irq = 0, soft = 0, steal = 0] = fields.map(Number)
    if (!/^\d{1,5}$/.test(name) || idle === undefined) continue
    const busy = user + nice + system + irq + soft + steal
    if (busy + idle + wait >= 0) {
      times.set(Number(name), { busyNs: busy * NS_PER_TICK, idleNs: (idle + wait) * NS_PER_TICK })
    }
  }
  return times
}
