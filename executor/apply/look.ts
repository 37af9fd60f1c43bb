/** A VM as the kernel has it at this moment: whether it is still the same, where its threads may run, where its pages are. */

import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { getAffinity } from '../ffi/threads.js'
import { Files, valueOr } from '../found/files.js'
import { numbersIn } from '../found/processes.js'
import { parseNumaMaps, parseStat, parseStatus } from '../found/procfs.js'
import type { BytesByNode } from './types.js'

const files = new Files()

/** A process or a thread by its number and start: what has the number and another start is another. */
export interface Started {
  readonly startTime: number
}

/** Whether the process still runs. One that has ended and waits for its parent has no threads but the first, and runs nothing. */
export function isThere(pid: number, { startTime }: Started): boolean {
  const text = files.textOr('', `/proc/${pid}/stat`)
  return parseStat(text)?.startTime === startTime && !/\) [ZX] /.test(text)
}

export interface ThreadNow extends Started {
  readonly tid: number
  /** cpulist, as the kernel has it. */
  readonly cpus: string
}

/** `null`: it has ended. */
export function threadNow(pid: number, tid: number): ThreadNow | null {
  const stat = parseStat(files.textOr('', `/proc/${pid}/task/${tid}/stat`))
  const status = parseStatus(files.textOr('', `/proc/${pid}/task/${tid}/status`))
  return stat === null || status === null ? null : { tid, startTime: stat.startTime, cpus: status.cpus }
}

/** Ascending. */
export function threadsOf(pid: number): number[] {
  return numbersIn(valueOr([], files.list(`/proc/${pid}/task`)))
}

/** A range of addresses. */
export interface Range {
  readonly start: number
  readonly bytes: number
}

/** What numa_maps says of a range. */
export interface RangeNow {
  readonly on: BytesByNode
  /** Of its first page; `null`: nothing is mapped there. */
  readonly policy: string | null
}

/** `null`: numa_maps may not be read, or the process has ended. */
export function memoryNow(pid: number, ranges: readonly Range[]): RangeNow[] | null {
  const text = files.text(`/proc/${pid}/numa_maps`)
  if (text === null || text === 'refused') return null
  const lines = parseNumaMaps(text.value)
  return ranges.map(({ start, bytes }) => {
    const within = lines.filter((line) => line.start >= start && line.start < start + bytes)
    const sums = new Map<number, number>()
    for (const { pages, pageSize } of within) {
      for (const { node, count } of pages) sums.set(node, (sums.get(node) ?? 0) + count * pageSize)
    }
    return { on: byNode(sums), policy: within[0]?.policy ?? null }
  })
}

/** Ascending by node, without those that have nothing. */
export function byNode(sums: ReadonlyMap<number, number>): BytesByNode {
  const held = [...sums].filter(([, bytes]) => bytes > 0).sort(([a], [b]) => a - b)
  return held.map(([node, bytes]) => ({ node, bytes }))
}

/** The system's boot: numbers of processes and their starts mean something within one only. */
export function bootId(): string {
  return files.textOr('', '/proc/sys/kernel/random/boot_id').trim()
}

/** cpulists of what is online. */
export function online(what: 'cpu' | 'node'): string {
  const text = files.textOr('', `/sys/devices/system/${what}/online`).trim()
  if (text !== '') return text
  // Without NUMA there is one node.
  return what === 'node' ? '0' : formatCpulist(getAffinity(0))
}

/** Numbers of what is online. */
export function numbersOf(what: 'cpu' | 'node'): ReadonlySet<number> {
  return new Set(parseCpulist(online(what)))
}
