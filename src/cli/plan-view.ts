/** A plan for people: what it costs and why, where each VM is, how it gets there, and what keeps the others out. */

import { parseCpulist, shortCpulist } from '../cpulist.js'
import { termsText } from '../picture/words.js'
import type { Plan, PlanCell, PlanStatus, PlanVcpu, PlanVm, Refusal } from '../types.js'
import { formatBytes } from '../units.js'
import { showMoves } from './moves-view.js'
import { countLost, formatCost } from './numbers.js'
import type { Style } from './output.js'
import { pinsText } from './pins.js'
import { type Column, count, paragraph, table } from './table.js'

export function showPlan(plan: Plan, style: Style): string {
  const parts = [showCost(plan, style)]
  if (plan.vms.length > 0) parts.push(placementTable(plan.vms, style))
  parts.push(...showMoves(plan, style), ...plan.refused.map((refusal) => showRefusal(refusal, style)))
  return parts.join('\n\n')
}

export function showCost({ status, cost, vms, refused }: Plan, style: Style): string {
  const placed = `${vms.length} of ${count(vms.length + refused.length, 'VM')} placed`
  const bound = `lower bound ${formatCost(cost.lowerBound)}, gap ${formatCost(cost.gap)}`
  const causes = termsText(cost.terms)
  return [
    paragraph(style, `${colored(status, style)}: ${placed}, ${countLost(cost.lostVcpus)} (${bound})`),
    ...(causes === '' ? [] : [paragraph(style, `lost to ${causes}`, '  ')]),
  ].join('\n')
}

function colored(status: PlanStatus, { colors }: Style): string {
  if (status === 'optimal' || status === 'feasible') return colors.green(status)
  return status === 'partial' ? colors.yellow(status) : colors.red(status)
}

function placementTable(vms: readonly PlanVm[], style: Style): string {
  const hasThreads = vms.some(({ iothreads }) => iothreads.length > 0)
  const columns: Column[] = [
    { head: 'VM' },
    { head: 'LOST', align: 'right' },
    { head: 'CELL', align: 'right' },
    { head: 'NODE', align: 'right' },
    { head: 'MEMORY', align: 'right' },
    { head: 'PAGES', align: 'right' },
    { head: 'VCPUS -> CPUS', wraps: true },
    { head: 'EMULATOR', wraps: true },
    ...(hasThreads ? [{ head: 'I/O THREADS', wraps: true }] : []),
  ]
  const rows = vms.flatMap((vm) =>
    vm.cells.map((cell, at) => {
      const vcpus = vm.vcpus.filter((vcpu) => vcpu.cell === cell.cell)
      const ofVm = (text: string) => (at === 0 ? text : '')
      return [
        ofVm(vm.name),
        ofVm(formatCost(vm.cost.lostVcpus)),
        String(cell.cell),
        shortCpulist(vcpus.map(({ node }) => node)),
        memoryText(cell, vcpus),
        formatBytes(cell.pageSize),
        pinsText(vcpus),
        ofVm(shortList(vm.emulator)),
        ...(hasThreads ? [ofVm(vm.iothreads.join(' '))] : []),
      ]
    }),
  )
  return table(style, columns, rows)
}

function shortList(cpus: string): string {
  return shortCpulist(parseCpulist(cpus, { allowEmpty: true }))
}

/** With the nodes, where they are not just the one of the cell's vCPUs. */
function memoryText({ memory }: PlanCell, vcpus: readonly PlanVcpu[]): string {
  const [only] = memory
  if (memory.length === 1 && vcpus.every(({ node }) => node === only!.node)) return formatBytes(only!.bytes)
  return memory.map(({ node, bytes }) => `${formatBytes(bytes)} on ${node}`).join('\n')
}

export function showRefusal({ name, proven, because, nearest }: Refusal, style: Style): string {
  const { colors } = style
  const changes = nearest.map(({ change, lostVcpus }) => `${change} (${countLost(lostVcpus, 'more lost vCPU')})`)
  return [
    `${colors.red('refused')}: ${colors.bold(name)}${proven ? '' : ' (as far as the search got: it is not proven that it does not fit)'}`,
    ...because.map(({ constraint, text }) => paragraph(style, `${constraint}: ${text}`, '    ', '  ')),
    ...(changes.length === 0
      ? ['  no single change that was tried makes it fit']
      : ['  it fits with one of these changes:']),
    ...changes.map((change) => paragraph(style, change, '      ', '    ')),
  ].join('\n')
}
