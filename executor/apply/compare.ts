/** What differs from what is wanted, read from the kernel. */

import { canonicalCpulist } from '../../src/cpulist.js'
import { formatBytes } from '../../src/units.js'
import { isThere, memoryNow, threadNow } from './look.js'
import { copied, spread, sumOf } from './spread.js'
import { threadName } from './threads.js'
import type { BytesByNode, Difference, KnownThread, MemoryChange } from './types.js'

/** How a VM is to be. */
export interface Wanted {
  readonly vm: string
  readonly pid: number
  readonly startTime: number
  readonly threads: readonly (KnownThread & { readonly cpus: string })[]
  readonly memory: readonly Pick<MemoryChange, 'start' | 'bytes' | 'pageSize' | 'to'>[]
}

/** So much of a range may be elsewhere: guests touch memory all the time, and the kernel holds on to a page here and there. */
const TOLERANCE = 0.01

/** A thread that has ended is as wanted as any. */
export function compare(wanted: readonly Wanted[]): Difference[] {
  return wanted.flatMap((one) => {
    if (isThere(one.pid, one)) return [...threadsApart(one), ...memoryApart(one)]
    return [{ vm: one.vm, what: `process ${one.pid}`, wanted: 'running', found: 'it has ended' }]
  })
}

function threadsApart({ vm, pid, threads }: Wanted): Difference[] {
  return threads.flatMap((thread) => {
    const now = threadNow(pid, thread.tid)
    const wanted = `CPUs ${canonicalCpulist(thread.cpus)}`
    if (now === null || now.startTime !== thread.startTime || `CPUs ${now.cpus}` === wanted) return []
    return [{ vm, what: threadName(thread), wanted, found: `CPUs ${now.cpus}` }]
  })
}

function memoryApart({ vm, pid, memory }: Wanted): Difference[] {
  if (memory.length === 0) return []
  const now = memoryNow(pid, memory)
  if (now === null) return [{ vm, what: 'memory', wanted: 'known', found: 'numa_maps may not be read' }]
  return memory.flatMap(({ start, bytes, pageSize, to }, at) => {
    const found = now[at]!.on
    if (sumOf(to) === 0 || sumOf(found) === 0) return []
    const wanted = spread(sumOf(found), pageSize, to)
    if (copied(found, wanted) <= Math.max(pageSize * (to.length - 1), TOLERANCE * sumOf(found))) return []
    const what = `${formatBytes(bytes)} of memory at 0x${start.toString(16)}`
    return [{ vm, what, wanted: bytesText(wanted), found: bytesText(found) }]
  })
}

function bytesText(parts: BytesByNode): string {
  return `${parts.map(({ node, bytes }) => `${formatBytes(bytes)} on node ${node}`).join(', ')}`
}
