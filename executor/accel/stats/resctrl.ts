/**
 * Memory traffic of nodes, as the CPUs measure it by last-level cache (Intel RDT, AMD QoS).
 * Source: Documentation/arch/x86/resctrl.rst
 */

import { CPU_DIRECTORY } from '../../../src/topology/cpus.js'
import { listNumbered, readInteger, readList, type SysReader } from '../../../src/topology/files.js'
import type { NodeId } from '../../../src/types.js'

const RESCTRL = 'sys/fs/resctrl'
/** Directories of `RESCTRL` that are no groups of tasks. */
const OTHERS = ['info', 'mon_data', 'mon_groups']
const L3 = 3

/** Bytes since the group was made. */
export interface Traffic {
  /** Between the node's CPUs and any memory. */
  readonly total: number
  /** Of these, to and from memory of the node itself. */
  readonly local: number
}

/**
 * What the CPUs of each node have moved, all groups of tasks together. A node is missing where nothing is measured: without
 * resctrl, without CPUs, and where a cache is shared with another node.
 */
export function readTraffic(
  reader: SysReader,
  cpusPerNode: ReadonlyMap<NodeId, readonly number[]>,
): ReadonlyMap<NodeId, Traffic> {
  const groups = reader.list(RESCTRL).filter((name) => !OTHERS.includes(name))
  const directories = [RESCTRL, ...groups.map((group) => `${RESCTRL}/${group}`)]
  const monitored = directories.filter((directory) => reader.list(`${directory}/mon_data`).length > 0)
  const traffic = new Map<NodeId, Traffic>()
  if (monitored.length === 0) return traffic
  for (const [node, cpus] of cpusPerNode) {
    const domains = domainsOf(reader, cpus)
    if (domains === undefined) continue
    const sumOf = (file: string) =>
      sum(monitored.flatMap((each) => domains.map((id) => readDomain(reader, each, id, file))))
    const [total, local] = [sumOf('mbm_total_bytes'), sumOf('mbm_local_bytes')]
    if (total !== undefined && local !== undefined) traffic.set(node, { total, local })
  }
  return traffic
}

function readDomain(reader: SysReader, group: string, domain: number, file: string): number | undefined {
  return readInteger(reader, `${group}/mon_data/mon_L3_${String(domain).padStart(2, '0')}/${file}`)
}

/** Numbers of the L3 caches that these CPUs and no others have; `undefined`: that cannot be said. */
function domainsOf(reader: SysReader, cpus: readonly number[]): number[] | undefined {
  const domains = new Set<number>()
  for (const cpu of cpus) {
    const directory = `${CPU_DIRECTORY}/cpu${cpu}/cache`
    const index = listNumbered(reader, directory, 'index').find(
      (each) => readInteger(reader, `${directory}/index${each}/level`) === L3,
    )
    const domain = readInteger(reader, `${directory}/index${index}/id`)
    const shared = readList(reader, `${directory}/index${index}/shared_cpu_list`)
    if (domain === undefined || shared === undefined || !shared.every((other) => cpus.includes(other))) return undefined
    domains.add(domain)
  }
  return domains.size === 0 ? undefined : [...domains]
}

/** `undefined` where a part is: "Unavailable" is no number. */
function sum(parts: readonly (number | undefined)[]): number | undefined {
  return parts.reduce((total, part) => (total === undefined || part === undefined ? undefined : total + part), 0)
}
