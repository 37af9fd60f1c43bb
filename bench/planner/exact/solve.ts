/**
 * The exact optimum of a placement problem: the very model of docs/model.md (most weight placed, then least cost) as a
 * mixed-integer program, solved by HiGHS.
 *
 * A column is a complete placement of one VM up to symmetry (columns.ts); rows are the cores of each class, the pages of
 * each node, relations and shared CPUs (milp.ts). Covered: dedicated and shared vCPUs, every thread policy, all kinds
 * of `cells`, page sizes, devices, weights, `memoryBound`, `separateFrom`, `near`, distances, LLCs, SMT of up to two
 * threads, hybrid capacities, nodes without memory or CPUs, reserves. What is not: `whyNotCovered` in classes.ts.
 */

import type { Host, Plan, Request, RequestVm } from '../../../src/types.js'
import { MICRO } from '../../../src/verify/micro.js'
import { planOf } from '../placement.js'
import { type ExactHost, exactHost, whyNotCovered } from './classes.js'
import { type Column, columnsOf, isRelated } from './columns.js'
import { choose, type Kind } from './milp.js'
import { realize } from './realize.js'
import { type Budget, TooLarge } from './seats.js'

export type Exact =
  | { readonly status: 'optimal'; readonly plan: Plan; readonly columns: number }
  | { readonly status: 'not-covered' | 'too-large' | 'no-time'; readonly why: string }

export interface ExactOptions {
  /** For all of it. */
  readonly seconds: number
  /** A valid plan. Where it places everything, what is dearer than it need not be looked at. */
  readonly known?: Plan
}

export function solveExactly(host: Host, request: Request, { seconds, known }: ExactOptions): Exact {
  const why = whyNotCovered(host, request)
  if (why !== undefined) return { status: 'not-covered', why }
  const end = performance.now() + seconds * 1000
  const problem = exactHost(host, request)
  const allFit = known !== undefined && known.refused.length === 0
  try {
    const ceiling = allFit ? Math.round(known.cost.lostVcpus * MICRO) : Number.POSITIVE_INFINITY
    const kinds = kindsOf(problem, request, ceiling, { end })
    const choice = choose(problem, request, kinds, allFit, (end - performance.now()) / 1000)
    if (choice === undefined) return { status: 'no-time', why: `HiGHS had ${seconds} s` }
    const chosen = choice.flatMap((columns, kind) =>
      columns.map((column, at) => ({ vm: kinds[kind]!.vms[at]!, column })),
    )
    const plan = planOf(host, request, realize(problem, chosen), { name: 'highs', exact: true })
    return { status: 'optimal', plan, columns: kinds.reduce((sum, { columns }) => sum + columns.length, 0) }
  } catch (error) {
    if (error instanceof TooLarge) return { status: 'too-large', why: error.message }
    throw error
  }
}

/** VMs that differ in nothing but their name, and that nobody relates to. */
function alike(request: Request): RequestVm[][] {
  const groups = new Map<string, RequestVm[]>()
  for (const vm of request.vms) {
    const key = isRelated(request, vm) ? vm.name : JSON.stringify({ ...vm, name: '', trust: '' })
    groups.set(key, [...(groups.get(key) ?? []), vm])
  }
  return [...groups.values()]
}

/** With the columns that leave room below the ceiling for the cheapest of every other VM; without a ceiling, all. */
function kindsOf(problem: ExactHost, request: Request, ceiling: number, budget: Budget): Kind[] {
  let slack = ceiling
  const kinds = alike(request).map((vms): Kind => {
    const columns = columnsOf(problem, request, vms[0]!, slack, budget)
    if (slack !== Number.POSITIVE_INFINITY) slack -= vms.length * cheapest(columns)
    return { vms, columns }
  })
  return kinds.map(({ vms, columns }) => {
    const most = cheapest(columns) + slack
    return { vms, columns: columns.filter(({ cost }) => cost <= most) }
  })
}

function cheapest(columns: readonly Column[]): number {
  return columns.reduce((least, { cost }) => Math.min(least, cost), Number.POSITIVE_INFINITY)
}
