/** A solved problem -> the parts of its Plan. */

import {
  COST_TERMS,
  type CostTerm,
  type CostTerms,
  type PlanCell,
  type PlanVcpu,
  type PlanVm,
  type RequestVm,
} from '../types.js'
import { TERM } from './generated/abi.js'
import { householdOf, type Tenant } from './housekeeping.js'
import { constantName, type Problem, vcpuOrder } from './problem.js'

/** Costs are whole millionths inside of the planner. */
export const MICRO = 1_000_000

const NUMBERS: Readonly<Record<string, number>> = TERM
const TERM_NUMBERS = COST_TERMS.map((term) => [term, NUMBERS[constantName(term)] ?? -1] as const)

/** Where a VM's vCPUs are, before shared CPUs are known (they depend on every VM). */
interface Placement extends Tenant {
  readonly handle: number
  readonly cells: readonly PlanCell[]
  readonly vcpus: readonly (Tenant['vcpus'][number] & { readonly vcpu: number; readonly cell: number })[]
}

export function isPlaced({ wasm }: Problem, handle: number): boolean {
  return wasm.cellCount(handle) > 0
}

function readCell({ wasm, basePage }: Problem, handle: number, cell: number): PlanCell {
  const parts = Array.from({ length: wasm.cellMemoryCount(handle, cell) }, (_, part) => ({
    node: wasm.cellMemoryNodeId(handle, cell, part),
    bytes: wasm.cellMemoryPages(handle, cell, part) * basePage,
  }))
  return { cell, pageSize: 2 ** wasm.cellPageShift(handle, cell), memory: parts.sort((a, b) => a.node - b.node) }
}

function readPlacement(problem: Problem, vm: RequestVm, handle: number): Placement {
  const { wasm } = problem
  const order = vcpuOrder(vm)
  const cells: PlanCell[] = []
  const vcpus: Placement['vcpus'][number][] = []
  for (let cell = 0; cell < wasm.cellCount(handle); cell++) {
    cells.push(readCell(problem, handle, cell))
    for (let left = wasm.cellVcpuCount(handle, cell); left > 0; left--) {
      const index = vcpus.length
      const cpu = wasm.vcpuCpuId(handle, index)
      vcpus.push({ vcpu: order[index] ?? index, cell, node: wasm.vcpuNodeId(handle, index), cpu: cpu < 0 ? null : cpu })
    }
  }
  vcpus.sort((a, b) => a.vcpu - b.vcpu)
  const threads = vm.emulator === 'dedicated' ? 1 + vm.iothreads : 0
  return { vm, handle, cells, vcpus, threads: Array.from({ length: threads }, (_, at) => wasm.threadCpuId(handle, at)) }
}

function readCost({ wasm }: Problem, handle: number): PlanVm['cost'] {
  const terms: Partial<Record<CostTerm, number>> = {}
  for (const [term, number] of TERM_NUMBERS) {
    const micro = wasm.vmTerm(handle, number)
    if (micro !== 0) terms[term] = micro / MICRO
  }
  return { lostVcpus: wasm.vmLost(handle) / MICRO, terms }
}

/** The placed VMs, in the order of the request. */
export function readVms(problem: Problem): PlanVm[] {
  const placements = problem.request.vms.flatMap((vm, at) => {
    const handle = problem.handles[at] ?? -1
    return isPlaced(problem, handle) ? [readPlacement(problem, vm, handle)] : []
  })
  const household = householdOf(problem.cpus, placements)
  return placements.map((placement) => {
    const { vm, handle, cells, vcpus, threads } = placement
    const housekeeping = vm.emulator === 'dedicated' ? '' : household.housekeeping(placement)
    const cpusOfThread = (thread: number) => `${threads[thread] ?? housekeeping}`
    return {
      name: vm.name,
      cost: readCost(problem, handle),
      cells,
      vcpus: vcpus.map(({ vcpu, cell, node, cpu }): PlanVcpu => {
        const cpus = cpu === null ? household.shared(node) : `${cpu}`
        return { vcpu, cell, node, cpus, dedicated: cpu !== null }
      }),
      emulator: cpusOfThread(0),
      iothreads: Array.from({ length: vm.iothreads }, (_, at) => cpusOfThread(1 + at)),
    }
  })
}

/** Lost vCPUs of the whole plan, by cause. */
export function readTotals(
  { wasm }: Problem,
  vms: readonly PlanVm[],
): { lostVcpus: number; lowerBound: number; gap: number; terms: CostTerms } {
  const micro = Object.fromEntries(COST_TERMS.map((term) => [term, 0])) as Record<CostTerm, number>
  // Sums of whole millionths: divided once, at the end.
  for (const { cost } of vms) for (const term of COST_TERMS) micro[term] += Math.round((cost.terms[term] ?? 0) * MICRO)
  micro.overcommit += wasm.planOvercommit()
  micro.bandwidth += wasm.planBandwidth()
  const cost = wasm.planCost()
  const bound = wasm.planBound()
  const terms = Object.fromEntries(COST_TERMS.map((term) => [term, micro[term] / MICRO])) as Record<CostTerm, number>
  return { lostVcpus: cost / MICRO, lowerBound: bound / MICRO, gap: (cost - bound) / MICRO, terms }
}
