/**
 * NUMA nodes: which there are, whose CPUs they have, how far apart they are.
 * Source: Documentation/ABI/stable/sysfs-devices-node; distances: ACPI 6.5, 5.2.17.
 */

import { CPU_DIRECTORY } from './cpus.js'
import { listNumbered, readInteger, readList, readMask, readText, type SysReader } from './files.js'
import { LOCAL_DISTANCE, MAX_DISTANCE, REMOTE_DISTANCE } from './limits.js'

const NODE_DIRECTORY = 'sys/devices/system/node'

export const nodeDirectory = (node: number): string => `${NODE_DIRECTORY}/node${node}`

/** Numbers of the nodes, ascending, with gaps where the kernel has them; none on a kernel without NUMA. */
export function readNodeIds(reader: SysReader): readonly number[] {
  const directories = listNumbered(reader, NODE_DIRECTORY, 'node')
  const online = new Set(readList(reader, `${NODE_DIRECTORY}/online`))
  const known = directories.filter((node) => online.has(node))
  return known.length > 0 ? known : directories
}

/**
 * The node of each CPU: of the online ones by the node's files, of others by their link to a node where there is one.
 * A CPU that no node claims is not in the map; one that several claim belongs to the lowest.
 */
export function readNodeOfCpus(
  reader: SysReader,
  nodes: readonly number[],
  cpus: readonly number[],
): ReadonlyMap<number, number> {
  const nodeOf = new Map<number, number>()
  for (const node of nodes) {
    const directory = nodeDirectory(node)
    const members =
      readList(reader, `${directory}/cpulist`) ??
      readMask(reader, `${directory}/cpumap`) ??
      listNumbered(reader, directory, 'cpu')
    for (const cpu of members) if (!nodeOf.has(cpu)) nodeOf.set(cpu, node)
  }
  for (const cpu of cpus) {
    if (nodeOf.has(cpu)) continue
    const linked = listNumbered(reader, `${CPU_DIRECTORY}/cpu${cpu}`, 'node').find((node) => nodes.includes(node))
    if (linked !== undefined) nodeOf.set(cpu, linked)
  }
  return nodeOf
}

/** Rows and columns in the order of `nodes`; a row that cannot be right has the default distances. */
export function readDistances(reader: SysReader, nodes: readonly number[]): readonly (readonly number[])[] {
  return nodes.map((node, row) => {
    const values =
      readText(reader, `${nodeDirectory(node)}/distance`)
        ?.split(/\s+/)
        .map(Number) ?? []
    const sound = (value: number) => Number.isInteger(value) && value >= LOCAL_DISTANCE && value <= MAX_DISTANCE
    return values.length === nodes.length && values.every(sound) ? values : defaultDistances(nodes.length)[row]!
  })
}

/** 10 on the diagonal and 20 elsewhere. */
export function defaultDistances(count: number): readonly (readonly number[])[] {
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: count }, (_, column) => (row === column ? LOCAL_DISTANCE : REMOTE_DISTANCE)),
  )
}

/**
 * Bytes a second from the node's memory to the CPUs nearest to it, as HMAT has it (the kernel shows MB/s); access
 * class 1 is that of CPUs, class 0 may be a device's.
 * Source: Documentation/admin-guide/mm/numaperf.rst
 */
export function readBandwidth(reader: SysReader, node: number): number | undefined {
  for (const accessClass of ['access1', 'access0']) {
    const megabytes = readInteger(reader, `${nodeDirectory(node)}/${accessClass}/initiators/read_bandwidth`)
    if (megabytes !== undefined && megabytes > 0 && megabytes < 1e9) return megabytes * 1e6
  }
  return undefined
}
