/** What the comparison found, as rows: every solver by family, and homenode against the proven optimum. */

import type { Request } from '../../src/types.js'
import { MICRO } from '../../src/verify/micro.js'
import { type Row, rounded } from '../bench.js'
import type { CaseSize } from './cases.js'
import { type Compared, EXACT, OURS, PEERS } from './compare.js'
import { isWorse, type Outcome, samePlaced } from './judge.js'
import { FAMILIES } from './requests.js'

const SOLVERS = [OURS, ...PEERS.map(({ name }) => name), EXACT]

/**
 * By size, family and solver. `vcpusLost` is the sum over the cases in which the solver's plan is valid and places the VMs
 * that homenode's places, `vcpus` the vCPUs of these, `oursThere` homenode's on the same cases: numbers of the same thing.
 */
export function solverRows(compared: readonly Compared[]): Row[] {
  return groups(compared).flatMap(({ size, family, cases }) =>
    SOLVERS.flatMap((solver): Row[] => {
      const own = cases.flatMap(({ one, outcomes }) => {
        const outcome = outcomes.get(solver)
        return outcome === undefined ? [] : [{ one, outcome, ours: outcomes.get(OURS)! }]
      })
      if (own.length === 0) return []
      const alike = own.filter(({ outcome, ours }) => outcome.valid && samePlaced(outcome, ours))
      const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
      return [
        {
          size,
          family,
          solver,
          cases: own.length,
          vms: sum(own.map(({ one }) => one.request.vms.length)),
          vmsPlaced: sum(own.map(({ outcome }) => outcome.placed.size)),
          invalidPlans: own.filter(({ outcome }) => !outcome.valid).length,
          onlyTrust: own.filter(({ outcome }) => outcome.onlyTrust).length,
          sameVms: alike.length,
          vcpus: sum(alike.map(({ one, outcome }) => vcpusPlaced(one.request, outcome))),
          vcpusLost: rounded(sum(alike.map(({ outcome }) => outcome.cost)) / MICRO),
          oursThere: rounded(sum(alike.map(({ ours }) => ours.cost)) / MICRO),
          oursWorse: own.filter(({ outcome, ours }) => isWorse(ours, outcome)).length,
          msMean: rounded(sum(own.map(({ outcome }) => outcome.milliseconds)) / own.length),
          msMost: rounded(Math.max(...own.map(({ outcome }) => outcome.milliseconds))),
        },
      ]
    }),
  )
}

/**
 * By size and family, over the cases whose optimum is known. Gaps are in percent of the VMs' vCPUs, of cases with the most
 * weight placed; `fewerPlaced` are the others. `provenPercent`: of all of them, those that homenode itself proves.
 */
export function optimumRows(compared: readonly Compared[]): Row[] {
  const rows = groups(compared).map(({ size, family, cases }) => optimumRow(size, family, cases))
  const sizes = [...new Set(compared.map(({ one }) => one.size))]
  return [
    ...rows,
    ...sizes.map((size) =>
      optimumRow(
        size,
        'all',
        compared.filter(({ one }) => one.size === size),
      ),
    ),
  ]
}

function optimumRow(size: CaseSize, family: string, cases: readonly Compared[]): Row {
  const known = cases.flatMap(({ one, outcomes }) => {
    const exact = outcomes.get(EXACT)
    return exact === undefined ? [] : [{ one, exact, ours: outcomes.get(OURS)! }]
  })
  const full = known.filter(({ exact, ours }) => ours.weight === exact.weight)
  const gaps = full.map(({ one, exact, ours }) => {
    const vcpus = vcpusPlaced(one.request, ours)
    return vcpus === 0 ? 0 : (100 * (ours.cost - exact.cost)) / MICRO / vcpus
  })
  const percent = (count: number) => (known.length === 0 ? null : rounded((100 * count) / known.length))
  return {
    size,
    family,
    cases: cases.length,
    optimumKnown: known.length,
    optimalPercent: percent(full.filter(({ exact, ours }) => ours.cost <= exact.cost).length),
    provenPercent: percent(known.filter(({ exact, ours }) => isProven(ours, exact)).length),
    gapMeanPercent: gaps.length === 0 ? null : rounded(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length),
    gapMostPercent: gaps.length === 0 ? null : rounded(Math.max(...gaps)),
    fewerPlaced: known.length - full.length,
    wrongBounds: known.filter(({ exact, ours }) => samePlaced(ours, exact) && ours.bound > exact.cost).length,
  }
}

function vcpusPlaced({ vms }: Request, { placed }: Outcome): number {
  return vms.reduce((sum, vm) => sum + (placed.has(vm.name) ? vm.vcpus : 0), 0)
}

/** With every VM placed, that is the status; where some are refused, that the bound of the placed ones is met. */
function isProven(ours: Outcome, exact: Outcome): boolean {
  return ours.optimal || (ours.bound === ours.cost && ours.weight === exact.weight)
}

function groups(compared: readonly Compared[]) {
  const sizes = [...new Set(compared.map(({ one }) => one.size))]
  return sizes.flatMap((size) =>
    FAMILIES.flatMap((family) => {
      const cases = compared.filter(({ one }) => one.size === size && one.family === family)
      return cases.length === 0 ? [] : [{ size, family, cases }]
    }),
  )
}
