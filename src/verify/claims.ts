/** What a plan says of itself, its cost and its status, against what it is. */

import type { Finding } from '../errors.js'
import { COST_TERMS, type CostTerms, type Plan } from '../types.js'
import { type MicroTerms, type Price, totalOf } from './cost.js'
import { MICRO } from './micro.js'

/** Lost vCPUs; far below a millionth, far above the error of a double. */
const TOLERANCE = 1e-9

export function checkCost(plan: Plan, price: Price): Finding[] {
  const { cost } = plan
  const findings = checkTerms(cost, price.terms)
  for (const vm of plan.vms) {
    const terms = price.vms.get(vm.name)
    if (terms !== undefined) findings.push(...checkTerms(vm.cost, terms, vm.name))
  }
  const total = totalOf(price.terms)
  const bound = microOf(cost.lowerBound)
  if (bound === undefined || bound > total) {
    findings.push(
      finding(`the lower bound is ${cost.lowerBound}, not a number of millionths up to the cost of ${show(total)}`),
    )
  } else if (microOf(cost.gap) !== total - bound) {
    findings.push(finding(`the gap is ${cost.gap}, the cost less the lower bound is ${show(total - bound)}`))
  }
  return findings
}

function checkTerms(
  claim: { readonly lostVcpus: number; readonly terms: Partial<CostTerms> },
  terms: MicroTerms,
  vm?: string,
): Finding[] {
  const claims: [string, number, number][] = COST_TERMS.map((term) => [term, claim.terms[term] ?? 0, terms[term]])
  claims.push(['lostVcpus', claim.lostVcpus, totalOf(terms)])
  return claims.flatMap(([what, said, is]) => {
    if (microOf(said) === is) return []
    return [finding(`${vm ?? 'the plan'}: ${what} is said to be ${said}, it is ${show(is)}`, vm)]
  })
}

/** Micro-vCPUs of a number of lost vCPUs; `undefined` if they are not whole. */
function microOf(lostVcpus: number): number | undefined {
  const micro = Math.round(lostVcpus * MICRO)
  return Math.abs(lostVcpus - micro / MICRO) <= TOLERANCE ? micro : undefined
}

function show(micro: number): string {
  return `${micro / MICRO}`
}

function finding(text: string, vm?: string): Finding {
  return { constraint: 'cost', ...(vm === undefined ? {} : { vm }), text }
}

/**
 * `infeasible`: some refused, none placed; `partial`: some refused; else `optimal` or `feasible`. That a search was exhaustive cannot
 * be seen in a plan, so `optimal` is believed; `feasible` with no gap is not: that is optimal.
 */
export function checkStatus(plan: Plan): Finding[] {
  const some = plan.vms.length === 0 ? ['infeasible'] : ['partial']
  const expected = plan.refused.length > 0 ? some : ['optimal', 'feasible']
  const text = `the status is ${plan.status}, with ${plan.vms.length} VMs placed, ${plan.refused.length} refused`
  if (!expected.includes(plan.status)) return [{ constraint: 'status', text }]
  if (plan.status !== 'feasible' || microOf(plan.cost.gap) !== 0) return []
  return [{ constraint: 'status', text: `${text} and a gap of 0: that is optimal` }]
}
