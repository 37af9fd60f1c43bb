/** A host as tables: what it has in all, nodes, distances, caches, and whatever is unusual. */

import { shortCpulist } from '../cpulist.js'
import { hostText, roundBytes } from '../picture/words.js'
import type { Host, HostCpu, HostNode } from '../types.js'
import { formatBytes } from '../units.js'
import type { Style } from './output.js'
import { type Column, paragraph, table } from './table.js'

/** Of the matrix of distances. */
const FIRST_COLUMN = 5

export function showHost(host: Host, style: Style): string {
  const notes = unusual(host).map((note) => paragraph(style, note, '  ', ''))
  return [
    style.colors.bold(hostText(host)),
    nodeTable(host, style),
    distanceTable(host, style),
    cacheTable(host, style),
    ...(notes.length === 0 ? [] : [notes.join('\n')]),
  ].join('\n\n')
}

function distinct(cpus: readonly HostCpu[], key: 'package' | 'core' | 'llc' | 'capacity'): number[] {
  const values = new Set(cpus.map((cpu) => cpu[key]).filter((value) => value !== null))
  return [...values].sort((a, b) => a - b)
}

function cpulist(cpus: readonly HostCpu[]): string {
  return shortCpulist(cpus.map(({ id }) => id))
}

function nodeTable({ nodes, cpus }: Host, style: Style): string {
  const hasHugePages = nodes.some(({ pages }) => pages.slice(1).some(({ total }) => total !== 0))
  const hasReclaimable = nodes.some(({ memory }) => memory.reclaimable !== undefined)
  const hasBandwidth = nodes.some(({ bandwidth }) => bandwidth !== undefined)
  const columns: Column[] = [
    { head: 'NODE', align: 'right' },
    { head: 'CPUS', wraps: true },
    { head: 'MEMORY', align: 'right' },
    { head: 'FREE', align: 'right' },
    ...(hasReclaimable ? [{ head: 'RECLAIMABLE', align: 'right' as const }] : []),
    ...(hasHugePages ? [{ head: 'HUGE PAGES FREE' }] : []),
    ...(hasBandwidth ? [{ head: 'BANDWIDTH', align: 'right' as const }] : []),
  ]
  const rows = nodes.map((node) => [
    String(node.id),
    cpulist(cpus.filter((cpu) => cpu.online && cpu.node === node.id)) || 'none',
    node.memory.total === 0 ? 'none' : roundBytes(node.memory.total),
    node.memory.total === 0 ? '' : roundBytes(node.memory.free),
    ...(hasReclaimable ? [node.memory.total === 0 ? '' : roundBytes(node.memory.reclaimable ?? null)] : []),
    ...(hasHugePages ? [hugePages(node)] : []),
    ...(hasBandwidth ? [node.bandwidth === undefined ? '?' : `${Math.round(node.bandwidth / 1e9)} GB/s`] : []),
  ])
  return table(style, columns, rows)
}

function hugePages({ pages }: HostNode): string {
  const pools = pages.slice(1).filter(({ total }) => total !== 0)
  return (
    pools.map(({ size, total, free }) => `${free ?? '?'}/${total ?? '?'} x ${formatBytes(size)}`).join(', ') || 'none'
  )
}

/** As `numactl -H` prints them; where that is too wide, what is how far from each node. */
function distanceTable({ nodes, distances }: Host, style: Style): string {
  const width = Math.max(
    4,
    ...nodes.map(({ id }) => `${id}`.length + 1),
    ...distances.flat().map((d) => `${d}`.length + 2),
  )
  const heading = style.colors.bold('Node distances')
  if (FIRST_COLUMN + width * nodes.length > style.width)
    return [heading, distanceLists({ nodes, distances }, style)].join('\n')
  const line = (head: string, cells: readonly number[]) =>
    `${head.padStart(FIRST_COLUMN)}${cells.map((cell) => `${cell}`.padStart(width)).join('')}`
  return [
    heading,
    line(
      'node ',
      nodes.map(({ id }) => id),
    ),
    ...distances.map((row, at) => line(`${nodes[at]!.id}:`, row)),
  ].join('\n')
}

function distanceLists({ nodes, distances }: Pick<Host, 'nodes' | 'distances'>, style: Style): string {
  const rows = distances.map((row, from) => {
    const all = [...new Set(row)].sort((a, b) => a - b)
    const lists = all.map((distance) => shortCpulist(nodes.filter((_, to) => row[to] === distance).map(({ id }) => id)))
    return [String(nodes[from]!.id), all.map((distance, at) => `${distance} to ${lists[at]}`).join('; ')]
  })
  return table(
    style,
    [
      { head: 'NODE', align: 'right' },
      { head: 'HOW FAR TO WHICH NODES', wraps: true },
    ],
    rows,
  )
}

function cacheTable({ cpus }: Host, style: Style): string {
  const online = cpus.filter((cpu) => cpu.online)
  const threads = Math.max(...online.map(({ thread }) => thread ?? 0)) + 1
  const columns: Column[] = [
    { head: 'LLC', align: 'right' },
    { head: 'NODE', align: 'right' },
    { head: 'PACKAGE', align: 'right' },
    { head: 'CORES', align: 'right' },
    { head: threads > 1 ? 'CPUS BY THREAD' : 'CPUS', wraps: true },
  ]
  const rows = distinct(online, 'llc').map((llc) => {
    const members = online.filter((cpu) => cpu.llc === llc)
    const byThread = Array.from({ length: threads }, (_, thread) => members.filter((cpu) => cpu.thread === thread))
    return [
      String(llc),
      shortCpulist(members.flatMap(({ node }) => node ?? [])) || '?',
      distinct(members, 'package').join(',') || '?',
      String(distinct(members, 'core').length),
      byThread
        .filter((part) => part.length > 0)
        .map(cpulist)
        .join(' | '),
    ]
  })
  return table(style, columns, rows)
}

/** What a person has to know before trusting a plan to these CPUs. */
function unusual({ cpus, nodes, limits = [] }: Host): string[] {
  const online = cpus.filter((cpu) => cpu.online)
  const capacities = distinct(online, 'capacity')
  const sets: [string, string][] = [
    ['Offline CPUs', cpulist(cpus.filter((cpu) => !cpu.online))],
    ['CPUs outside of the cpuset', cpulist(online.filter((cpu) => !cpu.allowed))],
    ['Nodes outside of the cpuset', shortCpulist(nodes.filter(({ allowed }) => allowed === false).map(({ id }) => id))],
    ['Isolated CPUs', cpulist(cpus.filter((cpu) => cpu.isolated))],
    ['CPUs of no node', cpulist(online.filter(({ node }) => node === null))],
    ...(capacities.length < 2 ? [] : capacities.reverse()).map((capacity): [string, string] => [
      `CPUs of capacity ${capacity}`,
      cpulist(online.filter((cpu) => cpu.capacity === capacity)),
    ]),
  ]
  return [
    ...sets.filter(([, set]) => set !== '').map(([label, set]) => `${label}: ${set}`),
    ...limits.map(
      ({ size, pages, cause }) => `At most ${roundBytes(pages * size)} in pages of ${formatBytes(size)}: ${cause}`,
    ),
  ]
}
