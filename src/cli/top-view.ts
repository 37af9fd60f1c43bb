/** What `homenode top` shows: the host, its nodes, and rows of VMs or vCPUs. */

import type { Pressure } from '../../executor/meter/host-rates.js'
import type { Rates, VmRates } from '../../executor/meter/rates.js'
import type { Style } from './output.js'
import { count, paragraph } from './table.js'
import {
  EXIT_COLUMNS,
  linesOf,
  NODE_COLUMNS,
  type TopColumn,
  UNKNOWN,
  VCPU_COLUMNS,
  type VcpuRow,
  VM_COLUMNS,
} from './top-columns.js'
import { HELP, type TopState } from './top-keys.js'

/** All of it, one piece after the other. */
export function showTop(rates: Rates, state: TopState, style: Style, time: Date): string {
  const notes = noteLines(rates).map((note) => paragraph(style, note, '  ', ''))
  return [...headLines(rates, style, time), '', ...rowLines(rates, state, style), ...notes].join('\n')
}

/** As many lines as the terminal has: rows are scrolled, and the last line tells of what is missing or typed. */
export function screenOf(rates: Rates, state: TopState, style: Style, time: Date, height: number): string[] {
  const last = lastLine(rates, state, style)
  const room = Math.max(1, height - 1)
  if (state.help) return [...helpLines(style), ''].slice(0, room).concat(last)
  // Half of the screen is left for VMs.
  const head = headLines(rates, style, time).slice(0, Math.max(2, Math.floor(height / 2) - 1))
  const rows = rowLines(rates, state, style, Math.max(1, room - head.length - 2))
  const lines = [...head, '', ...rows].slice(0, room)
  return [...lines, ...Array.from({ length: room - lines.length }, () => ''), last]
}

function headLines({ host, vms }: Rates, style: Style, time: Date): string[] {
  const vcpus = vms.reduce((sum, { vm }) => sum + (vm.vcpuCount?.value ?? 0), 0)
  const { cpu, memory, io } = host.pressure
  const pressure = `pressure: CPU ${share(cpu)}, memory ${share(memory)}, I/O ${share(io)}`
  const title = `${time.toTimeString().slice(0, 8)}  ${count(vms.length, 'VM')}, ${count(vcpus, 'vCPU')}  ${pressure}`
  const [heads = '', ...nodes] = linesOf(NODE_COLUMNS, host.nodes, style.width)
  return [title, style.colors.bold(heads), ...nodes]
}

function share(pressure: Pressure | null): string {
  return pressure === null ? UNKNOWN : `${Math.round(100 * pressure.some)}%`
}

/**
 * The first has the heads of the columns.
 * @param most rows from `state.first` on; one at least is left
 */
function rowLines({ vms }: Rates, state: TopState, style: Style, most = Number.POSITIVE_INFINITY): string[] {
  if (vms.length === 0) return ['no VM runs here']
  const text = state.filter.toLowerCase()
  const wanted = vms.filter(({ vm }) => text === '' || vm.name.value.toLowerCase().includes(text))
  const [heads = '', ...rows] = tableOf(wanted, state, style.width, most)
  return [style.colors.bold(heads), ...(wanted.length === 0 ? [`no VM has "${state.filter}" in its name`] : rows)]
}

function tableOf(vms: readonly VmRates[], state: TopState, width: number, most: number): string[] {
  const lines = <Row>(columns: readonly TopColumn<Row>[], rows: readonly Row[]) => {
    const first = Math.max(0, Math.min(state.first, rows.length - 1))
    return linesOf(columns, sorted(columns, rows, state).slice(first, first + most), width)
  }
  if (state.view === 'vms') return lines(VM_COLUMNS, vms)
  if (state.view === 'exits') return lines(EXIT_COLUMNS, vms)
  return lines(
    VCPU_COLUMNS,
    vms.flatMap((vm) => vm.vcpus.map((vcpu): VcpuRow => ({ vm, vcpu }))),
  )
}

function sorted<Row>(
  columns: readonly TopColumn<Row>[],
  rows: readonly Row[],
  { sort, reverse }: TopState,
): readonly Row[] {
  const column = columns.find(({ head }) => head === sort)
  if (column === undefined) return rows
  const keyed = rows.map((row) => ({ row, value: column.value(row) }))
  const turn = reverse ? -1 : 1
  keyed.sort(({ value: a }, { value: b }) => {
    if (a === null || b === null) return Number(a === null) - Number(b === null)
    if (typeof a === 'string') return turn * byName.compare(a, String(b))
    return turn * (Number(b) - a)
  })
  return keyed.map(({ row }) => row)
}

/** With numbers in names by their value. */
const byName = new Intl.Collator('en', { numeric: true })

/** What is not known, and to whom it is. */
function noteLines({ missing }: Rates): string[] {
  return missing.map(({ what, why, runAs }) => {
    return `not known: ${what} (${why})${runAs === null ? '' : `; known to ${runAs}`}`
  })
}

function helpLines({ colors }: Style): string[] {
  const width = Math.max(...HELP.map(([keys]) => keys.length))
  return [colors.bold('Keys'), ...HELP.map(([keys, what]) => `${keys.padEnd(width)}  ${what}`)]
}

function lastLine(rates: Rates, { typed, filter, sort, reverse, view }: TopState, { colors }: Style): string {
  if (typed !== null) return `show names with: ${typed}`
  const order = `${view}, by ${sort}${reverse ? ' turned around' : ''}`
  const only = filter === '' ? '' : `, only "${filter}"`
  return colors.dim([`h: help  q: quit  ${order}${only}`, ...noteLines(rates)].join('; '))
}
