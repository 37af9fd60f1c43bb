/**
 * What the kernel and the CPUs have counted for each node: read at once, to be compared with the next time.
 * Sources: proc(5), /proc/stat; Documentation/admin-guide/numastat.rst
 */

import { readText, type SysReader } from '../../../src/topology/files.js'
import { readNodeBytes } from '../../../src/topology/memory.js'
import { nodeDirectory } from '../../../src/topology/nodes.js'
import type { CpuId, NodeId } from '../../../src/types.js'
import { readTraffic, type Traffic } from './resctrl.js'

/** Ticks of a CPU. */
export interface CpuTime {
  readonly busy: number
  readonly all: number
}

/** Pages, by the kernel's names for them. */
export type NumaCounters = Readonly<Record<NumaCounter, number>>
export const NUMA_COUNTERS = [
  'numa_hit',
  'numa_miss',
  'numa_foreign',
  'interleave_hit',
  'local_node',
  'other_node',
] as const
/**
 * The kernel's counters of pages that it gives out.
 * @useDeclaredType
 */
export type NumaCounter = (typeof NUMA_COUNTERS)[number]

export interface NodeCounters {
  readonly cpus: ReadonlyMap<CpuId, CpuTime>
  /** Bytes. */
  readonly memory: { readonly total: number | null; readonly free: number | null }
  readonly numa: NumaCounters | null
  readonly traffic: Traffic | null
}

export interface Counters {
  /** When, in milliseconds of a clock that does not go back. */
  readonly at: number
  readonly nodes: ReadonlyMap<NodeId, NodeCounters>
  /** References to the last-level cache and misses in it, by CPU; empty where they are not counted. */
  readonly cache: ReadonlyMap<CpuId, readonly number[]>
}

export function readNodeCounters(
  reader: SysReader,
  cpusPerNode: ReadonlyMap<NodeId, readonly CpuId[]>,
): Counters['nodes'] {
  const times = readCpuTimes(reader)
  const traffic = readTraffic(reader, cpusPerNode)
  return new Map(
    [...cpusPerNode].map(([node, cpus]) => {
      const { total, free } = readNodeBytes(reader, node, cpusPerNode.size === 1)
      const known = cpus.flatMap((cpu): [CpuId, CpuTime][] => (times.has(cpu) ? [[cpu, times.get(cpu)!]] : []))
      return [
        node,
        {
          cpus: new Map(known),
          memory: { total, free },
          numa: readNumaCounters(reader, node),
          traffic: traffic.get(node) ?? null,
        },
      ]
    }),
  )
}

/** user, nice, system, idle, iowait, irq, softirq, steal; the guests' time after them is part of the first two. */
const FIELDS = 8
const IDLE = 3
const IOWAIT = 4

function readCpuTimes(reader: SysReader): Map<CpuId, CpuTime> {
  const times = new Map<CpuId, CpuTime>()
  for (const [, cpu, fields = ''] of (readText(reader, 'proc/stat') ?? '').matchAll(/^cpu(\d+)((?: \d+)+)/gm)) {
    const ticks = fields.trim().split(' ').slice(0, FIELDS).map(Number)
    const all = ticks.reduce((sum, each) => sum + each, 0)
    times.set(Number(cpu), { busy: all - (ticks[IDLE] ?? 0) - (ticks[IOWAIT] ?? 0), all })
  }
  return times
}

function readNumaCounters(reader: SysReader, node: NodeId): NumaCounters | null {
  const text = readText(reader, `${nodeDirectory(node)}/numastat`) ?? ''
  const found = new Map([...text.matchAll(/^(\w+) (\d+)$/gm)].map(([, name = '', count]) => [name, Number(count)]))
  if (!NUMA_COUNTERS.every((name) => found.has(name))) return null
  return Object.fromEntries(NUMA_COUNTERS.map((name) => [name, found.get(name)!])) as NumaCounters
}
