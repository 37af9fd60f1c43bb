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

/** Class 1 of a node's memory is its access by CPUs; class 0 may be that by a device. */
const ACCESS_CLASSES = ['access1', 'access0']

const initiatorsOf = (node: number, accessClass: string) => `${nodeDirectory(node)}/${accessClass}/initiators`

/**
 * Bytes a second from the node's memory to the CPUs nearest to it, as HMAT has it (the kernel shows MB/s).
 * Source: Documentation/admin-guide/mm/numaperf.rst
 */
export function readBandwidth(reader: SysReader, node: number): number | undefined {
  for (const accessClass of ACCESS_CLASSES) {
    const megabytes = readInteger(reader, `${initiatorsOf(node, accessClass)}/read_bandwidth`)
    if (megabytes !== undefined && megabytes > 0 && megabytes < 1e9) return megabytes * 1e6
  }
  return undefined
}

/** More ns than a load takes of any memory. */
const MOST_NS = 1e6

/**
 * ns that a load takes from each node (rows) to each node's memory (columns), as HMAT has it; `null`: not known. The kernel says it of each
 * memory for the nodes that reach it best, and links these beside it; of all others it says nothing.
 * Source: Documentation/admin-guide/mm/numaperf.rst; HMAT: ACPI 6.5, 5.2.29
 */
export function readLatencies(reader: SysReader, nodes: readonly number[]): (number | null)[][] {
  const columns = nodes.map((node) => {
    for (const accessClass of ACCESS_CLASSES) {
      const directory = initiatorsOf(node, accessClass)
      const ns = readInteger(reader, `${directory}/read_latency`)
      if (ns !== undefined && ns > 0 && ns < MOST_NS)
        return { ns, from: new Set(listNumbered(reader, directory, 'node')) }
    }
    return undefined
  })
  return nodes.map((from) => columns.map((column) => (column?.from.has(from) ? column.ns : null)))
}

/**
 * Of these latencies the rows that say something of distances: with a figure for each node with memory, of which there are several. `undefined`:
 * there is none.
 * @param hasMemory by node, in the order of the columns
 */
export function wholeLatencies(
  latencies: readonly (readonly (number | null)[])[],
  hasMemory: readonly boolean[],
): (readonly (number | null)[])[] | undefined {
  const isWhole = (row: readonly (number | null)[]) => row.every((ns, column) => ns !== null || !hasMemory[column])
  if (hasMemory.filter((has) => has).length < 2 || !latencies.some(isWhole)) return undefined
  return latencies.map((row) => (isWhole(row) ? row : row.map(() => null)))
}
