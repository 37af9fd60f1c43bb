/** Holds what the kernel said against the plan. */

import { formatCpulist, parseCpulist } from '../src/cpulist.js'
import type { Finding } from '../src/errors.js'
import type { RunMemory } from '../src/types.js'
import { formatBytes } from '../src/units.js'

/** What was seen of one vCPU's thread while it ran: every value that was read, the latest last. */
export interface VcpuSightings {
  readonly vm: string
  readonly vcpu: number
  /** cpulist, from the plan. */
  readonly planned: string
  /** cpulists. */
  readonly affinities: readonly string[]
  readonly lastCpus: readonly number[]
  /** Exits, or walks, or pages: whether it did anything at all. */
  readonly progress: number
}

/** `affinity`, `last-cpu` (once for each vCPU) and `no-progress`. */
export function vcpuFindings(seen: VcpuSightings): Finding[] {
  const { vm, vcpu } = seen
  const findings: Finding[] = []
  const add = (constraint: string, text: string) =>
    findings.push({ constraint, text: `VM "${vm}", vCPU ${vcpu} ${text}`, vm, vcpu })
  const cpus = parseCpulist(seen.planned)
  const planned = formatCpulist(cpus)
  const strayAffinity = seen.affinities.find((affinity) => affinity !== planned)
  if (strayAffinity !== undefined) add('affinity', `may run on CPU ${strayAffinity}, the plan says CPU ${planned}`)
  const strayCpu = seen.lastCpus.find((cpu) => !cpus.includes(cpu))
  if (strayCpu !== undefined) add('last-cpu', `was on CPU ${strayCpu}, the plan says CPU ${planned}`)
  if (seen.progress === 0) add('no-progress', 'did nothing in all the time that it ran')
  return findings
}

/** `residency`: memory that is elsewhere than planned, or nowhere. */
export function memoryFindings(row: RunMemory): Finding[] {
  if (row.residentBytes[row.node] === row.bytes) return []
  const found = Object.entries(row.residentBytes).map(([node, bytes]) => `${formatBytes(bytes)} on node ${node}`)
  const missing = row.bytes - Object.values(row.residentBytes).reduce((sum, bytes) => sum + bytes, 0)
  if (missing > 0) found.push(`${formatBytes(missing)} nowhere`)
  return [
    {
      constraint: 'residency',
      text:
        `VM "${row.vm}", cell ${row.cell}: the plan puts ${formatBytes(row.bytes)} on node ${row.node}, ` +
        `the kernel has ${found.join(', ')}`,
      vm: row.vm,
      cell: row.cell,
    },
  ]
}
