/** A part of a plan for VMs that are there: some go to their places, all others stay where they are. */

import type { Host, Plan, PlanVm, Request, RequestVm } from '../types.js'
import { orderMoves } from './moves.js'
import { floatAnew } from './target.js'

/** Places and moves of some VMs, for `verifyPart`. */
export type PlanPart = Pick<Plan, 'vms' | 'moves' | 'spare' | 'solver'>

/**
 * VMs of a plan at their places, as they are where all others stay: CPUs of shared vCPUs and of housekeeping threads follow from who is beside them.
 * @param names of VMs that are in `plan` and have `current`; of others nothing is taken
 */
export function placesOf(
  host: Host,
  request: Request,
  plan: Pick<Plan, 'vms'>,
  names: ReadonlySet<string>,
): readonly PlanVm[] {
  const { isMeant, there } = together(request, plan, names)
  return floatAnew(host, request, there).filter(isMeant)
}

/** The same with the moves, as far as they go: with `spare` where that is not all the way. */
export function partOf(
  host: Host,
  request: Request,
  plan: Pick<Plan, 'vms' | 'solver'>,
  names: ReadonlySet<string>,
): PlanPart {
  const { there } = together(request, plan, names)
  const { solver } = plan
  return { vms: placesOf(host, request, plan, names), ...orderMoves(host, request, { vms: there }), solver }
}

function together(request: Request, plan: Pick<Plan, 'vms'>, names: ReadonlySet<string>) {
  const planned = new Map(plan.vms.map((vm) => [vm.name, vm]))
  const isMeant = ({ name }: Pick<PlanVm, 'name'>) => names.has(name) && planned.has(name)
  const there = request.vms.flatMap((vm) => {
    if (vm.current === null) return []
    return isMeant(vm) ? [planned.get(vm.name)!] : [asItIs(vm)]
  })
  return { isMeant, there }
}

/** Nobody knows where its VMM's own threads are. */
function asItIs({ name, current }: RequestVm): PlanVm {
  return { name, cost: { lostVcpus: 0, terms: {} }, ...current!, emulator: '', iothreads: [] }
}
