/** The planner's plan of a tiny instance against the exact solution: what is wrong with it, if anything. */

import type { Planner } from '../../../src/planner/planner.js'
import { parseRequest } from '../../../src/request.js'
import type { Plan } from '../../../src/types.js'
import { checkPlan } from '../../../src/verify.js'
import { planOf } from './plan.js'
import { MICRO, type Problem, problemOf, rounded } from './problem.js'
import type { Instance } from './random.js'
import { type Solution, solve, TooLarge } from './solve.js'

/** Kinds of fault, of the planner (the first five), and of what this comparison rests on. */
export type Fault =
  | 'wrong-bound'
  | 'false-optimal'
  | 'false-refusal'
  | 'bad-plan'
  | 'failure'
  | 'solver-misses'
  | 'solver-and-verifier'

export interface Comparison {
  readonly faults: readonly { readonly fault: Fault; readonly text: string }[]
  /** The instance took the solver too long: nothing is known. */
  readonly tooLarge?: true
  /** Fewer are placed than could be, and that is not said to be proven. */
  readonly unproven?: true
  readonly isOptimal?: boolean
  readonly isPartial?: boolean
  /** As much is placed as there is room for, yet a refusal does not say so. */
  readonly isUnsure?: boolean
  /** The bound meets the optimum, the plan does. */
  readonly isTight?: boolean
  readonly isCheapest?: boolean
}

/** How the moves of a re-plan are ordered is not the matter here. */
const ASIDE = new Set(['moves', 'spare'])

function findingsOf({ host, request }: Instance, plan: Plan): string[] {
  return checkPlan(host, request, plan).flatMap(({ constraint, text }) =>
    ASIDE.has(constraint) ? [] : [`${constraint}: ${text}`],
  )
}

export function compare(planner: Planner, instance: Instance, steps?: number): Comparison {
  const { host } = instance
  const request = parseRequest(instance.request)
  let plan: Plan
  try {
    plan = planner.plan(host, request, steps === undefined ? {} : { steps })
  } catch (error) {
    return { faults: [{ fault: 'failure', text: `${error}` }] }
  }
  const bad = findingsOf(instance, plan)
  if (bad.length > 0) return { faults: [{ fault: 'bad-plan', text: bad.join('; ') }] }
  const problem = problemOf(host, request)
  const placed = new Set(plan.vms.map(({ name }) => name))
  const weight = problem.vms.reduce((sum, vm) => sum + (placed.has(vm.request.name) ? vm.weight : 0), 0)
  const cost = rounded(plan.cost.lostVcpus * MICRO)
  try {
    const best = solve(problem, { weight, cost })
    if (best === undefined)
      return { faults: [{ fault: 'solver-misses', text: `the plan of weight ${weight} at ${cost}` }] }
    const exact = planOf(problem, best)
    const odd = findingsOf(instance, exact.plan)
    if (exact.cost !== best.cost) odd.push(`the solver has a cost of ${best.cost}, the verifier of ${exact.cost}`)
    if (odd.length > 0) return { faults: [{ fault: 'solver-and-verifier', text: odd.join('; ') }] }
    return best.weight > weight ? judgeWeight(problem, plan, weight, best) : judgeCost(plan, cost, best)
  } catch (error) {
    if (error instanceof TooLarge) return { faults: [], tooLarge: true }
    throw error
  }
}

function namesOf({ placed }: Solution): string {
  return placed.map(({ layout }) => layout.vm.request.name).join()
}

/** Of a plan that places less weight than it could: no VM that more could be placed with is said to be refused for good. */
function judgeWeight(problem: Problem, plan: Plan, weight: number, best: Solution): Comparison {
  const proven = new Set(plan.refused.flatMap((refusal) => (refusal.proven ? [refusal.name] : [])))
  const faults = problem.vms.flatMap((vm) => {
    if (!proven.has(vm.request.name)) return []
    const found = solve(problem, { weight: weight + 1, cost: Number.POSITIVE_INFINITY }, vm)
    if (found === undefined) return []
    const text = `${vm.request.name} is refused for good beside a weight of ${weight}, ${found.weight} is possible (${namesOf(found)})`
    return [{ fault: 'false-refusal' as const, text }]
  })
  const isClaimed = problem.vms.every(
    ({ request: { name } }) => proven.has(name) || plan.vms.some((vm) => vm.name === name),
  )
  if (isClaimed && faults.length === 0) {
    faults.push({ fault: 'false-refusal', text: `all refusals are for good, yet ${namesOf(best)} fit` })
  }
  return { faults, unproven: true, isPartial: true }
}

function judgeCost(plan: Plan, cost: number, best: Solution): Comparison {
  const faults: { fault: Fault; text: string }[] = []
  const isOptimal = plan.status === 'optimal'
  const bound = rounded(plan.cost.lowerBound * MICRO)
  if (bound > best.cost) {
    faults.push({ fault: 'wrong-bound', text: `a bound of ${bound}, ${best.cost} is possible (${namesOf(best)})` })
  }
  if (isOptimal && cost > best.cost) {
    faults.push({ fault: 'false-optimal', text: `optimal at ${cost}, ${best.cost} is possible` })
  }
  const isPartial = plan.refused.length > 0
  const isUnsure = plan.refused.some(({ proven }) => !proven)
  return { faults, isOptimal, isPartial, isUnsure, isTight: bound === best.cost, isCheapest: cost === best.cost }
}
