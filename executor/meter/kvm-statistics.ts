/** KVM's binary statistics of the vCPUs of another process, through its own descriptors of them. */

import { Pidfd } from '../ffi/pidfd.js'
import { KvmStats } from '../observe/stats.js'
import type { KvmRead, KvmSource } from './kvm.js'
import type { KvmCounters } from './types.js'

/** A vCPU, and the number of the descriptor that its process has of its statistics. */
export interface StatisticsOf {
  readonly vcpu: number
  readonly fd: number
}

/** `null`: the process has ended, or this one may not have its descriptors. */
export function openStatistics(
  pid: number,
  vcpus: readonly StatisticsOf[],
  wanted: readonly string[],
): KvmSource | null {
  const process = attempt(() => Pidfd.open(pid))
  if (process === null) return null
  let like: KvmStats | undefined
  const countersOf = ({ fd }: StatisticsOf): KvmCounters => {
    using stats = KvmStats.of(process.descriptor(fd), like)
    like = stats
    const values = stats.read()
    const known = wanted.flatMap((name): [string, number][] => {
      const value = values[name]
      return typeof value === 'number' ? [[name, value]] : []
    })
    return Object.fromEntries(known)
  }
  const read = (): KvmRead | null =>
    attempt(() => {
      const byVcpu = new Map(vcpus.map((one) => [one.vcpu, countersOf(one)]))
      const sum: Record<string, number> = {}
      for (const counters of byVcpu.values()) {
        for (const [name, value] of Object.entries(counters)) sum[name] = (sum[name] ?? 0) + value
      }
      return { sum, byVcpu }
    })
  if (read() !== null) return { read, close: () => process.close() }
  process.close()
  return null
}

function attempt<Result>(call: () => Result): Result | null {
  try {
    return call()
  } catch {
    return null
  }
}
