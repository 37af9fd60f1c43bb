/** A solved problem -> the parts of its Plan. */

import { formatCpulist } from '../cpulist.js'
import {
  COST_TERMS,
  type CostTerm,
  type CostTerms,
  type NodeId,
  type PlanCell,
  type PlanVcpu,
  type PlanVm,
  type RequestVm,
} from '../types.js'
import { TERM } from './generated/abi.js'
import { isReserved, isUsable, type Problem, vcpuOrder } from './problem.js'

/** Costs are whole millionths inside of the planner. */
export const MICRO = 1_000_000

const TERM_NUMBERS: Partial<Record<CostTerm, number>> = {
  remoteMemory: TERM.REMOTE_MEMORY,
  communication: TERM.COMMUNICATION,
  smt: TERM.SMT,
  capacity: TERM.CAPACITY,
  device: TERM.DEVICE,
  migration: TERM.MIGRATION,
}

/** Where a VM's vCPUs are, before shared CPUs are known (they depend on every VM). */
interface Placement {
  readonly vm: RequestVm
  readonly handle: number
  readonly cells: readonly PlanCell[]
  /** `cpu`: null where shared. */
  readonly vcpus: readonly {
    readonly vcpu: number
    readonly cell: number
    readonly node: NodeId
    readonly cpu: number | null
  }[]
  /** CPUs of the emulator and the I/O threads, where they have their own. */
  readonly threads: readonly number[]
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

/** Usable CPUs by node, on cores that hold no dedicated vCPU, that no thread has for itself. */
function sharedCpusByNode({ host, request }: Problem, placements: readonly Placement[]): Map<NodeId, number[]> {
  const dedicated = new Set(placements.flatMap(({ vcpus }) => vcpus.map(({ cpu }) => cpu)))
  const busyCores = new Set(host.cpus.filter(({ id }) => dedicated.has(id)).map(({ core }) => core))
  const threads = new Set(placements.flatMap((placement) => placement.threads))
  const shared = new Map<NodeId, number[]>()
  for (const cpu of host.cpus) {
    if (cpu.node === null || busyCores.has(cpu.core) || threads.has(cpu.id) || !isUsable(cpu, request)) continue
    shared.set(cpu.node, [...(shared.get(cpu.node) ?? []), cpu.id])
  }
  return shared
}

/** The CPUs of the VMM's own threads (docs/model.md, `emulator`). */
function housekeepingCpus(
  { host, request }: Problem,
  shared: ReadonlyMap<NodeId, readonly number[]>,
  vcpus: Placement['vcpus'],
): string {
  const nodes = new Set(vcpus.map(({ node }) => node))
  const reserved = host.cpus.filter((cpu) => cpu.online && cpu.allowed && isReserved(cpu, request))
  const near = reserved.filter(({ node }) => node !== null && nodes.has(node))
  const candidates = [
    near.map(({ id }) => id),
    reserved.map(({ id }) => id),
    [...nodes].flatMap((node) => shared.get(node) ?? []),
    vcpus.flatMap(({ cpu }) => (cpu === null ? [] : [cpu])),
  ]
  return formatCpulist(candidates.find((cpus) => cpus.length > 0) ?? [])
}

function readCost({ wasm }: Problem, handle: number): PlanVm['cost'] {
  const terms: Partial<Record<CostTerm, number>> = {}
  for (const term of COST_TERMS) {
    const number = TERM_NUMBERS[term]
    const micro = number === undefined ? 0 : wasm.vmTerm(handle, number)
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
  const shared = sharedCpusByNode(problem, placements)
  const sharedLists = new Map([...shared].map(([node, cpus]) => [node, formatCpulist(cpus)]))
  return placements.map(({ vm, handle, cells, vcpus, threads }) => {
    const housekeeping = housekeepingCpus(problem, shared, vcpus)
    const cpusOfThread = (thread: number) => `${threads[thread] ?? housekeeping}`
    return {
      name: vm.name,
      cost: readCost(problem, handle),
      cells,
      vcpus: vcpus.map(({ vcpu, cell, node, cpu }): PlanVcpu => {
        const cpus = cpu === null ? (sharedLists.get(node) ?? '') : `${cpu}`
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
