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
  const head = headLines(rates, style, time)
  // Half of the screen is left for VMs.
  const top = [...head.slice(0, Math.max(2, Math.floor(height / 2) - 1)), '']
  const [heads = '', ...rows] = rowLines(rates, state, style)
  const shown = rows.slice(firstRow(state, rows.length))
  const lines = [...top, heads, ...shown].slice(0, room)
  return [...lines, ...Array.from({ length: room - lines.length }, () => ''), last]
}

/** Scrolled so far that a row is left. */
function firstRow({ first }: TopState, rows: number): number {
  return Math.max(0, Math.min(first, rows - 1))
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

/** The first has the heads of the columns. */
function rowLines({ vms }: Rates, state: TopState, style: Style): string[] {
  const wanted = vms.filter(({ vm }) => vm.name.value.toLowerCase().includes(state.filter.toLowerCase()))
  const [heads = '', ...rows] = tableOf(wanted, state, style.width)
  if (vms.length === 0) return ['no VM runs here']
  return [style.colors.bold(heads), ...(wanted.length === 0 ? [`no VM has "${state.filter}" in its name`] : rows)]
}

function tableOf(vms: readonly VmRates[], state: TopState, width: number): string[] {
  if (state.view === 'vcpus') {
    const rows = vms.flatMap((vm) => vm.vcpus.map((vcpu): VcpuRow => ({ vm, vcpu })))
    return linesOf(VCPU_COLUMNS, sorted(VCPU_COLUMNS, rows, state), width)
  }
  const columns = state.view === 'vms' ? VM_COLUMNS : EXIT_COLUMNS
  return linesOf(columns, sorted(columns, vms, state), width)
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
    if (typeof a === 'string') return turn * a.localeCompare(String(b), 'en')
    return turn * (Number(b) - a)
  })
  return keyed.map(({ row }) => row)
}

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
