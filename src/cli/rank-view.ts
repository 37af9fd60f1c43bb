/** Hosts that were ranked, for people: the best first, then those that refuse, and why. */

import { shortCpulist } from '../cpulist.js'
import type { RankedHost } from '../fleet/rank.js'
import { formatCost } from './numbers.js'
import type { Style } from './output.js'
import { pinsText } from './pins.js'
import { type Column, count, paragraph, table } from './table.js'

const COLUMNS: readonly Column[] = [
  { head: 'HOST' },
  { head: 'LOST MORE', align: 'right' },
  { head: 'ROOM LOST', align: 'right' },
  { head: 'MOVES', align: 'right' },
  { head: 'NODE', align: 'right' },
  { head: 'VCPUS -> CPUS', wraps: true },
]

export function showRanking(name: string, ranked: readonly RankedHost[], style: Style): string {
  const fitting = ranked.filter(({ plan }) => plan !== null)
  const parts = [paragraph(style, `"${name}" fits on ${fitting.length} of ${count(ranked.length, 'host')}`)]
  if (fitting.length > 0) {
    parts.push(
      table(
        style,
        COLUMNS,
        fitting.map((host) => rowOf(name, host)),
      ),
    )
  }
  parts.push(...ranked.flatMap(({ host, refused }) => (refused === null ? [] : [showRefused(host, refused, style)])))
  return parts.join('\n\n')
}

function rowOf(name: string, { host, lostMore, capacityLost, plan }: RankedHost): string[] {
  const { vcpus } = plan!.vms.find((vm) => vm.name === name)!
  return [
    host,
    formatCost(lostMore!),
    capacityLost === null ? '-' : formatCost(capacityLost),
    `${plan!.moves?.length ?? 0}`,
    shortCpulist(vcpus.map(({ node }) => node)),
    pinsText(vcpus),
  ]
}

function showRefused(host: string, { because, nearest }: NonNullable<RankedHost['refused']>, style: Style): string {
  const { colors } = style
  return [
    `${colors.red('refused')} by ${colors.bold(host)}`,
    ...because.map(({ constraint, text }) => paragraph(style, `${constraint}: ${text}`, '    ', '  ')),
    ...nearest.slice(0, 1).map(({ change }) => paragraph(style, `it fits with: ${change}`, '    ', '  ')),
  ].join('\n')
}
