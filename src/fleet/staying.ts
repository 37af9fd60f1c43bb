/** Plans in which VMs that have a place stay there, or can get to where they are planned. */

import { parseCpulist } from '../cpulist.js'
import type { Planner, PlanOptions } from '../planner/planner.js'
import type { KeptVm } from '../planner/problem.js'
import { COST_TERMS, type CostTerms, type Host, type Plan, type Request, type RequestVm } from '../types.js'
import { costOf, type MicroTerms, totalOf } from '../verify/cost.js'

const MICRO = 1_000_000
/**
 * The price of moves is not weighted, so with lighter VMs they cost more by comparison: a re-pinned vCPU, 0.001 lost vCPUs, as much as a
 * whole vCPU that is lost. Lighter by more, and the whole millionths of other costs would be too coarse to tell places apart.
 */
const LIGHTER = 1000

/**
 * A plan with the VMs that have `current` where they are, where the planner finds one: else its plan has moves.
 * Its cost is that of the request, whatever it was planned with.
 */
export function planStaying(planner: Planner, host: Host, request: Request, options: PlanOptions): Plan {
  const plan = planner.plan(host, request, options)
  if (!hasMoves(plan)) return plan
  const light = planner.plan(host, { ...request, vms: request.vms.map(lighter) }, options)
  if (!hasMoves(light)) return priced(host, request, light)
  // What a node loses (overcommit, bandwidth) has no weight: only rules keep a VM from where there is less of it.
  const kept = planner.plan(host, { ...request, vms: request.vms.map(keptOn(host)) }, options)
  return hasMoves(kept) || kept.refused.length > 0 ? light : priced(host, request, kept)
}

/** The VM as one that rather loses something than moves, and keeps off nodes where nothing of it is. */
export function keptOn({ nodes, cpus }: Host): (vm: RequestVm) => KeptVm {
  const nodeOf = new Map(cpus.map(({ id, node }) => [id, node]))
  return (vm) => {
    if (vm.current === null) return lighter(vm)
    const on = new Set([
      ...vm.current.cells.flatMap(({ memory }) => memory.map(({ node }) => node)),
      ...vm.current.vcpus.flatMap((one) => parseCpulist(one.cpus, { allowEmpty: true }).map((cpu) => nodeOf.get(cpu))),
    ])
    return { ...lighter(vm), avoidNodes: nodes.map(({ id }) => id).filter((id) => !on.has(id)) }
  }
}

/** The VM as one that rather loses something than moves. */
export function lighter(vm: RequestVm): RequestVm {
  return { ...vm, weight: vm.weight / LIGHTER }
}

/** A plan whose moves have an order, where one is found: else it has `spare`. */
export function planMoving(planner: Planner, host: Host, request: Request, options: PlanOptions): Plan {
  const plan = planner.plan(host, request, options)
  if (plan.spare === undefined) return plan
  const staying = planStaying(planner, host, request, options)
  return hasMoves(staying) ? plan : staying
}

/** Whether somebody would have to move, be there an order for it or not: with `spare` the moves that are missing are not in `moves`. */
export function hasMoves({ moves = [], spare }: Pick<Plan, 'moves' | 'spare'>): boolean {
  return moves.length > 0 || spare !== undefined
}

/** The same places at the prices of the request. Nothing is known of how much less could be lost. */
export function priced(host: Host, request: Request, plan: Plan): Plan {
  const price = costOf(host, request, plan.vms)
  const lostVcpus = totalOf(price.terms) / MICRO
  return {
    ...plan,
    status: plan.status === 'optimal' && lostVcpus > 0 ? 'feasible' : plan.status,
    cost: { lostVcpus, lowerBound: 0, gap: lostVcpus, terms: inVcpus(price.terms) as CostTerms },
    vms: plan.vms.map((vm) => {
      const terms = price.vms.get(vm.name)!
      const lost = Object.entries(inVcpus(terms)).filter(([, value]) => value !== 0)
      return { ...vm, cost: { lostVcpus: totalOf(terms) / MICRO, terms: Object.fromEntries(lost) } }
    }),
  }
}

function inVcpus(terms: MicroTerms): Readonly<Record<string, number>> {
  return Object.fromEntries(COST_TERMS.map((term) => [term, terms[term] / MICRO]))
}
