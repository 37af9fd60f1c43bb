/** A plan with one vCPU on another CPU: what it costs then, and what forbids it. */

import { formatCpulist } from '../cpulist.js'
import type { Finding } from '../errors.js'
import { withVms } from '../request.js'
import { COST_TERMS, type CostTerms, type Host, type Plan, type PlanVm, type Request } from '../types.js'
import { costOf, totalOf } from '../verify/cost.js'
import { housekeeping } from '../verify/housekeeping.js'
import { machineOf } from '../verify/machine.js'
import { MICRO } from '../verify/micro.js'
import { occupancyOf } from '../verify/occupancy.js'
import { placedVms } from '../verify/placement.js'
import { checkPlan } from '../verify.js'

export interface Step {
  readonly vm: string
  readonly vcpu: number
  readonly cpu: number
}

export interface Moved {
  readonly plan: Plan
  /** Empty: it holds. */
  readonly findings: readonly Finding[]
}

/** What floats gives way: shared vCPUs and threads of VMMs get the CPUs that they have to have then. Nothing is said of moves. */
export function movedPlan(host: Host, given: Request, plan: Plan, step: Step): Moved {
  const request = withVms(
    given,
    given.vms.map((vm) => ({ ...vm, current: null })),
  )
  const to = host.cpus.find(({ id }) => id === step.cpu)
  const pinned = plan.vms.map((vm) =>
    vm.name !== step.vm
      ? vm
      : {
          ...vm,
          vcpus: vm.vcpus.map((vcpu) =>
            vcpu.vcpu !== step.vcpu
              ? vcpu
              : { ...vcpu, cpus: String(step.cpu), node: to?.node ?? vcpu.node, dedicated: true },
          ),
        },
  )
  const vms = priced(host, request, floated(host, request, pinned))
  const terms = { ...totals(vms.price.terms) }
  const lostVcpus = totalOf(vms.price.terms) / MICRO
  const lowerBound = Math.min(plan.cost.lowerBound, lostVcpus)
  const { moves: _, spare: __, ...rest } = plan
  const changed: Plan = {
    ...rest,
    status: plan.status === 'optimal' ? 'feasible' : plan.status,
    cost: { lostVcpus, lowerBound, gap: Math.round((lostVcpus - lowerBound) * MICRO) / MICRO, terms },
    vms: vms.vms,
  }
  return { plan: changed, findings: checkPlan(host, request, changed) }
}

function floated(host: Host, request: Request, vms: readonly PlanVm[]): PlanVm[] {
  const machine = machineOf(host, request)
  const before = occupancyOf(machine, placedVms(request, vms))
  const shared = vms.map((vm) => ({
    ...vm,
    vcpus: vm.vcpus.map((vcpu) => (vcpu.dedicated ? vcpu : { ...vcpu, cpus: before.shared(vcpu.node).cpulist })),
  }))
  const placed = placedVms(request, shared)
  const cpusOf = housekeeping(machine, occupancyOf(machine, placed))
  return shared.map((vm) => {
    const own = placed.find(({ name }) => name === vm.name)
    if (own === undefined || own.request.emulator === 'dedicated') return vm
    const list = formatCpulist(cpusOf(own))
    return { ...vm, emulator: list, iothreads: vm.iothreads.map(() => list) }
  })
}

function priced(host: Host, request: Request, vms: readonly PlanVm[]) {
  const price = costOf(host, request, vms)
  return {
    price,
    vms: vms.map((vm): PlanVm => {
      const micro = price.vms.get(vm.name)
      if (micro === undefined) return vm
      const kept = COST_TERMS.filter((term) => micro[term] !== 0).map((term) => [term, micro[term] / MICRO])
      return { ...vm, cost: { lostVcpus: totalOf(micro) / MICRO, terms: Object.fromEntries(kept) } }
    }),
  }
}

function totals(micro: CostTerms): CostTerms {
  return Object.fromEntries(COST_TERMS.map((term) => [term, micro[term] / MICRO])) as CostTerms
}
