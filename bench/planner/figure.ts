/** The comparison as a picture, drawn from the bench's rows. */

import type { Bench, Row } from '../bench.js'
import { barChart } from '../plot.js'
import { EXACT, OURS, PEERS } from './compare.js'
import { FAMILIES } from './requests.js'

const SERIES = [OURS, ...PEERS.map(({ name }) => name), EXACT]

export function plannerPlot({ rows }: Bench): string {
  const cells = FAMILIES.map((family) =>
    SERIES.map((solver) => rows.filter((row) => row.family === family && row.solver === solver)),
  )
  const panel = (title: string, value: (rows: readonly Row[]) => number | null, most?: number) => ({
    title,
    ...(most === undefined ? {} : { most }),
    values: cells.map((series) => series.map((own) => (own.length === 0 ? null : value(own)))),
  })
  return barChart({
    title: 'Placement planners on the same hosts and requests',
    subtitle: [
      'Every plan is judged by the verifier. The second panel takes, for each solver, the cases in which its plan is valid and places the VMs',
      'that homenode’s places. HiGHS takes part where it proves an optimum in its time. "none": cannot express the family, or has no such case.',
    ],
    series: SERIES,
    groups: [...FAMILIES],
    panels: [
      panel('VMs placed in valid plans, %', (own) => percent(own, 'vmsPlaced', 'vms'), 100),
      panel('vCPUs lost beyond homenode’s, % of vCPUs', (own) => percent(own, 'vcpusLost', 'vcpus', 'oursThere')),
      panel('invalid plans, %', (own) => percent(own, 'invalidPlans', 'cases'), 100),
    ],
  })
}

/** Of `part`, less `rest`, in `whole`. */
function percent(rows: readonly Row[], part: string, whole: string, rest?: string): number | null {
  const sum = (column: string) => rows.reduce((total, row) => total + Number(row[column] ?? 0), 0)
  const left = sum(part) - (rest === undefined ? 0 : sum(rest))
  return sum(whole) === 0 ? null : (100 * left) / sum(whole)
}
