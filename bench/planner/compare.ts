/** Every case through every solver, in one run. */

import { Planner } from '../../src/planner/planner.js'
import type { Case } from './cases.js'
import { type Exact, solveExactly } from './exact/solve.js'
import { judge, type Outcome } from './judge.js'
import { guide } from './peers/guide.js'
import { hwloc } from './peers/hwloc.js'
import { nova } from './peers/nova.js'
import { planOf } from './placement.js'
import { OURS_ALONE } from './requests.js'

export const PEERS = [guide, hwloc, nova]
export const OURS = 'homenode'
export const EXACT = 'optimum (HiGHS)'

export interface Compared {
  readonly one: Case
  /** By solver; those that did not take part are absent. */
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** What became of the exact solution. */
  readonly exact: Exact['status']
}

export interface CompareOptions {
  /** Of HiGHS, for each case. */
  readonly exactSeconds: number
}

export async function compare(cases: readonly Case[], { exactSeconds }: CompareOptions): Promise<Compared[]> {
  const planner = await Planner.load()
  // The first problem of a process pays for compilation.
  planner.plan(cases[0]!.host, cases[0]!.request)
  const common = cases.filter(({ family }) => !OURS_ALONE.has(family))
  const answers = PEERS.filter(({ missing }) => missing === undefined).map((peer) => {
    const own = peer.solve(common)
    return { name: peer.name, byCase: new Map(common.map((one, at) => [one, own[at]!])) }
  })
  return cases.map((one) => {
    const { host, request } = one
    const outcomes = new Map<string, Outcome>()
    const start = performance.now()
    const plan = planner.plan(host, request)
    const milliseconds = performance.now() - start
    outcomes.set(OURS, judge(host, request, plan, milliseconds))
    for (const { name, byCase } of answers) {
      const answer = byCase.get(one)
      if (answer === undefined) continue
      const theirs = planOf(host, request, answer.placements, { name })
      outcomes.set(name, judge(host, request, theirs, answer.milliseconds))
    }
    const exactStart = performance.now()
    const known = outcomes.get(OURS)!.valid ? { known: plan } : {}
    const exact = solveExactly(host, request, { seconds: exactSeconds, ...known })
    if (exact.status === 'optimal') {
      outcomes.set(EXACT, judge(host, request, exact.plan, performance.now() - exactStart))
    }
    return { one, outcomes, exact: exact.status }
  })
}
