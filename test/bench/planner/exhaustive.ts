/** The optimum by trying everything and asking the verifier: slow, and hard to get wrong. */

import { cellCounts, cellShares } from '../../../bench/planner/cells.js'
import { type PlacedCell, type Placement, planOf } from '../../../bench/planner/placement.js'
import type { Host, Plan, Request, RequestVm } from '../../../src/types.js'
import { machineOf } from '../../../src/verify/machine.js'
import { checkPlan } from '../../../src/verify.js'

/** Every set of `count` things. */
function* sets(free: readonly number[], count: number): Generator<number[]> {
  if (count === 0) yield []
  for (const [at, first] of count === 0 ? [] : free.entries()) {
    for (const rest of sets(free.slice(at + 1), count - 1)) yield [first, ...rest]
  }
}

/** The best plan: the most weight, then the least cost. */
export function bestPlan(host: Host, request: Request): Plan {
  const machine = machineOf(host, request)
  const usable = [...machine.cpus.values()].filter((cpu) => cpu.usable).map(({ id }) => id)
  const nodeOf = (cpu: number) => machine.cpus.get(cpu)!.node
  let best = planOf(host, request, [], { name: 'exhaustive' })
  let bestWeight = 0

  const seat = (
    vm: RequestVm,
    cell: Omit<PlacedCell, 'memoryNode' | 'vcpus'>,
    vcpus: PlacedCell['vcpus'],
  ): PlacedCell => ({
    bytes: cell.bytes,
    vcpus,
    memoryNode: machine.memoryNodes(vm, vcpus[0]!.node)[0]!,
  })

  /** Every way to seat a VM's cells; vCPUs of a cell are alike. */
  function* seated(vm: RequestVm, count: number, free: readonly number[], at = 0): Generator<PlacedCell[]> {
    const cell = cellShares(vm, count, machine.pageSizes[0]!)[at]
    if (cell === undefined) {
      yield []
      return
    }
    if (vm.cpuPolicy === 'shared') {
      for (const node of new Set(usable.map(nodeOf))) {
        const own = seat(
          vm,
          cell,
          cell.vcpus.map((vcpu) => ({ vcpu, node, cpu: null })),
        )
        for (const rest of seated(vm, count, free, at + 1)) yield [own, ...rest]
      }
      return
    }
    for (const cpus of sets(free, cell.vcpus.length)) {
      if (new Set(cpus.map(nodeOf)).size > 1) continue
      const own = seat(
        vm,
        cell,
        cell.vcpus.map((vcpu, index) => ({ vcpu, node: nodeOf(cpus[index]!), cpu: cpus[index]! })),
      )
      const left = free.filter((cpu) => !cpus.includes(cpu))
      for (const rest of seated(vm, count, left, at + 1)) yield [own, ...rest]
    }
  }

  const descend = (at: number, free: readonly number[], placements: readonly Placement[]): void => {
    const vm = request.vms[at]
    if (vm === undefined) {
      const weight = placements.reduce((sum, { name }) => sum + request.vms.find((own) => own.name === name)!.weight, 0)
      if (weight < bestWeight || weight === 0) return
      const plan = planOf(host, request, placements, { name: 'exhaustive' })
      if (weight === bestWeight && plan.cost.lostVcpus >= best.cost.lostVcpus) return
      if (checkPlan(host, request, plan).length > 0) return
      best = plan
      bestWeight = weight
      return
    }
    descend(at + 1, free, placements)
    for (const count of cellCounts(vm)) {
      if (count > vm.vcpus) continue
      for (const cells of seated(vm, count, free)) {
        const taken = cells.flatMap(({ vcpus }) => vcpus.map(({ cpu }) => cpu))
        const left = free.filter((cpu) => !taken.includes(cpu))
        descend(at + 1, left, [...placements, { name: vm.name, cells }])
      }
    }
  }
  descend(0, usable, [])
  return best
}
