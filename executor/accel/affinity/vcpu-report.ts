/** A configuration of vCPUs as text. */

import { formatCpulist } from '../../../src/cpulist.js'
import type { VerifiedPlan } from '../../../src/types.js'
import type { CpuTopology } from '../cpu-topology.js'
import type { VcpuConfig } from '../guest/vcpu-config.js'

/** @param plan the last one; `null`: everything was configured by hand */
export function showConfiguration(
  topology: CpuTopology,
  configs: readonly VcpuConfig[],
  plan: VerifiedPlan | null,
): string {
  const { totalCpus, allowedCpus, cores, numaNodes } = topology.stats()
  const host = `${totalCpus} CPUs online (${allowedCpus} allowed), ${cores} cores, ${numaNodes} nodes`
  if (configs.length === 0) return `${host}\nno vCPU is configured\n`
  const rows = configs.map((config) => [
    `${config.vcpuId}`,
    `${config.numaNode}`,
    `${config.affinity}`,
    `${config.priority}`,
    shared(topology, config, configs),
  ])
  return `${[host, '', ...table([['vCPU', 'node', 'CPUs', 'priority', 'shares its core with'], ...rows]), '', ...costs(configs, plan)].join('\n')}\n`
}

/** vCPUs that may be on the same core. */
function shared({ host }: CpuTopology, config: VcpuConfig, configs: readonly VcpuConfig[]): string {
  const cores = new Set(host.cpus.filter(({ id }) => config.affinity.contains(id)).map(({ core }) => core))
  const others = configs.filter(
    (other) => other !== config && host.cpus.some(({ id, core }) => cores.has(core) && other.affinity.contains(id)),
  )
  if (others.length > 0) return `vCPU ${formatCpulist(others.map(({ vcpuId }) => vcpuId))}`
  return config.enableHt ? 'nobody' : 'nobody, as asked for'
}

function costs(configs: readonly VcpuConfig[], plan: VerifiedPlan | null): string[] {
  if (plan === null) return ['configured by hand: rebalanceVcpus() plans it, and says what it costs']
  const { lostVcpus, lowerBound, gap, terms } = plan.cost
  const lines = [`planned: ${lostVcpus} lost vCPUs (lower bound ${lowerBound}, gap ${gap})`]
  for (const [term, value] of Object.entries(terms)) if (value > 0) lines.push(`  lost to ${term} ${value}`)
  const planned = new Map(plan.vms[0]!.vcpus.map(({ vcpu, cpus }) => [vcpu, cpus]))
  const byHand = configs.filter(({ vcpuId, affinity }) => planned.get(vcpuId) !== `${affinity}`)
  if (byHand.length > 0) {
    lines.push(
      `changed by hand since, which the price does not count: vCPU ${formatCpulist(byHand.map(({ vcpuId }) => vcpuId))}`,
    )
  }
  return lines
}

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}
