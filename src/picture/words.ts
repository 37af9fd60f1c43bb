/** Words of pictures. */

import { canonicalCpulist, formatCpulist } from '../cpulist.js'
import type { CostTerms, Host, Move, Plan } from '../types.js'
import { count, countLost, formatBytes, formatCost } from '../units.js'

/** `2 packages, 16 cores, 32 CPUs, 2 nodes, 128 GiB`. */
export function hostText({ cpus, nodes }: Host): string {
  const online = cpus.filter((cpu) => cpu.online)
  const memory = nodes.map((node) => node.memory.total)
  const numberOf = (key: 'package' | 'core') => new Set(online.map((cpu) => cpu[key]).filter((id) => id !== null)).size
  const packages = numberOf('package')
  return [
    ...(packages === 0 ? [] : [count(packages, 'package')]),
    count(numberOf('core'), 'core'),
    `${count(online.length, 'CPU')}${online.length < cpus.length ? ' online' : ''}`,
    count(nodes.length, 'node'),
    memory.includes(null) ? 'memory unknown' : roundBytes(memory.reduce<number>((sum, bytes) => sum + bytes!, 0)),
  ].join(', ')
}

/** For reading, not for calculating: two decimals are enough. */
export function roundBytes(bytes: number | null): string {
  if (bytes === null) return '?'
  const unit = 1024 ** Math.min(4, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return formatBytes(unit === 1 ? bytes : (Math.round((bytes / unit) * 100) / 100) * unit)
}

/** `partial: 3 of 4 VMs placed, 1.5 lost vCPUs (lower bound 1.5, gap 0)`. */
export function planText({ status, cost, vms, refused }: Plan): string {
  const placed = `${vms.length} of ${count(vms.length + refused.length, 'VM')} placed`
  const bound = `lower bound ${formatCost(cost.lowerBound)}, gap ${formatCost(cost.gap)}`
  return `${status}: ${placed}, ${countLost(cost.lostVcpus)} (${bound})`
}

/** The terms that are not zero, the greatest first. */
export function termsText(terms: Partial<CostTerms>): string {
  return Object.entries(terms)
    .filter(([, lost]) => lost > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([term, lost]) => `${term} ${formatCost(lost)}`)
    .join(', ')
}

/** `step 2: db cell 0: vCPUs 0-3 to CPUs 8-11, 16 GiB to node 1`. */
export function moveText({ step, vm, cell, vcpus, memory, bytes }: Move): string {
  const numbers = formatCpulist(vcpus.map(({ vcpu }) => vcpu))
  const cpus = canonicalCpulist(vcpus.map((one) => one.cpus).join(), { allowEmpty: true })
  const parts = [
    ...(vcpus.length === 0 ? [] : [`${vcpus.length === 1 ? 'vCPU' : 'vCPUs'} ${numbers} to CPUs ${cpus}`]),
    ...memory.map((part) => `${roundBytes(part.bytes)} on node ${part.node}`),
    ...(bytes === 0 ? [] : [`${roundBytes(bytes)} copied`]),
  ]
  return `step ${step}: ${vm} cell ${cell}: ${parts.join(', ')}`
}
