/** vCPUs and the CPUs that they are on, as text. */

import { parseCpulist, shortCpulist } from '../cpulist.js'
import type { PlanVcpu } from '../types.js'

/**
 * `0-3 -> 8-11, 4 -> 2`: vCPUs and CPUs that ascend together are one range. `0-3 -> any of 4-7`: they float.
 */
export function pinsText(vcpus: readonly Omit<PlanVcpu, 'cell'>[]): string {
  const runs: { first: number; last: number; cpus: string; toCpu: number | null }[] = []
  for (const { vcpu, cpus, dedicated } of [...vcpus].sort((a, b) => a.vcpu - b.vcpu)) {
    const run = runs.at(-1)
    const cpu = dedicated ? parseCpulist(cpus)[0]! : null
    const ascends = cpu === null ? run?.cpus === cpus : run?.toCpu === cpu - 1
    if (run !== undefined && run.last === vcpu - 1 && ascends) Object.assign(run, { last: vcpu, toCpu: cpu })
    else runs.push({ first: vcpu, last: vcpu, cpus, toCpu: cpu })
  }
  return runs
    .map(({ first, last, cpus, toCpu }) => {
      const target =
        toCpu === null ? `any of ${shortCpulist(parseCpulist(cpus))}` : range(toCpu - (last - first), toCpu)
      return `${range(first, last)} -> ${target}`
    })
    .join(', ')
}

function range(first: number, last: number): string {
  return first === last ? `${first}` : `${first}-${last}`
}
