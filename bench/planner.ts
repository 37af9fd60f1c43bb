/**
 * How good the planner is, and how fast: against the exact optimum, the integration guide's rule, hwloc-distrib and
 * OpenStack Nova's fitter, on the same hosts and requests, every plan judged by the verifier. docs/bench.md explains the
 * columns.
 */

import { type Bench, type BenchModule, type BenchOptions, hostFacts } from './bench.js'
import { randomCases, recordedCases } from './planner/cases.js'
import { type Compared, compare, EXACT, PEERS } from './planner/compare.js'
import { plannerPlot } from './planner/figure.js'
import { RECORDINGS } from './planner/hosts.js'
import { speedRows } from './planner/speed.js'
import { strengthRows } from './planner/strength/rows.js'
import { optimumRows, solverRows } from './planner/table.js'

const FULL = { small: 30, medium: 6, exactSeconds: 5 }
const QUICK = { small: 1, medium: 0, exactSeconds: 1 }

async function run({ quick }: BenchOptions): Promise<Bench> {
  const { small, medium, exactSeconds } = quick ? QUICK : FULL
  const recorded = quick ? [] : await recordedCases()
  const cases = [...randomCases('small', small), ...randomCases('medium', medium), ...recorded]
  const compared = await compare(cases, { exactSeconds })
  return {
    kind: 'Bench',
    name: 'planner',
    host: hostFacts(),
    rows: [
      ...solverRows(compared),
      ...optimumRows(compared),
      ...(await speedRows({ quick })),
      ...(await strengthRows({ quick })),
    ],
    notes: [
      ...PEERS.flatMap(({ missing }) => missing ?? []),
      ...(!quick && recorded.length === 0 ? [`no recorded machines: ${RECORDINGS} is not there`] : []),
      unsolved(compared),
    ],
  }
}

/** The cases of which the optimum is not known, and why. */
function unsolved(compared: readonly Compared[]): string {
  const counts = new Map<string, number>()
  for (const { exact } of compared) counts.set(exact, (counts.get(exact) ?? 0) + 1)
  return `${EXACT}: ${[...counts].map(([status, count]) => `${count} ${status}`).join(', ')}`
}

const bench: BenchModule = { name: 'planner', run, plot: plannerPlot }
export default bench
