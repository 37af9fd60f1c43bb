/** What was measured of a host, as tables, and what that changes for plans. */

import { hostText } from '../picture/words.js'
import { parseRequest } from '../request.js'
import type { Host, HostNode, Measures, NodeMatrix } from '../types.js'
import { machineOf } from '../verify/machine.js'
import type { Style } from './output.js'
import { type Column, paragraph, table } from './table.js'

/** What a request has that says nothing about it: a host's figures are the same for all. */
const any = parseRequest({ vms: [{ name: 'any', vcpus: 1, memory: '1GiB' }] })

/**
 * @param before the host as its firmware describes it
 * @param measured with what was measured, and its spread
 */
export function showCalibration(before: Host, measured: Host, notes: readonly string[], style: Style): string {
  const { latencies = [], bandwidths = [], hops, smt = null, spread = {} } = measured
  return [
    style.colors.bold(hostText(measured)),
    paragraph(style, 'Medians; in brackets how far the quartiles are apart, as a share of the median.'),
    matrix('Latency of memory, ns', measured, latencies, spread.latencies, (ns) => ns.toFixed(0), style),
    matrix(
      'Bandwidth of memory, GB/s',
      measured,
      bandwidths,
      spread.bandwidths,
      (bytes) => (bytes / 1e9).toFixed(1),
      style,
    ),
    handOver(measured, hops, spread.hops, style),
    paragraph(
      style,
      `Two busy SMT siblings yield ${figure(smt, spread.smt ?? null, (ratio) => `${ratio.toFixed(2)} of one`)}`,
    ),
    changes(before, measured, style),
    ...notes.map((note) => paragraph(style, note, '  ', '')),
  ].join('\n\n')
}

function figure(value: number | null, spread: number | null, text: (value: number) => string): string {
  if (value === null) return '-'
  return spread === null ? text(value) : `${text(value)} (${Math.round(100 * spread)} %)`
}

function matrix(
  heading: string,
  { nodes }: Host,
  values: NodeMatrix,
  spreads: NodeMatrix | undefined,
  text: (value: number) => string,
  style: Style,
): string {
  const to = (node: HostNode): Column => ({ head: `NODE ${node.id}`, align: 'right' })
  const columns: Column[] = [{ head: 'FROM', align: 'right' }, ...nodes.map(to)]
  const rows = nodes.map(({ id }, row) => [
    `node ${id}`,
    ...nodes.map((_, column) => figure(values[row]?.[column] ?? null, spreads?.[row]?.[column] ?? null, text)),
  ])
  return `${style.colors.bold(heading)}\n${table(style, columns, rows)}`
}

function handOver({ nodes }: Host, hops: Measures['hops'], spread: Measures['hops'], style: Style): string {
  const ns = (value: number) => value.toFixed(0)
  const rows = [
    ['SMT siblings', figure(hops?.core ?? null, spread?.core ?? null, ns)],
    ['cores of one last-level cache', figure(hops?.llc ?? null, spread?.llc ?? null, ns)],
    ['caches of one node', figure(hops?.node ?? null, spread?.node ?? null, ns)],
    ...nodes.flatMap(({ id: from }, a) =>
      nodes.slice(a + 1).map(({ id: to }, at) => {
        const b = a + 1 + at
        return [`nodes ${from} and ${to}`, figure(hops?.nodes[a]?.[b] ?? null, spread?.nodes[a]?.[b] ?? null, ns)]
      }),
    ),
  ]
  const columns: Column[] = [{ head: 'BETWEEN' }, { head: 'ONE WAY', align: 'right' }]
  return `${style.colors.bold('Hand-over of a value between CPUs, ns')}\n${table(style, columns, rows)}`
}

/** Distances, hops and the price of a busy sibling, without the measures and with them. */
function changes(before: Host, measured: Host, style: Style): string {
  const [old, now] = [machineOf(before, any), machineOf(measured, any)]
  const ids = measured.nodes.map(({ id }) => id)
  const pairs = ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => [from, to] as const))
  const rows = [
    ...pairs.flatMap(([from, to]) => [
      [`distance of node ${to} from node ${from}`, `${old.distance(from, to)}`, `${now.distance(from, to)}`],
      [`hop from node ${from} to node ${to}`, tenth(old.tenHops(from, to)), tenth(now.tenHops(from, to))],
    ]),
    ['lost vCPUs per busy SMT sibling', old.smt.toFixed(2), now.smt.toFixed(2)],
  ]
  const columns: Column[] = [
    { head: 'FOR PLANS' },
    { head: 'WITHOUT', align: 'right' },
    { head: 'MEASURED', align: 'right' },
  ]
  return table(style, columns, rows)
}

function tenth(tenHops: number): string {
  return (tenHops / 10).toFixed(1)
}
