/**
 * Whether a change changes plans: a digest of the plan of each case of the bench `planner`. Two checkouts that print the
 * same have the same plans to the byte.
 */

import { createHash } from 'node:crypto'
import { plan } from '../src/plan.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts } from './bench.js'
import { randomCases, recordedCases } from './planner/cases.js'

async function run({ quick }: BenchOptions): Promise<Bench> {
  const recorded = quick ? [] : await recordedCases()
  const cases = [...randomCases('small', quick ? 1 : 30), ...randomCases('medium', quick ? 0 : 6), ...recorded]
  const rows = []
  for (const { name, host, request } of cases) {
    const text = JSON.stringify(await plan(host, request, { steps: 2000, seed: 1 }))
    rows.push({ case: name, sha256: createHash('sha256').update(text).digest('hex').slice(0, 16) })
  }
  const all = createHash('sha256').update(JSON.stringify(rows)).digest('hex').slice(0, 16)
  return { kind: 'Bench', name: 'plans', host: hostFacts(), rows: [...rows, { case: 'all', sha256: all }], notes: [] }
}

const bench: BenchModule = { name: 'plans', run }
export default bench
