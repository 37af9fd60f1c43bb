/** How much of what is hard the planner proves, how near its bounds are, and what a second of search leaves: the rows of the targets. */

import { readFileSync } from 'node:fs'
import { instantiatePlanner, Planner, plannerBytes } from '../../../src/planner/index.js'
import { addVm, buildProblem } from '../../../src/planner/problem.js'
import type { Host, Request } from '../../../src/types.js'
import { MICRO } from '../../../src/verify/micro.js'
import { cpuMilliseconds, type Row, rounded } from '../../bench.js'
import { solveExactly } from '../exact/solve.js'
import { type Instance, mediumInstances, stallingInstances, tinyInstances } from './instances.js'
import { ruinsPerSecond } from './ruin.js'

/** Medium instances of each mix of sizes. */
export const PER_MIX = 8
const TINY = 60

/** Lost vCPUs by instance: what write-best.ts found. */
const BEST: Readonly<Record<string, number>> = JSON.parse(
  readFileSync(new URL('best-known.json', import.meta.url), 'utf8'),
)

export async function strengthRows({ quick }: { readonly quick: boolean }): Promise<Row[]> {
  return [
    ...(await tinyRows(tinyInstances(quick ? 5 : TINY))),
    ...(await mediumRows(mediumInstances(quick ? 1 : PER_MIX), quick ? 0.05 : 1)),
    ...(await stallingRows()),
    figure(
      'ruin and recreate, over the medium instances whose first plan loses something',
      quick ? null : await ruinsPerSecond(mediumInstances(PER_MIX)),
      'iterations a second of CPU',
      '>= 100,000',
    ),
    figure('module', plannerBytes().length, 'bytes', '<= 98,304'),
  ]
}

function figure(measure: string, value: number | null, unit: string, target: string): Row {
  return { measure, value: value === null ? null : Math.round(value * 1000) / 1000, unit, target }
}

function percent(count: number, all: number): number | null {
  return all === 0 ? null : rounded((100 * count) / all)
}

/** Against the exact optimum, of those of which it is known. */
async function tinyRows(instances: readonly Instance[]): Promise<Row[]> {
  const planner = await Planner.load()
  let known = 0
  let proven = 0
  let optimal = 0
  let wrong = 0
  for (const { host, request } of instances) {
    const plan = planner.plan(host, request)
    const exact = solveExactly(host, request, { seconds: 2, known: plan })
    if (exact.status !== 'optimal' || exact.plan.refused.length !== plan.refused.length) continue
    known++
    if (plan.cost.gap === 0) proven++
    if (plan.cost.lostVcpus <= exact.plan.cost.lostVcpus) optimal++
    if (plan.cost.lowerBound > exact.plan.cost.lostVcpus && plan.refused.length === 0) wrong++
  }
  const what = `tiny, ${known} of ${instances.length} with a known optimum`
  return [
    figure(`${what}: proven`, percent(proven, known), '%', '>= 95'),
    figure(`${what}: optimal`, percent(optimal, known), '%', '>= 99.5'),
    figure(`${what}: bounds above the optimum`, wrong, 'plans', '0'),
  ]
}

const BOUND_ROUNDS = 7
const STEPS_TO_PLACE = 1000

/**
 * Milliseconds of CPU that the bound of a first plan takes, with those of single VMs: the least of some rounds, each with an instance of its own. V8's
 * threads, which compile and collect meanwhile, count, too: that is 10 ms at times, also where the bound is there at once.
 */
async function boundTimes(instances: readonly Instance[]): Promise<number[]> {
  const least = instances.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < BOUND_ROUNDS; round++) {
    for (const [at, { host, request }] of instances.entries()) {
      const wasm = await instantiatePlanner()
      const problem = buildProblem(wasm, host, request)
      wasm.solve(0, 1)
      if (problem.handles.some((handle) => wasm.cellCount(handle) < 0)) {
        // Bounds are for what is placed: room is found for all, and the last comes anew, so that the bound is not known.
        wasm.solve(STEPS_TO_PLACE, 1)
        wasm.removeVm(problem.handles.at(-1)!)
        addVm(problem, request.vms.at(-1)!, request.vms.length - 1)
        wasm.solve(0, 1)
      }
      const started = cpuMilliseconds()
      wasm.planBound()
      least[at] = Math.min(least[at]!, cpuMilliseconds() - started)
    }
  }
  return least
}

interface Measured {
  readonly proven: boolean
  /** Bound over best known; 1 where nothing is lost. */
  readonly ratio: number
  /** Beyond the best known, of it. */
  readonly above: number
}

async function mediumRows(instances: readonly Instance[], seconds: number): Promise<Row[]> {
  const all: Measured[] = []
  for (const one of instances) all.push(await measure(one, seconds))
  const boundMs = await boundTimes(instances)
  const open = all.filter(({ proven }) => !proven)
  const mean = (values: readonly number[]) =>
    values.length === 0 ? null : values.reduce((total, value) => total + value, 0) / values.length
  const what = `medium, ${all.length} instances`
  return [
    figure(`${what}: proven`, percent(all.length - open.length, all.length), '%', '>= 92'),
    figure(`${what}: bound / best known, mean`, mean(all.map(({ ratio }) => ratio)), 'of 1', '>= 0.98'),
    figure(`${what}: the same, of the ${open.length} not proven`, mean(open.map(({ ratio }) => ratio)), 'of 1', ''),
    figure(`${what}: bound, CPU time, mean`, mean(boundMs), 'ms', '<= 10'),
    figure(`${what}: bound, CPU time, most`, Math.max(...boundMs), 'ms', '<= 10'),
    figure(
      `${what}: above best known after ${seconds} s of CPU, of those not proven`,
      open.length === 0 ? null : 100 * mean(open.map(({ above }) => above))!,
      '%',
      '<= 0.5',
    ),
  ]
}

async function measure({ name, host, request }: Instance, seconds: number): Promise<Measured> {
  const { cost, bound, refused } = await search(host, request, seconds)
  const best = Math.min(
    refused > 0 ? Number.POSITIVE_INFINITY : cost,
    Math.round((BEST[name] ?? Number.POSITIVE_INFINITY) * MICRO),
  )
  const isKnown = Number.isFinite(best) && best > 0
  return {
    proven: refused === 0 && cost === bound,
    ratio: isKnown ? Math.min(1, bound / best) : best === 0 ? 1 : 0,
    // Where nothing need be lost, what is lost counts as all of it.
    above: isKnown ? (cost - best) / best : best === 0 && cost > 0 ? 1 : 0,
  }
}

const STALLING_STEPS = 1000

/** What needs more than whole VMs that move. */
async function stallingRows(): Promise<Row[]> {
  const planner = await Planner.load()
  const instances = stallingInstances()
  const plans = instances.map(({ host, request }) => planner.plan(host, request, { steps: STALLING_STEPS }))
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  const least = sum(instances.map((instance) => instance.least)).toFixed(3)
  const what = `odd sizes, ${instances.length} full hosts with VMs that must be divided, ${STALLING_STEPS.toLocaleString('en')} steps`
  return [
    figure(`${what}: lost`, sum(plans.map(({ cost }) => cost.lostVcpus)), 'vCPUs', least),
    figure(`${what}: proven`, plans.filter(({ cost }) => cost.gap === 0).length, 'plans', `${instances.length}`),
  ]
}

/** Solves in small steps until so much CPU time is used, or nothing is left to gain. */
async function search(host: Host, request: Request, seconds: number) {
  const wasm = await instantiatePlanner()
  const { handles } = buildProblem(wasm, host, request)
  const started = cpuMilliseconds()
  const used = () => (cpuMilliseconds() - started) / 1000
  let status = wasm.solve(0, 1)
  for (let seed = 1; used() < seconds && status !== 0; seed++) status = wasm.solve(1000, seed)
  const refused = handles.filter((handle) => wasm.cellCount(handle) < 0).length
  return { cost: wasm.planCost(), bound: wasm.planBound(), refused }
}
