/**
 * `node --import tsx bench/planner/strength/write-best.ts`: writes best-known.json, the least cost that annealing (2 seeds), HiGHS or the planner itself
 * with ten times its steps found for each medium instance whose plan is not proven to be the best. Costs are the verifier's. It takes about ten minutes.
 */

import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Planner } from '../../../src/planner/planner.js'
import type { Plan } from '../../../src/types.js'
import { checkPlan } from '../../../src/verify.js'
import { solveExactly } from '../exact/solve.js'
import { anneal } from './anneal.js'
import { mediumInstances } from './instances.js'
import { PER_MIX } from './rows.js'

const TRIES = 2000
const SEEDS = [1, 2]
const MANY_STEPS = 50_000

const planner = await Planner.load()
const best: Record<string, number> = {}
for (const { name, host, request } of mediumInstances(PER_MIX)) {
  const plan = planner.plan(host, request)
  if (plan.cost.gap === 0) continue
  const exact = solveExactly(host, request, { seconds: 5, known: plan })
  const plans = [
    planner.plan(host, request, { steps: MANY_STEPS, seed: 2 }),
    exact.status === 'optimal' ? exact.plan : undefined,
    ...SEEDS.map((seed) => anneal(host, request, { tries: TRIES, seed })),
  ]
  const costs = plans.filter(
    (one): one is Plan => one !== undefined && one.refused.length === 0 && checkPlan(host, request, one).length === 0,
  )
  if (costs.length > 0) best[name] = Math.min(...costs.map(({ cost }) => cost.lostVcpus))
  console.log(name, plan.cost.lostVcpus, plan.cost.lowerBound, exact.status, best[name])
}
writeFileSync(fileURLToPath(new URL('best-known.json', import.meta.url)), `${JSON.stringify(best, null, 2)}\n`)
