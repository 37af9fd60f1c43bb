/** `NumaOptimizer.diagnosticReport()`: what is known, as text. */

import { formatBytes } from '../../../src/units.js'
import { hex, type ResidentBlock } from './node-memory.js'
import { type AllocationStrategy, percent } from './strategy.js'
import type { NodeStats, Suggestion } from './suggestions.js'

export interface ReportParts {
  readonly strategy: AllocationStrategy
  readonly nodes: readonly NodeStats[]
  readonly blocks: readonly ResidentBlock[]
  readonly whyNoCacheMisses: string
  /** Whether memory can be bound here. */
  readonly isEnforced: boolean
  readonly suggestions: readonly Suggestion[]
}

export function showReport(parts: ReportParts): string {
  const { strategy, nodes, blocks, suggestions, isEnforced } = parts
  return [
    'NUMA optimizer',
    `strategy: ${strategy}`,
    ...(isEnforced ? [] : ['nothing is bound: only Linux binds memory to nodes']),
    '',
    ...nodes.flatMap(showNode),
    '',
    `memory that is given out: ${blocks.length === 0 ? 'none' : ''}`.trimEnd(),
    ...blocks.map(showBlock),
    '',
    'where the figures come from',
    ...sources(parts).map((line) => `  ${line}`),
    '',
    `suggestions: ${suggestions.length === 0 ? 'none' : ''}`.trimEnd(),
    ...suggestions.map(({ what, how }) => `  ${what}: ${how}`),
  ].join('\n')
}

const unknown = (value: number | null, show: (value: number) => string) => (value === null ? 'unknown' : show(value))
const rate = (value: number) => `${Math.round(value)}/s`

function showNode({
  node,
  cpuUsage,
  memory,
  numa,
  localAccessRate,
  bandwidth,
  cacheMisses,
  budget,
  recorded,
}: NodeStats) {
  const pages =
    numa === null
      ? 'unknown'
      : `hit ${rate(numa.numa_hit)}, miss ${rate(numa.numa_miss)}, foreign ${rate(numa.numa_foreign)}, ` +
        `local ${rate(numa.local_node)}, other ${rate(numa.other_node)}`
  return [
    `node ${node}`,
    `  budget: ${formatBytes(budget.used)} of ${formatBytes(budget.bytes)} given out`,
    `  memory: ${unknown(memory.free, formatBytes)} free of ${unknown(memory.total, formatBytes)}`,
    `  CPUs busy: ${unknown(cpuUsage, percent)}`,
    `  pages given out: ${pages}; to its own CPUs: ${unknown(localAccessRate, percent)}`,
    `  bandwidth: ${unknown(bandwidth?.bytesPerSecond ?? null, (bytes) => `${formatBytes(bytes)}/s`)}`,
    `  cache misses: ${unknown(cacheMisses?.perSecond ?? null, rate)}`,
    `  recorded accesses: ${recorded.local} local, ${recorded.remote} remote`,
  ]
}

function showBlock({ held, resident }: ResidentBlock): string {
  const found = Object.entries(resident ?? {}).map(([node, bytes]) => `${formatBytes(bytes)} on node ${node}`)
  const where = resident === null ? 'where nobody says' : found.join(', ')
  const { basis, why } = held.choice
  return `  ${hex(held.address)}: ${formatBytes(held.bytes)} for node ${held.node}, found ${where} (by ${basis}: ${why})`
}

function sources({ nodes, whyNoCacheMisses }: ReportParts): string[] {
  const seconds = nodes.find((node) => node.seconds !== null)?.seconds
  const measured = nodes.some(({ bandwidth }) => bandwidth !== null)
  return [
    seconds == null
      ? 'rates: none, since it takes two calls of updateStats()'
      : `rates: of the ${seconds.toFixed(2)} s between the last two calls of updateStats()`,
    'CPUs: /proc/stat; memory: nodeN/meminfo; pages: nodeN/numastat, which counts pages given out, not accesses',
    measured
      ? 'bandwidth: resctrl, of the nodes whose CPUs it measures'
      : 'bandwidth: unknown, since nothing in /sys/fs/resctrl measures it (two updates needed); BandwidthOptimized goes by vCPUs and memory there',
    whyNoCacheMisses === ''
      ? 'cache misses: counters of the CPUs (perf_event_open)'
      : `cache misses: unknown: ${whyNoCacheMisses}`,
    'recorded accesses: what recordMemoryAccess was told',
  ]
}
