/**
 * Which CPUs there are, and how the online ones are grouped: cores, packages, last-level caches.
 * Source: Documentation/admin-guide/cputopology.rst, Documentation/ABI/testing/sysfs-devices-system-cpu.
 */

import { listNumbered, readInteger, readList, readMask, readText, type SysReader } from './files.js'
import { partition } from './groups.js'

export const CPU_DIRECTORY = 'sys/devices/system/cpu'

export interface CpuIds {
  /** Every CPU that has a directory, ascending. CPUs that are only possible have none. */
  readonly present: readonly number[]
  readonly online: ReadonlySet<number>
}

/** A CPU is offline where its own file or the list says so: edited and old trees have only one of the two. */
export function readCpuIds(reader: SysReader): CpuIds {
  const listed = readList(reader, `${CPU_DIRECTORY}/online`)
  const directories = listNumbered(reader, CPU_DIRECTORY, 'cpu')
  const present = directories.length > 0 ? directories : (listed ?? [])
  const inList = new Set(listed?.length ? listed : present)
  const isOnline = (cpu: number) => inList.has(cpu) && readText(reader, `${CPU_DIRECTORY}/cpu${cpu}/online`) !== '0'
  return { present, online: new Set(present.filter(isOnline)) }
}

/** CPUs that `isolcpus` keeps from the scheduler. */
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
      readList(reader, `${topology}/core_cpus_list`) ??
      readList(reader, `${topology}/thread_siblings_list`) ??
      readMask(reader, `${topology}/core_cpus`) ??
      readMask(reader, `${topology}/thread_siblings`)
    return siblings?.filter((sibling) => nodeOf(sibling) === nodeOf(cpu))
  }
  return partition(online, siblingsOf)
}

/** The kernel's number of the package of a core, by its first CPU; `null` where it gives none or -1. */
export function readPackage(reader: SysReader, cpu: number): number | null {
  const id = readInteger(reader, `${CPU_DIRECTORY}/cpu${cpu}/topology/physical_package_id`)
  return id === undefined || id < 0 ? null : id
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
    .map(({ cache }) => readList(reader, `${cache}/shared_cpu_list`) ?? readMask(reader, `${cache}/shared_cpu_map`))
    .find((shared) => shared?.includes(cpu))
}
