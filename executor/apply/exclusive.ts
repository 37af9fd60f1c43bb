/** CPUs that the dedicated vCPUs of VMs have to themselves: partitions of cgroup v2, made when all else is done, and removed before all else. */

import { existsSync } from 'node:fs'
import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { UnsupportedError } from '../../src/errors.js'
import { makePartition, partitionOf, planPartition, removePartition } from '../cpusets/partition.js'
import type { AppliedPartition, Changes, VmPartition } from './types.js'

/** What is to be made, what is there already, and what cannot be. */
export interface PlannedPartitions {
  readonly partitions: readonly VmPartition[]
  readonly held: readonly AppliedPartition[]
  readonly left: readonly AppliedPartition[]
}

/** Touches nothing. */
export function planPartitions({ dedicated }: Pick<Changes, 'dedicated'>): PlannedPartitions {
  const partitions: VmPartition[] = []
  const held: AppliedPartition[] = []
  const left: AppliedPartition[] = []
  for (const { vm, pid, threads } of dedicated) {
    const cpus = formatCpulist(threads.flatMap((thread) => parseCpulist(thread.cpus)))
    if (partitionOf({ pid, threads }) === cpus) {
      held.push({ vm, cpus, state: 'made', why: null })
      continue
    }
    const partition = planPartition({ pid, threads })
    if ('why' in partition) left.push({ vm, cpus, state: 'left', why: partition.why })
    else partitions.push({ vm, partition })
  }
  return { partitions, held, left }
}

/** @param whyNot why a VM is left as it is; `null`: it is not */
export function makePartitions(
  partitions: readonly VmPartition[],
  whyNot: (vm: string) => string | null,
): AppliedPartition[] {
  return partitions.map(({ vm, partition }) => {
    const why = whyNot(vm) ?? whyFailed(() => makePartition(partition))
    return { vm, cpus: partition.cpus, state: why === null ? 'made' : 'left', why }
  })
}

export function removePartitions(partitions: readonly VmPartition[]): AppliedPartition[] {
  return partitions.map(({ vm, partition }) => {
    const failed = removePartition(partition)
    const why = failed.length === 0 ? null : failed.join('; ')
    return { vm, cpus: partition.cpus, state: why === null ? 'removed' : 'left', why }
  })
}

export function isThereStill({ partition }: Pick<VmPartition, 'partition'>): boolean {
  return existsSync(partition.directory)
}

function whyFailed(make: () => void): string | null {
  try {
    make()
    return null
  } catch (error) {
    if (error instanceof UnsupportedError) return error.message
    throw error
  }
}
