/** A solution as a plan, with what docs/model.md says of the VMMs' own threads, so that the verifier can judge it. */

import { formatCpulist } from '../../../src/cpulist.js'
import type { Plan, PlanVm } from '../../../src/types.js'
import { costOf, type MicroTerms, totalOf } from '../../../src/verify/cost.js'
import { FREE, sharedCpus } from './price.js'
import { MICRO, type Problem, reservedOf, type Vm } from './problem.js'
import type { Placed, Solution } from './solve.js'

/** The plan of a solution; its costs are the verifier's, so that only what it thinks of the total has to be compared. */
export function planOf(problem: Problem, solution: Solution): { plan: Plan; cost: number } {
  const { host, request } = problem
  const holder = problem.cpus.map(() => FREE)
  for (const [at, { seats }] of solution.placed.entries()) {
    for (const cpu of [...seats.cpuOf, ...seats.threads]) if (cpu >= 0) holder[cpu] = at
  }
  const shared = problem.nodeIds.map((_, node) => sharedCpus(problem, holder, node))
  const bare = solution.placed.map((placed) => planVm(problem, solution, placed, holder, shared))
  const price = costOf(host, request, bare)
  const cost = totalOf(price.terms)
  const placed = new Set(bare.map(({ name }) => name))
  const refused = request.vms.filter(({ name }) => !placed.has(name))
  const plan: Plan = {
    schemaVersion: 1,
    kind: 'Plan',
    status: bare.length === 0 ? 'infeasible' : refused.length > 0 ? 'partial' : 'optimal',
    cost: { ...lostVcpus(price.terms), lowerBound: cost / MICRO, gap: 0 },
    vms: bare.map((vm) => ({ ...vm, cost: lostVcpus(price.vms.get(vm.name)!) })),
    refused: refused.map(({ name }) => ({
      name,
      proven: true,
      because: [{ constraint: 'exact', text: 'no plan of so much weight places it' }],
      nearest: [],
    })),
    ...(request.vms.some(({ current }) => current !== null) ? { moves: [] } : {}),
    solver: { planner: 'exact', seed: 0, steps: 0 },
  }
  return { plan, cost }
}

function lostVcpus(terms: MicroTerms) {
  const shares = Object.fromEntries(Object.entries(terms).map(([term, micro]) => [term, micro / MICRO]))
  return { lostVcpus: totalOf(terms) / MICRO, terms: shares as unknown as Plan['cost']['terms'] }
}

function planVm(
  problem: Problem,
  solution: Solution,
  { layout, memory, seats }: Placed,
  holder: readonly number[],
  shared: readonly (readonly number[])[],
): PlanVm {
  const { vm, nodeOf, cellOf } = layout
  const { cpus, nodeIds, sizes } = problem
  const listOf = (some: readonly number[]) => formatCpulist(some.map((cpu) => cpus[cpu]!.id).sort((a, b) => a - b))
  const housekeeping = listOf(housekeepingCpus(problem, solution, { layout, memory, seats }, holder, shared))
  return {
    name: vm.request.name,
    cost: { lostVcpus: 0, terms: {} },
    cells: memory.cells.map(({ size, pages }, cell) => ({
      cell,
      pageSize: sizes[size]!,
      memory: pages.flatMap((count, node) =>
        count > 0 ? [{ node: nodeIds[node]!, bytes: count * sizes[size]! }] : [],
      ),
    })),
    vcpus: nodeOf.map((node, vcpu) => {
      const dedicated = vm.dedicated[vcpu]!
      const own = dedicated ? [seats.cpuOf[vcpu]!] : shared[node]!
      return { vcpu, cell: cellOf[vcpu]!, node: nodeIds[node]!, cpus: listOf(own), dedicated }
    }),
    emulator: vm.threads > 0 ? listOf([seats.threads[0]!]) : housekeeping,
    iothreads: Array.from({ length: vm.request.iothreads }, (_, at) =>
      vm.threads > 0 ? listOf([seats.threads[1 + at]!]) : housekeeping,
    ),
  }
}

/** The first of the sets of docs/model.md, `emulator`, that is not empty. */
function housekeepingCpus(
  problem: Problem,
  solution: Solution,
  { layout, seats }: Placed,
  holder: readonly number[],
  shared: readonly (readonly number[])[],
): number[] {
  const { cpus, request, host } = problem
  const { vm, nodes, nodeOf } = layout
  const reservedIds = new Set(reservedOf(host, request))
  const reserved = cpus.flatMap((cpu, at) => {
    const own = host.cpus.find(({ id }) => id === cpu.id)!
    return reservedIds.has(cpu.id) && own.allowed && !own.isolated ? [at] : []
  })
  const isDedicatedVcpu = (cpu: number) => solution.placed.some((other) => other.seats.cpuOf.includes(cpu))
  const floating = problem.nodeIds.map((_, node) => {
    return solution.placed.flatMap(({ layout: other }) => (other.sharedDemandOn[node]! > 0 ? [other.vm] : []))
  })
  const isNamed = ({ request: { trust } }: Vm) => trust !== null
  const mayRun = (cpu: number): boolean =>
    cpus.every((other, at) => {
      if (other.core !== cpus[cpu]!.core || !other.usable) return true
      if (holder[at] !== FREE) {
        const theirs = solution.placed[holder[at]!]!.layout.vm
        if (theirs.domain !== vm.domain) return false
        if (!isDedicatedVcpu(at)) return true
        const { threadPolicy } = theirs.request
        return threadPolicy !== 'isolate' && (threadPolicy !== 'require' || theirs === vm)
      }
      if (!shared[other.node]!.includes(at)) return true
      return floating[other.node]!.every((peer) => peer.domain === vm.domain || !(isNamed(peer) || isNamed(vm)))
    })
  const sets = [
    reserved.filter((cpu) => nodes.includes(cpus[cpu]!.node)),
    reserved,
    nodes.flatMap((node) => shared[node]!),
  ].map((set) => set.filter(mayRun))
  const own = nodeOf.flatMap((node, vcpu) => (vm.dedicated[vcpu] ? [seats.cpuOf[vcpu]!] : shared[node]!))
  return [...new Set(sets.find((set) => set.length > 0) ?? own)]
}
