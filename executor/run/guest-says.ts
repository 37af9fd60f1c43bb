/** What a guest itself says of its machine, held against the plan. Nothing that it says is trusted to be true, or to be short. */

import { canonicalCpulist, formatCpulist } from '../../src/cpulist.js'
import type { Finding } from '../../src/errors.js'
import { formatBytes } from '../../src/units.js'
import type { AcpiMachine } from '../acpi/machine.js'

/** A node as the guest's kernel shows it. */
export interface GuestNode {
  /** Its number in the guest. */
  readonly node: number
  /** cpulist of the guest's CPUs; empty: none. */
  readonly cpus: string
  /** To each node, in the order of the guest's nodes. */
  readonly distances: readonly number[]
  /** Bytes of memory that its kernel manages. */
  readonly memoryBytes: number
}

/** What a guest says of its machine. */
export interface GuestTopologyReport {
  /** CPUs that are online. */
  readonly cpus: number
  /** Ascending by number. */
  readonly nodes: readonly GuestNode[]
}

/** More than any guest has to say. */
const MAX_BYTES = 256 * 1024
const GUEST_PAGE = 4096
/** Memory below 1 MiB that is a PC's, and a page that Linux keeps. */
const LOW_MEMORY_HOLE = 1024 ** 2

/** Collects the lines of a report. */
export class GuestReport {
  #text = ''

  readonly add = (bytes: Uint8Array): void => {
    if (this.#text.length < MAX_BYTES) this.#text += Buffer.from(bytes).toString('latin1')
  }

  /** `null`: it has not come to its end, or is none. */
  get topology(): GuestTopologyReport | null {
    return parseReport(this.#text)
  }
}

export function parseReport(text: string): GuestTopologyReport | null {
  const lines = text.split(/\r?\n/)
  if (!lines.includes('end')) return null
  const cpus = /^cpus (\d{1,6})$/m.exec(text)?.[1]
  if (cpus === undefined) return null
  const said = new Map<number, Map<string, string>>()
  for (const line of lines) {
    const [, id, word, value] = /^node (\d{1,4}) (cpus|distances|pages) ?(.*)$/.exec(line) ?? []
    if (id === undefined) continue
    const of = said.get(Number(id)) ?? new Map<string, string>()
    said.set(Number(id), of)
    // What is said first counts.
    if (!of.has(word!)) of.set(word!, value!.trim())
  }
  const nodes: GuestNode[] = []
  for (const [node, of] of said) {
    const [cpus, distances, pages] = ['cpus', 'distances', 'pages'].map((word) => of.get(word))
    const list = cpus === undefined ? null : cpulistOf(cpus)
    if (list === null) return null
    if (distances === undefined || !/^\d{1,3}( \d{1,3})*$/.test(distances)) return null
    if (pages === undefined || !/^\d{1,12}$/.test(pages)) return null
    const memoryBytes = Number(pages) * GUEST_PAGE
    nodes.push({ node, cpus: list, distances: distances.split(' ').map(Number), memoryBytes })
  }
  nodes.sort((a, b) => a.node - b.node)
  return { cpus: Number(cpus), nodes }
}

/** As the kernel writes it; `null`: it is none. */
function cpulistOf(text: string): string | null {
  if (!/^[\d,-]*$/.test(text)) return null
  try {
    return canonicalCpulist(text, { allowEmpty: true })
  } catch {
    return null
  }
}

/** `guest`: where the guest sees another machine than the plan has. */
export function guestFindings(vm: string, told: AcpiMachine, seen: GuestTopologyReport): Finding[] {
  const findings: Finding[] = []
  const add = (text: string, cell?: number) =>
    findings.push({ constraint: 'guest', text: `VM "${vm}": ${text}`, vm, ...(cell === undefined ? {} : { cell }) })
  const cpus = told.nodes.reduce((sum, node) => sum + node.cpus.length, 0)
  if (seen.cpus !== cpus) add(`the guest has ${seen.cpus} CPUs online, the plan ${cpus} vCPUs`)
  if (seen.nodes.length !== told.nodes.length) {
    add(`the guest has ${seen.nodes.length} nodes, the plan ${told.nodes.length} cells`)
    return findings
  }
  for (const [cell, { cpus, memory }] of told.nodes.entries()) {
    const { cpus: found, distances, memoryBytes } = seen.nodes[cell]!
    // Linux numbers its CPUs as the processors are listed, which is in the order of the vCPUs.
    const planned = formatCpulist(cpus.map(({ uid }) => uid).sort((a, b) => a - b))
    if (found !== planned)
      add(`node ${cell} of the guest has CPU ${found || 'none'}, the plan vCPU ${planned || 'none'}`, cell)
    const bytes = memory.reduce((sum, range) => sum + range.bytes, 0)
    if (memoryBytes > bytes || memoryBytes < bytes - LOW_MEMORY_HOLE) {
      add(`node ${cell} of the guest has ${formatBytes(memoryBytes)}, the plan ${formatBytes(bytes)}`, cell)
    }
    const row = told.distances[cell]!
    if (distances.join() !== row.join()) {
      add(`node ${cell} of the guest is at distances ${distances.join(' ')}, it was told ${row.join(' ')}`, cell)
    }
  }
  return findings
}
