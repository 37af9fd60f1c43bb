/**
 * The cpuset of the process: on which CPUs and nodes it may be.
 * Source: Documentation/admin-guide/cgroup-v1/cpusets.rst, cgroup-v2.rst; cpuset(7)
 */

import type { Cgroups, Hierarchy } from './cgroups.js'
import { readList, type SysReader } from './files.js'

/** `undefined`: not restricted. */
export interface Cpuset {
  readonly cpus: ReadonlySet<number> | undefined
  readonly nodes: ReadonlySet<number> | undefined
  /** Of the whole host: in partitions without load balancing. Only the root of version 2 tells. */
  readonly isolated: ReadonlySet<number>
}

const CPUS = {
  1: ['cpuset.effective_cpus', 'effective_cpus', 'cpuset.cpus', 'cpus'],
  2: ['cpuset.cpus.effective'],
}
const NODES = {
  1: ['cpuset.effective_mems', 'effective_mems', 'cpuset.mems', 'mems'],
  2: ['cpuset.mems.effective'],
}

export function readCpuset(reader: SysReader, cgroups: Cgroups): Cpuset {
  const hierarchies = cgroups('cpuset')
  const isolated = hierarchies.flatMap(({ groups }) =>
    groups.slice(-1).flatMap(({ directory }) => readList(reader, `${directory}/cpuset.cpus.isolated`) ?? []),
  )
  return {
    cpus: readNearest(reader, hierarchies, CPUS),
    nodes: readNearest(reader, hierarchies, NODES),
    isolated: new Set(isolated),
  }
}

/** From the group of the process upwards: a group without the controller has its parent's cpuset. */
function readNearest(
  reader: SysReader,
  hierarchies: readonly Hierarchy[],
  names: typeof CPUS,
): ReadonlySet<number> | undefined {
  for (const { version, groups } of hierarchies) {
    for (const { directory } of groups) {
      for (const name of names[version]) {
        const ids = readList(reader, `${directory}/${name}`)
        if (ids !== undefined && ids.length > 0) return new Set(ids)
      }
    }
  }
  return undefined
}
