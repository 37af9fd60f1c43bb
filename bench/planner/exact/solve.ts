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
import { type ExactHost, exactHost, whyNotCovered, withoutCaches } from './classes.js'
import { columnsOf, frugal, isRelated } from './columns.js'
import { type Kind, leastCost, mostWeight } from './milp.js'
import { realize } from './realize.js'
import { type Budget, TooLarge } from './seats.js'

export type Exact =
  | { readonly status: 'optimal'; readonly plan: Plan; readonly columns: number }
  | { readonly status: 'not-covered' | 'too-large' | 'no-time'; readonly why: string }

export interface ExactOptions {
  /** For all of it. */
  readonly seconds: number
  /** A valid plan. Where no more can be placed than it places, what is dearer need not be looked at. */
  readonly known?: Plan
}

export function solveExactly(host: Host, request: Request, { seconds, known }: ExactOptions): Exact {
  const why = whyNotCovered(host, request)
  if (why !== undefined) return { status: 'not-covered', why }
  const end = performance.now() + seconds * 1000
  const secondsLeft = () => (end - performance.now()) / 1000
  const noTime = { status: 'no-time', why: `HiGHS had ${seconds} s` } as const
  const problem = exactHost(host, request)
  const knownWeight = known === undefined ? 0 : weightOf(request, known)
  try {
    const weight = knownWeight === weightOf(request) ? knownWeight : weightThatFits(problem, request, knownWeight, end)
    if (weight === undefined) return noTime
    const isKnown = known !== undefined && Math.abs(weight - knownWeight) < 1e-6
    const ceiling = isKnown ? Math.round(known.cost.lostVcpus * MICRO) : Number.POSITIVE_INFINITY
    const kinds = kindsOf(problem, request, ceiling, weight === weightOf(request), { end })
    const choice = leastCost(problem, request, kinds, weight, secondsLeft())
    if (choice === undefined) return noTime
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

/** Of all VMs, or of those that a plan places. */
function weightOf({ vms }: Request, plan?: Plan): number {
  const placed = new Set((plan?.vms ?? vms).map(({ name }) => name))
  return vms.reduce((sum, vm) => sum + (placed.has(vm.name) ? vm.weight : 0), 0)
}

function weightThatFits(host: ExactHost, request: Request, known: number, end: number): number | undefined {
  const problem = withoutCaches(host)
  const kinds = alike(request).map((vms): Kind => {
    const columns = columnsOf(problem, request, vms[0]!, Number.POSITIVE_INFINITY, { end })
    return { vms, columns: isRelated(request, vms[0]!) ? columns : frugal(columns, { end }) }
  })
  return mostWeight(problem, request, kinds, known, (end - performance.now()) / 1000)
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

/**
 * The columns that can be part of a plan that costs no more than `ceiling`. Where every VM is placed, none can
 * take what the cheapest placements of the others need.
 */
function kindsOf(problem: ExactHost, request: Request, ceiling: number, allPlaced: boolean, budget: Budget): Kind[] {
  const groups = alike(request)
  const enumerate = (most: (vm: RequestVm) => number) =>
    groups.map((vms): Kind => ({ vms, columns: columnsOf(problem, request, vms[0]!, most(vms[0]!), budget) }))
  if (!allPlaced || ceiling === Number.POSITIVE_INFINITY) return enumerate(() => ceiling)
  const least = new Map(groups.map(([vm]) => [vm!, cheapest(problem, request, vm!, ceiling, budget)]))
  const slack = groups.reduce((left, vms) => left - vms.length * least.get(vms[0]!)!, ceiling)
  return enumerate((vm) => least.get(vm)! + slack)
}

/** What a VM costs at least: with a low ceiling little has to be enumerated, so it is raised step by step. */
function cheapest(problem: ExactHost, request: Request, vm: RequestVm, ceiling: number, budget: Budget): number {
  for (const share of [0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]) {
    const columns = columnsOf(problem, request, vm, ceiling * share, budget)
    if (columns.length > 0) return columns.reduce((least, { cost }) => Math.min(least, cost), Number.POSITIVE_INFINITY)
  }
  throw new Error(`${vm.name} has no placement of the known plan's cost`)
}
