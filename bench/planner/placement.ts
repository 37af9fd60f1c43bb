/**
 * Somebody's placement -> a Plan that the verifier can judge. What peers do not decide is filled in to their advantage:
 * the largest free pages, the CPUs of housekeeping threads, shared CPUs, and the price as the verifier computes it.
 */

import { formatCpulist } from '../../src/cpulist.js'
import {
  COST_TERMS,
  type CostTerm,
  type CostTerms,
  type CpuId,
  type Host,
  type NodeId,
  type Plan,
  type PlanVm,
  type Request,
} from '../../src/types.js'
import { type MicroTerms, priceOf, totalOf } from '../../src/verify/cost.js'
import { housekeeping } from '../../src/verify/housekeeping.js'
import { type Machine, machineOf } from '../../src/verify/machine.js'
import { MICRO } from '../../src/verify/micro.js'
import { occupancyOf } from '../../src/verify/occupancy.js'
import { placedVms } from '../../src/verify/placement.js'

/** One cell: where its vCPUs are (`cpu` null: shared) and the one node that has its memory. */
export interface PlacedCell {
  readonly vcpus: readonly { readonly vcpu: number; readonly node: NodeId; readonly cpu: CpuId | null }[]
  readonly memoryNode: NodeId
  readonly bytes: number
}

/** Where one VM is. VMs of a request that no placement names are refused. */
export interface Placement {
  readonly name: string
  readonly cells: readonly PlacedCell[]
}

/** Nothing of these plans is proven: the bound is 0, unless the solver says that its cost is the least. */
export function planOf(
  host: Host,
  request: Request,
  placements: readonly Placement[],
  solver: { readonly name: string; readonly exact?: boolean },
): Plan {
  const machine = machineOf(host, request)
  const bare = withoutThreads(request, placements, pageSizes(machine, request, placements))
  const seated = withThreads(machine, request, bare)
  const placed = placedVms(request, seated)
  const price = priceOf(machine, occupancyOf(machine, placed), request, placed)
  const cost = lost(price.terms)
  const lowerBound = solver.exact === true ? cost.lostVcpus : 0
  const names = new Set(placements.map(({ name }) => name))
  const refused = request.vms.filter(({ name }) => !names.has(name))
  const whole = cost.lostVcpus === lowerBound ? 'optimal' : 'feasible'
  return {
    schemaVersion: 1,
    kind: 'Plan',
    status: seated.length === 0 ? 'infeasible' : refused.length > 0 ? 'partial' : whole,
    cost: { ...cost, lowerBound, gap: (totalOf(price.terms) - Math.round(lowerBound * MICRO)) / MICRO },
    vms: seated.map((vm) => ({ ...vm, cost: lost(price.vms.get(vm.name)!) })),
    // Peers give no reasons.
    refused: refused.map(({ name }) => ({
      name,
      proven: false,
      because: [{ constraint: 'none given', text: solver.name }],
      nearest: [],
    })),
    solver: { planner: solver.name, seed: 0, steps: 0 },
  }
}

function lost(micro: MicroTerms): { lostVcpus: number; terms: CostTerms } {
  const terms = Object.fromEntries(COST_TERMS.map((term) => [term, micro[term] / MICRO])) as Record<CostTerm, number>
  return { lostVcpus: totalOf(micro) / MICRO, terms }
}

/** By VM and cell. Cells that ask for a size come first; `any` takes the largest that is left, else the base page. */
function pageSizes(machine: Machine, request: Request, placements: readonly Placement[]): Map<PlacedCell, number> {
  const asked = new Map(request.vms.map(({ name, pageSize }) => [name, pageSize]))
  const cells = placements.flatMap(({ name, cells }) =>
    cells.map((cell) => ({ cell, asked: asked.get(name) ?? 'any' })),
  )
  const taken = new Map<string, number>()
  const sizes = new Map<PlacedCell, number>()
  const largestFirst = [...machine.pageSizes].reverse()
  for (const { cell, asked } of [...cells].sort((a, b) => Number(a.asked === 'any') - Number(b.asked === 'any'))) {
    const { memoryNode, bytes } = cell
    const left = (size: number) => machine.freePages(memoryNode, size) - (taken.get(`${memoryNode}/${size}`) ?? 0)
    const free = largestFirst.find((size) => bytes % size === 0 && left(size) >= bytes / size)
    const size = asked === 'any' ? (free ?? machine.pageSizes[0]!) : asked
    taken.set(`${memoryNode}/${size}`, (taken.get(`${memoryNode}/${size}`) ?? 0) + Math.ceil(bytes / size))
    sizes.set(cell, size)
  }
  return sizes
}

/** In the order of the request. */
function withoutThreads(
  request: Request,
  placements: readonly Placement[],
  sizes: ReadonlyMap<PlacedCell, number>,
): PlanVm[] {
  const byName = new Map(placements.map((placement) => [placement.name, placement]))
  return request.vms.flatMap(({ name, emulator, iothreads }) => {
    const placement = byName.get(name)
    if (placement === undefined) return []
    if (emulator === 'dedicated') throw new Error(`${name}: no peer gives emulator threads CPUs of their own`)
    const vcpus = placement.cells.flatMap((placed, cell) =>
      placed.vcpus.map(({ vcpu, node, cpu }) => ({ vcpu, cell, node, cpus: `${cpu ?? ''}`, dedicated: cpu !== null })),
    )
    return [
      {
        name,
        cost: { lostVcpus: 0, terms: {} },
        cells: placement.cells.map((placed, cell) => ({
          cell,
          pageSize: sizes.get(placed)!,
          memory: [{ node: placed.memoryNode, bytes: placed.bytes }],
        })),
        vcpus: vcpus.sort((a, b) => a.vcpu - b.vcpu),
        emulator: '',
        iothreads: Array<string>(iothreads).fill(''),
      },
    ]
  })
}

/** The CPUs of shared vCPUs and of housekeeping threads (docs/model.md, `emulator`), which follow from the rest. */
function withThreads(machine: Machine, request: Request, bare: readonly PlanVm[]): PlanVm[] {
  const occupancy = occupancyOf(machine, placedVms(request, bare))
  const floating = bare.map((vm) => ({
    ...vm,
    vcpus: vm.vcpus.map((vcpu) => (vcpu.dedicated ? vcpu : { ...vcpu, cpus: occupancy.shared(vcpu.node).cpulist })),
  }))
  const cpusOf = housekeeping(machine, occupancy)
  return placedVms(request, floating).map((placed, at) => {
    const vm = floating[at]!
    const emulator = formatCpulist(cpusOf(placed))
    return { ...vm, emulator, iothreads: vm.iothreads.map(() => emulator) }
  })
}
