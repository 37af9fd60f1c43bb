/** What a solver's plan is worth: the verifier's findings, the weight placed, the price. */

import type { Host, Plan, Request } from '../../src/types.js'
import { MICRO } from '../../src/verify/micro.js'
import { checkPlan } from '../../src/verify.js'

export interface Outcome {
  /** The verifier has nothing against it. */
  readonly valid: boolean
  /** All that it has against it is that VMs share a core which do not trust each other. */
  readonly onlyTrust: boolean
  /** Names of the VMs placed, in a valid plan. */
  readonly placed: ReadonlySet<string>
  readonly weight: number
  /** Micro-vCPUs. */
  readonly cost: number
  readonly bound: number
  readonly optimal: boolean
  readonly milliseconds: number
}

export function judge(host: Host, request: Request, plan: Plan, milliseconds: number): Outcome {
  const findings = checkPlan(host, request, plan)
  const valid = findings.length === 0
  const placed = new Set(valid ? plan.vms.map(({ name }) => name) : [])
  return {
    valid,
    onlyTrust: !valid && findings.every(({ constraint }) => constraint === 'trust'),
    placed,
    weight: request.vms.reduce((sum, vm) => sum + (placed.has(vm.name) ? vm.weight : 0), 0),
    cost: Math.round(plan.cost.lostVcpus * MICRO),
    bound: Math.round(plan.cost.lowerBound * MICRO),
    optimal: plan.status === 'optimal',
    milliseconds,
  }
}

/** Whether the costs of two outcomes are costs of the same thing. */
export function samePlaced(a: Outcome, b: Outcome): boolean {
  return a.placed.size === b.placed.size && [...a.placed].every((name) => b.placed.has(name))
}

/** Whether `a` is worse than `b`: less weight placed, or as much at a higher cost. */
export function isWorse(a: Outcome, b: Outcome): boolean {
  if (!b.valid) return false
  return !a.valid || a.weight < b.weight || (a.weight === b.weight && a.cost > b.cost)
}
