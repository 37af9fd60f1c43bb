/** Which processors and which memory are near to each other, and how far the rest is. */

import { joined, table, u8, u16, u32, u64, zeros } from './bytes.js'
import type { AcpiMachine } from './machine.js'

const ENABLED = 1

/**
 * Affinities. Linux numbers its nodes as their domains come first here, so they come in their order.
 * Source: ACPI 6.5, 5.2.16
 */
export function srat({ nodes }: AcpiMachine): Uint8Array {
  const entries = nodes.flatMap(({ cpus, memory }, domain) => [
    ...cpus.map(({ apicId }) => joined(u8(2), u8(24), u16(0), u32(domain), u32(apicId), u32(ENABLED), u32(0), u32(0))),
    ...memory.map(({ gpa, bytes }) =>
      joined(u8(1), u8(40), u32(domain), u16(0), u64(gpa), u64(bytes), u32(0), u32(ENABLED), u64(0)),
    ),
  ])
  return table('SRAT', 3, u32(1), u64(0), ...entries)
}

/** Distances. Source: ACPI 6.5, 5.2.17 */
export function slit({ distances }: AcpiMachine): Uint8Array {
  return table('SLIT', 1, u64(distances.length), ...distances.flatMap((row) => row.map(u8)))
}

const LATENCY_AND_BANDWIDTH = 1
const ACCESS_BANDWIDTH = 3
/** The largest value of an entry; 0: nothing is known. */
const MAX_ENTRY = 0xfffe
const MEGABYTE = 1e6

/**
 * Bandwidths, from the domains with processors to those with memory.
 * @returns `null` where none is known
 * Source: ACPI 6.5, 5.2.28.4
 */
export function hmat({ nodes, bandwidths }: AcpiMachine): Uint8Array | null {
  const domains = nodes.map((_, domain) => domain)
  const initiators = domains.filter((domain) => nodes[domain]!.cpus.length > 0)
  const targets = domains.filter((domain) => nodes[domain]!.memory.length > 0)
  const known = initiators.flatMap((from) => targets.map((to) => bandwidths[from]![to] ?? 0))
  const most = Math.max(0, ...known) / MEGABYTE
  if (most === 0) return null
  const unit = Math.ceil(most / MAX_ENTRY)
  const body = joined(
    joined(u8(0), u8(ACCESS_BANDWIDTH), u8(0), u8(0)),
    joined(u32(initiators.length), u32(targets.length), u32(0), u64(unit)),
    ...[...initiators, ...targets].map(u32),
    ...known.map((bandwidth) => u16(Math.round(bandwidth / MEGABYTE / unit))),
  )
  const structure = joined(u16(LATENCY_AND_BANDWIDTH), u16(0), u32(8 + body.length), body)
  return table('HMAT', 2, zeros(4), structure)
}
