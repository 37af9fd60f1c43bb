/** What VMs lose by the CPUs that they have: `smt`, `communication`, `capacity`, `overcommit`, re-pinned vCPUs. */

import { formatCpulist } from '../../../src/cpulist.js'
import type { Layout } from './layouts.js'
import { MICRO, type Problem, rounded } from './problem.js'

/** Micro-vCPUs for a vCPU with other CPUs than it has now. */
const REPIN = 1000
const FASTEST = 1024
/** Stands for the holder of a CPU that nobody has to himself. */
export const FREE = -1

export class Price {
  readonly #problem: Problem
  /** Dedicated vCPUs by core. */
  readonly #onCore: number[]
  /** The greatest capacity of a CPU that shared vCPUs may have, by node. */
  readonly #fastest: readonly number[]

  constructor(problem: Problem) {
    this.#problem = problem
    this.#onCore = problem.cores.map(() => 0)
    this.#fastest = problem.nodeIds.map((_, node) =>
      Math.max(0, ...problem.cpus.flatMap((cpu) => (cpu.node === node && cpu.floats ? [cpu.capacity] : []))),
    )
  }

  /** What the first VMs, up to `last`, cost at the least. */
  soFar(layouts: readonly Layout[], cpuOf: readonly (readonly number[])[], last: number): number {
    this.#countCores(cpuOf)
    let cost = 0
    for (let at = 0; at <= last; at++) {
      const layout = layouts[at]!
      cost += this.#smt(layout, cpuOf[at]!) + communication(this.#problem, layout, cpuOf[at]!)
      cost += this.#capacity(layout, cpuOf[at]!, undefined) + this.#repinned(layout, cpuOf[at]!, undefined)
    }
    return cost
  }

  /** What all VMs cost, where `holder` has -1 for CPUs that nobody has to himself. */
  total(
    layouts: readonly Layout[],
    cpuOf: readonly (readonly number[])[],
    holder: readonly number[],
    alone: boolean,
  ): number {
    if (alone) return this.soFar(layouts, cpuOf, layouts.length - 1)
    this.#countCores(cpuOf)
    let cost = 0
    const shared = this.#problem.nodeIds.map((_, node) => {
      const demand = layouts.reduce((sum, { sharedDemandOn }) => sum + sharedDemandOn[node]!, 0)
      const cpus = demand > 0 ? sharedCpus(this.#problem, holder, node) : []
      cost += Math.max(0, demand - MICRO * cpus.length)
      return cpus
    })
    for (const [at, layout] of layouts.entries()) {
      cost += this.#smt(layout, cpuOf[at]!) + communication(this.#problem, layout, cpuOf[at]!)
      cost += this.#capacity(layout, cpuOf[at]!, shared) + this.#repinned(layout, cpuOf[at]!, shared)
    }
    return cost
  }

  #countCores(cpuOf: readonly (readonly number[])[]): void {
    this.#onCore.fill(0)
    for (const own of cpuOf) for (const cpu of own) if (cpu >= 0) this.#onCore[this.#problem.cpus[cpu]!.core]!++
  }

  #smt({ vm, cells }: Layout, cpuOf: readonly number[]): number {
    const { cpus, widestCore, smt } = this.#problem
    const { threadPolicy, weight } = vm.request
    const countsOwn = threadPolicy === 'isolate' || threadPolicy === 'spread'
    const seated = cpuOf.filter((cpu) => cpu >= 0).map((cpu) => cpus[cpu]!.core)
    let busy = 0
    for (const core of seated) {
      busy += this.#onCore[core]! - (countsOwn ? 1 : seated.filter((other) => other === core).length)
    }
    if (!countsOwn) {
      for (const { vcpus } of cells) {
        const own = vcpus.filter((vcpu) => cpuOf[vcpu]! >= 0).map((vcpu) => cpus[cpuOf[vcpu]!]!.core)
        busy += new Set(own).size - Math.ceil(own.length / widestCore)
      }
    }
    return rounded(weight * smt * MICRO * busy)
  }

  /** `shared` is not known yet: then its CPUs are as fast as they can be. */
  #capacity(
    { vm, nodeOf }: Layout,
    cpuOf: readonly number[],
    shared: readonly (readonly number[])[] | undefined,
  ): number {
    const { cpus } = this.#problem
    let slow = 0
    for (const [vcpu, cpu] of cpuOf.entries()) {
      if (vm.dedicated[vcpu]) {
        if (cpu >= 0) slow += vm.demand[vcpu]! * (FASTEST - cpus[cpu]!.capacity)
        continue
      }
      const node = nodeOf[vcpu]!
      const own = shared?.[node]
      const mean =
        own === undefined
          ? this.#fastest[node]!
          : Math.floor(own.reduce((sum, at) => sum + cpus[at]!.capacity, 0) / own.length)
      slow += vm.demand[vcpu]! * (FASTEST - mean)
    }
    return rounded((vm.request.weight * slow) / FASTEST)
  }

  #repinned(
    { vm, nodeOf }: Layout,
    cpuOf: readonly number[],
    shared: readonly (readonly number[])[] | undefined,
  ): number {
    if (vm.current === null) return 0
    const { cpus } = this.#problem
    let count = 0
    for (const [vcpu, cpu] of cpuOf.entries()) {
      if (vm.dedicated[vcpu]) {
        if (`${cpus[cpu]!.id}` !== vm.current[vcpu]) count++
      } else if (shared !== undefined) {
        if (formatCpulist(shared[nodeOf[vcpu]!]!.map((at) => cpus[at]!.id).sort((a, b) => a - b)) !== vm.current[vcpu])
          count++
      }
    }
    return REPIN * count
  }
}

/** In micro-vCPUs. */
function communication(problem: Problem, layout: Layout, cpuOf: readonly number[]): number {
  const { vm, nodeOf } = layout
  const { vcpus, weight, traffic } = vm.request
  const { communication: coefficient } = problem.request.model
  if (vcpus === 1) return 0
  const { cpus, hop, llcsOf } = problem
  const tenHops = (a: number, b: number): number => {
    const from = nodeOf[a]!
    const to = nodeOf[b]!
    if (vm.dedicated[a] && vm.dedicated[b] && cpus[cpuOf[a]!]!.llc === cpus[cpuOf[b]!]!.llc) return 0
    if (from !== to) return hop[from]![to]!
    return (vm.dedicated[a] && vm.dedicated[b]) || llcsOf[from] !== 1 ? 10 : 0
  }
  let hops = 0
  for (let a = 0; a < vcpus; a++) {
    let sent = 0
    let far = 0
    for (let b = 0; b < vcpus; b++) {
      if (a === b) continue
      const amount = traffic === null ? 1 : traffic[a]![b]!
      sent += amount
      far += amount * tenHops(a, b)
    }
    if (traffic === null) hops += vm.demand[a]! * far
    else if (sent > 0) hops += (vm.demand[a]! * far) / sent
  }
  const price = (weight * coefficient * hops) / 10
  return rounded(traffic === null ? price / (vcpus - 1) : price)
}

/** The CPUs of the node that shared vCPUs float over, by the place of who has each CPU to himself. */
export function sharedCpus({ cpus, cores, coresOf }: Problem, holder: readonly number[], node: number): number[] {
  const shared: number[] = []
  for (const core of coresOf[node]!) {
    const members = cores[core]!.cpus
    if (members.every((cpu) => holder[cpu] === FREE)) shared.push(...members.filter((cpu) => cpus[cpu]!.floats))
  }
  return shared
}
