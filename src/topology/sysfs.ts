/** The Host that a tree of sysfs and procfs files describes. */

import { InputError } from '../errors.js'
import type { Host, HostCpu } from '../types.js'
import { readCapacities } from './capacity.js'
import { readCgroups } from './cgroups.js'
import { CPU_DIRECTORY, readCores, readCpuIds, readIsolated, readLlcs } from './cpus.js'
import { type Cpuset, readCpuset } from './cpuset.js'
import type { SysReader } from './files.js'
import { indexOfMembers } from './groups.js'
import { readNodes } from './host-nodes.js'
import { readDistances, readLatencies, readNodeIds, readNodeOfCpus, wholeLatencies } from './nodes.js'
import { readPackages } from './packages.js'

/**
 * Reads the CPUs, the nodes and the cpuset of the process. A kernel without NUMA is one node 0 with all CPUs.
 * @throws {InputError} where there are no CPUs: it is not the root of a Linux system
 */
export function readHost(reader: SysReader): Host {
  const cgroups = readCgroups(reader)
  const cpuset = readCpuset(reader, cgroups)
  const { present, online } = readCpuIds(reader, cpuset.cpus)
  if (present.length === 0) {
    throw new InputError(CPU_DIRECTORY, 'the CPUs of a Linux system (cpu0, cpu1, ...)', 'none')
  }
  const numaIds = readNodeIds(reader)
  const nodeIds = numaIds.length > 0 ? numaIds : [0]
  const nodeOfCpu = readNodeOfCpus(reader, numaIds, present)
  const nodeOf = (cpu: number) => (numaIds.length === 0 ? 0 : (nodeOfCpu.get(cpu) ?? null))
  const nodes = readNodes(reader, nodeIds, cpuset.nodes, cgroups)
  const hasMemory = nodes.nodes.map(({ memory }) => memory.total !== 0)
  const latencies = wholeLatencies(readLatencies(reader, nodeIds), hasMemory)
  return {
    schemaVersion: 1,
    kind: 'Host',
    ...nodes,
    distances: readDistances(reader, nodeIds),
    ...(latencies === undefined ? {} : { latencies }),
    cpus: readCpus(reader, present, online, nodeOf, cpuset),
  }
}

function readCpus(
  reader: SysReader,
  present: readonly number[],
  online: ReadonlySet<number>,
  nodeOf: (cpu: number) => number | null,
  cpuset: Cpuset,
): HostCpu[] {
  const isolated = readIsolated(reader)
  const cores = readCores(reader, online, nodeOf)
  const coreOf = indexOfMembers(cores)
  const llcOf = indexOfMembers(readLlcs(reader, online, nodeOf))
  const packages = readPackages(reader, cores)
  const capacities = readCapacities(
    reader,
    cores.map(([first]) => first!),
  )
  return present.map((id) => {
    const common = {
      id,
      node: nodeOf(id),
      online: online.has(id),
      allowed: cpuset.cpus?.has(id) ?? true,
      isolated: isolated.has(id) || cpuset.isolated.has(id),
    }
    const core = coreOf.get(id)
    if (core === undefined) return { ...common, package: null, llc: null, core: null, thread: null, capacity: null }
    const siblings = cores[core]!
    return {
      ...common,
      package: packages[core]!,
      llc: llcOf.get(id)!,
      core,
      thread: siblings.indexOf(id),
      capacity: capacities.get(siblings[0]!)!,
    }
  })
}
