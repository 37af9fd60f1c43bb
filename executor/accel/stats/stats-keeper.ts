/** The last two readings of what the kernel and the CPUs count. */

import { SyscallError, UnsupportedError } from '../../../src/errors.js'
import type { SysReader } from '../../../src/topology/files.js'
import type { NodeId } from '../../../src/types.js'
import type { CpuCounters } from '../../index.js'
import type { CpuTopology } from '../cpu-topology.js'
import { loadExecutor } from '../load-executor.js'
import { type Counters, readNodeCounters } from './node-counters.js'
import { compareCounters, type KernelNodeStats, NO_STATS } from './node-stats.js'

/** Opens the counters of cache events on these CPUs. */
export type OpenCacheCounters = (cpus: readonly number[]) => Promise<Pick<CpuCounters, 'read' | 'close'>>

export const openCacheCounters: OpenCacheCounters = async (cpus) => {
  const { CpuCounters } = await loadExecutor()
  return CpuCounters.open(cpus)
}

/** Owns the counters of the CPUs, which are opened with the first update. */
export class StatsKeeper {
  readonly #topology: CpuTopology
  readonly #reader: SysReader
  /** Why there are none, where there are none. */
  #cache: Promise<Pick<CpuCounters, 'read' | 'close'> | string> | null
  readonly #open: OpenCacheCounters
  #last: Counters | null = null
  #stats: ReadonlyMap<NodeId, KernelNodeStats> = new Map()
  #why = 'updateStats() was not called yet'

  /** @param open `null`: where the files come from has no counters */
  constructor(topology: CpuTopology, reader: SysReader, open: OpenCacheCounters | null) {
    this.#topology = topology
    this.#reader = reader
    this.#open = open ?? openCacheCounters
    this.#cache = open === null ? Promise.resolve('the files are of another system') : null
  }

  async update(): Promise<void> {
    this.#cache ??= this.#open([...this.#topology.cpuToNode.keys()]).catch((error: unknown) => {
      if (error instanceof SyscallError || error instanceof UnsupportedError) return error.message
      throw error
    })
    const counters = await this.#cache
    this.#why = typeof counters === 'string' ? counters : ''
    const now: Counters = {
      at: performance.now(),
      nodes: readNodeCounters(this.#reader, this.#topology.cpusPerNode),
      cache: typeof counters === 'string' ? new Map() : counters.read(),
    }
    this.#stats = compareCounters(this.#last, now)
    this.#last = now
  }

  /** Why cache misses are not counted; empty where they are. */
  get whyNoCacheMisses(): string {
    return this.#why
  }

  /** Of a node of the host; without figures before the first update. */
  of(node: NodeId): KernelNodeStats {
    return this.#stats.get(node) ?? NO_STATS
  }

  async close(): Promise<void> {
    const counters = await this.#cache
    if (counters !== null && typeof counters !== 'string') counters.close()
  }
}
