/**
 * Which CPUs there are, and how the online ones are grouped: cores, last-level caches.
 * Source: Documentation/admin-guide/cputopology.rst, Documentation/ABI/testing/sysfs-devices-system-cpu.
 */

import { listNumbered, readInteger, readList, readSetOf, readText, type SysReader } from './files.js'
import { partition } from './groups.js'

export const CPU_DIRECTORY = 'sys/devices/system/cpu'

export interface CpuIds {
  /** Every CPU that has a directory, ascending. CPUs that are only possible have none. */
  readonly present: readonly number[]
  readonly online: ReadonlySet<number>
}

/**
 * A CPU's own file says whether it is online. Where it has none (the kernel cannot switch it off, or the tree is old), the
 * list of all says so, or the cpuset, which the kernel keeps to online CPUs. The list comes last since containers fake it:
 * lxcfs counts as many CPUs as the container has, from 0.
 * @param allowed the CPUs of the cpuset; `undefined`: not restricted
 */
export function readCpuIds(reader: SysReader, allowed: ReadonlySet<number> | undefined): CpuIds {
  const listed = readList(reader, `${CPU_DIRECTORY}/online`)
  const directories = listNumbered(reader, CPU_DIRECTORY, 'cpu')
  const present = directories.length > 0 ? directories : (listed ?? [])
  const inList = new Set(listed?.length ? listed : present)
  const isOnline = (cpu: number) => {
    const own = readText(reader, `${CPU_DIRECTORY}/cpu${cpu}/online`)
    return own === '1' || (own !== '0' && (inList.has(cpu) || allowed?.has(cpu) === true))
  }
  return { present, online: new Set(present.filter(isOnline)) }
}

/**
 * CPUs between which the scheduler does not move threads, by `isolcpus`. The file has those of its flag `domain`, which
 * is the default; `managed_irq` and `nohz` alone, and `nohz_full`, do not isolate in this sense, and are not in it.
 */
export function readIsolated(reader: SysReader): ReadonlySet<number> {
  return new Set(readList(reader, `${CPU_DIRECTORY}/isolated`))
}

/**
 * Cores, each as its online SMT siblings, ascending; by lowest CPU. core_id is not used: it repeats within a package
 * that has several nodes. Siblings on different nodes (some virtual machines say so) are taken for separate cores.
 */
export function readCores(
  reader: SysReader,
  online: ReadonlySet<number>,
  nodeOf: (cpu: number) => number | null,
): readonly (readonly number[])[] {
  const siblingsOf = (cpu: number) => {
    const topology = `${CPU_DIRECTORY}/cpu${cpu}/topology`
    const siblings =
      readSetOf(reader, cpu, `${topology}/core_cpus_list`, `${topology}/core_cpus`) ??
      readSetOf(reader, cpu, `${topology}/thread_siblings_list`, `${topology}/thread_siblings`)
    return siblings?.filter((sibling) => nodeOf(sibling) === nodeOf(cpu))
  }
  return partition(online, siblingsOf)
}

/** Domains of the last data or unified cache level; CPUs of one node where the caches are not known. */
export function readLlcs(
  reader: SysReader,
  online: ReadonlySet<number>,
  nodeOf: (cpu: number) => number | null,
): readonly (readonly number[])[] {
  const uncached = new Set<number>()
  const domains = partition(online, (cpu) => {
    const shared = readLastLevelSharers(reader, cpu)
    if (shared === undefined) uncached.add(cpu)
    return shared
  })
  if (uncached.size === 0) return domains
  const byNode = partition(uncached, (cpu) => [...uncached].filter((other) => nodeOf(other) === nodeOf(cpu)))
  const cached = domains.filter((domain) => !uncached.has(domain[0]!))
  return [...cached, ...byNode].sort((a, b) => a[0]! - b[0]!)
}

/** The CPUs that share the highest level of this CPU's data and unified caches. */
function readLastLevelSharers(reader: SysReader, cpu: number): number[] | undefined {
  const caches = `${CPU_DIRECTORY}/cpu${cpu}/cache`
  return listNumbered(reader, caches, 'index')
    .map((index) => `${caches}/index${index}`)
    .filter((cache) => readText(reader, `${cache}/type`) !== 'Instruction')
    .map((cache) => ({ cache, level: readInteger(reader, `${cache}/level`) ?? 0 }))
    .sort((a, b) => b.level - a.level)
    .map(({ cache }) => readSetOf(reader, cpu, `${cache}/shared_cpu_list`, `${cache}/shared_cpu_map`))
    .find((shared) => shared !== undefined)
}
