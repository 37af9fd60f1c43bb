/** Holds what the kernel said against the plan. */

import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import type { Finding } from '../../src/errors.js'
import type { RunMemory } from '../../src/types.js'
import { formatBytes } from '../../src/units.js'
import { VmError } from '../wire/failure.js'

/** What was seen of one vCPU's thread while it ran: every value that was read, the latest last. */
export interface VcpuSightings {
  readonly vm: string
  readonly vcpu: number
  /** cpulist, from the plan. */
  readonly planned: string
  /** cpulists. */
  readonly affinities: readonly string[]
  readonly lastCpus: readonly number[]
  /** How often it went to another CPU; `null`: the kernel does not say. */
  readonly migrations: number | null
  /** Exits, or walks, or pages: whether it did anything at all. */
  readonly progress: number
}

/** `affinity`, `last-cpu`, `migrated` (once for each vCPU) and `no-progress`. */
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
  // Between two looks, its own CPU is the only one that it could have come from.
  if (cpus.length === 1 && (seen.migrations ?? 0) > 0) {
    add('migrated', `went to another CPU than CPU ${planned}, or came back from one, ${seen.migrations} times`)
  }
  if (seen.progress === 0) add('no-progress', 'did nothing in all the time that it ran')
  return findings
}

/** `refused`: something that the kernel did not allow, where the caller goes on without it. */
export function refusalOf(vm: string, vcpu: number | null, error: Error): Finding {
  const where = vcpu === null ? `VM "${vm}"` : `VM "${vm}", vCPU ${vcpu}`
  return { constraint: 'refused', text: `${where}: ${error.message}`, vm, ...(vcpu === null ? {} : { vcpu }) }
}

/** `failed`: a VM that came to its end before the run did. */
export function failureFinding(vm: string, error: Error): Finding {
  const vcpu = error instanceof VmError ? error.vcpu : null
  return { constraint: 'failed', text: error.message, vm, ...(vcpu === null ? {} : { vcpu }) }
}

/**
 * `residency`: memory that is elsewhere than planned, or nowhere.
 * @param slack bytes that may be more or less on the node, as where the kernel deals out the pages
 */
export function memoryFindings(row: RunMemory, slack = 0): Finding[] {
  const { vm, cell, node, bytes, residentBytes } = row
  const missing = bytes - Object.values(residentBytes).reduce((sum, part) => sum + part, 0)
  const strays = Object.keys(residentBytes).some((on) => Number(on) !== node)
  if (Math.abs(missing) <= slack && !strays) return []
  const found = Object.entries(residentBytes).map(([on, part]) => `${formatBytes(part)} on node ${on}`)
  if (missing > 0) found.push(`${formatBytes(missing)} nowhere`)
  const text = `VM "${vm}", cell ${cell}: the plan puts ${formatBytes(bytes)} on node ${node}, the kernel has ${found.join(', ')}`
  return [{ constraint: 'residency', text, vm, cell }]
}
