/** The columns of `homenode top`: what each shows, and how rows are sorted by it. */

import type { NodeRates } from '../../executor/meter/host-rates.js'
import { EXIT_REASONS } from '../../executor/meter/kvm.js'
import type { Use, VcpuRates, VmRates } from '../../executor/meter/rates.js'
import { formatCpulist } from '../cpulist.js'
import { shortBytes, shortCount } from './numbers.js'

/** What nothing measures. */
export const UNKNOWN = '-'

/** A column of rows of one kind. */
export interface TopColumn<Row> {
  readonly head: string
  /** By what rows are sorted; names ascending, figures descending, what is not known last. */
  readonly value: (row: Row) => number | string | null
  readonly text: (row: Row) => string
  readonly align: 'left' | 'right'
  /** May be cut where the terminal is too narrow. */
  readonly cut?: true
}

/** A vCPU, with its VM. */
export interface VcpuRow {
  readonly vm: VmRates
  readonly vcpu: VcpuRates
}

function figure<Row>(
  head: string,
  value: (row: Row) => number | null,
  show: (value: number) => string,
): TopColumn<Row> {
  const text = (row: Row) => {
    const known = value(row)
    return known === null ? UNKNOWN : show(known)
  }
  return { head, value, text, align: 'right' }
}

function name<Row>(vmOf: (row: Row) => VmRates): TopColumn<Row> {
  const text = (row: Row) => vmOf(row).vm.name.value
  return { head: 'NAME', value: text, text, align: 'left', cut: true }
}

const percent = (share: number) => `${Math.round(100 * share)}%`

function used<Row>(of: (row: Row) => Use): TopColumn<Row>[] {
  return [
    figure('USE', (row) => of(row).use, percent),
    figure('WAIT', (row) => of(row).delay, percent),
    figure('MIGR', (row) => of(row).migrations, shortCount),
  ]
}

function left<Row>(of: (row: Row) => Use): TopColumn<Row>[] {
  return [
    figure('FAULT', (row) => of(row).remoteFaults, percent),
    figure('EXITS', (row) => of(row).exits?.all ?? null, shortCount),
    figure('POLL', (row) => of(row).haltPolling, percent),
  ]
}

export const VM_COLUMNS: readonly TopColumn<VmRates>[] = [
  name((vm) => vm),
  figure('VCPU', ({ vm }) => vm.vcpuCount?.value ?? null, String),
  ...used<VmRates>((vm) => vm),
  figure('OTHER', ({ others }) => others, percent),
  { head: 'LAST', value: lastCpus, text: (vm) => lastCpus(vm) ?? UNKNOWN, align: 'left', cut: true },
  figure('FAR', ({ remoteMemory }) => remoteMemory, percent),
  ...left<VmRates>((vm) => vm),
]

function lastCpus({ vcpus }: VmRates): string | null {
  return formatCpulist(vcpus.flatMap(({ lastCpu }) => lastCpu ?? [])) || null
}

export const VCPU_COLUMNS: readonly TopColumn<VcpuRow>[] = [
  name(({ vm }) => vm),
  figure('VCPU', ({ vcpu }) => vcpu.vcpu, String),
  figure('TID', ({ vcpu }) => vcpu.tid, String),
  ...used<VcpuRow>(({ vcpu }) => vcpu),
  figure('LAST', ({ vcpu }) => vcpu.lastCpu, String),
  figure('NODE', ({ vcpu }) => vcpu.node, String),
  ...left<VcpuRow>(({ vcpu }) => vcpu),
]

export const EXIT_COLUMNS: readonly TopColumn<VmRates>[] = [
  name((vm) => vm),
  figure('USE', ({ use }) => use, percent),
  figure('EXITS', ({ exits }) => exits?.all ?? null, shortCount),
  figure('POLL', ({ haltPolling }) => haltPolling, percent),
  { head: 'BY REASON', value: (vm) => reasons(vm), text: (vm) => reasons(vm) ?? UNKNOWN, align: 'left', cut: true },
]

/** The most frequent first; those that did not happen are left out. */
function reasons({ exits }: VmRates): string | null {
  if (exits === null) return null
  return (
    Object.entries(exits.byReason)
      .filter(([, rate]) => rate > 0)
      .sort(([, a], [, b]) => b - a)
      .map(([counter, rate]) => `${EXIT_REASONS[counter]} ${shortCount(rate)}`)
      .join(', ') || UNKNOWN
  )
}

export const NODE_COLUMNS: readonly TopColumn<NodeRates>[] = [
  figure('NODE', ({ node }) => node, String),
  { head: 'CPUS', value: cpusOf, text: (node) => cpusOf(node) ?? UNKNOWN, align: 'left', cut: true },
  figure('USE', ({ use }) => use, percent),
  figure('FREE', ({ free }) => free, shortBytes),
  figure('RECL', ({ reclaimable }) => reclaimable, shortBytes),
  figure('HIT', ({ hit }) => hit, shortCount),
  figure('MISS', ({ miss }) => miss, shortCount),
  figure('FOREIGN', ({ foreign }) => foreign, shortCount),
  figure('LOCAL', ({ local }) => local, shortCount),
  figure('OTHER', ({ other }) => other, shortCount),
  figure('BW', ({ bandwidth }) => bandwidth, shortBytes),
  figure('NEAR', ({ bandwidthLocal }) => bandwidthLocal, shortBytes),
]

function cpusOf({ cpus }: NodeRates): string | null {
  return formatCpulist(cpus) || null
}

/** Heads and cells within `width`: columns that may be cut share what the others leave. */
export function linesOf<Row>(columns: readonly TopColumn<Row>[], rows: readonly Row[], width: number): string[] {
  const cells = [columns.map(({ head }) => head), ...rows.map((row) => columns.map(({ text }) => text(row)))]
  const widths = widthsOf(columns, cells, width)
  return cells.map((line) =>
    line
      .map((cell, at) => {
        const room = widths[at]!
        const shown = cell.length > room ? `${cell.slice(0, Math.max(0, room - 1))}+` : cell
        return columns[at]!.align === 'left' ? shown.padEnd(room) : shown.padStart(room)
      })
      .join(GAP)
      .trimEnd(),
  )
}

const GAP = '  '
const LEAST_CUT = 4

/** The widest of those that may be cut is made narrower until the next is as wide. */
function widthsOf<Row>(columns: readonly TopColumn<Row>[], cells: readonly string[][], width: number): number[] {
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]!.length)))
  for (;;) {
    const excess = widths.reduce((sum, one) => sum + one + GAP.length, -GAP.length) - width
    const [widest, next] = columns
      .flatMap(({ cut }, at) => (cut && widths[at]! > LEAST_CUT ? [at] : []))
      .sort((a, b) => widths[b]! - widths[a]!)
    if (excess <= 0 || widest === undefined) return widths
    const apart = widths[widest]! - (next === undefined ? LEAST_CUT : widths[next]!)
    widths[widest] = widths[widest]! - Math.min(excess, Math.max(1, apart))
  }
}
