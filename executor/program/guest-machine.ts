/** What the firmware's tables tell a guest of a planned VM: a node for each cell, as far apart as the host's. */

import type { HostNode } from '../../src/types.js'
import type { AcpiMachine, AcpiSerial, AcpiVirtio } from '../acpi/machine.js'
import { POWER } from '../devices/power.js'
import { gpaRanges } from '../plan/address-map.js'
import type { GuestTopology } from '../plan/guest-topology.js'
import type { CellLayout, VmLayout } from '../plan/layout.js'

/** What is known of the host; empty where nothing is. */
export interface HostDistances {
  readonly nodes: readonly HostNode[]
  readonly distances: readonly (readonly number[])[]
}

export interface GuestDevices {
  readonly serials: readonly AcpiSerial[]
  readonly virtios: readonly AcpiVirtio[]
}

const LOCAL = 10
const REMOTE = 20
const MAX_DISTANCE = 254

export function guestMachine(
  layout: VmLayout,
  topology: GuestTopology,
  host: HostDistances,
  devices: GuestDevices,
): AcpiMachine {
  const { cells } = layout
  const homes = cells.map(homeOf)
  return {
    ...devices,
    power: {
      sleepControl: POWER.start + POWER.sleepControl,
      sleepStatus: POWER.start + POWER.sleepStatus,
      reset: POWER.start + POWER.reset,
      resetValue: POWER.resetValue,
      offType: POWER.offType,
    },
    nodes: cells.map((cell) => ({
      cpus: layout.vcpus.flatMap(({ vcpu, cell: of }, i) =>
        of === cell.cell ? [{ uid: vcpu, apicId: topology.apicIds[i]! }] : [],
      ),
      memory: gpaRanges(cell.offset, cell.bytes).map(({ gpa, bytes }) => ({ gpa, bytes })),
    })),
    distances: homes.map((from, i) =>
      homes.map((to, j) => (i === j ? LOCAL : guestDistance(host, from.cpu, to.memory))),
    ),
    bandwidths: homes.map((from) => homes.map((to) => bandwidth(host, from.cpu, to.memory))),
  }
}

/** The host's nodes where most of a cell's vCPUs, and most of its memory, are. */
function homeOf({ vcpus, ranges }: CellLayout): {
  readonly cpu: number | undefined
  readonly memory: number | undefined
} {
  const count = new Map<number, number>()
  for (const { node } of vcpus) count.set(node, (count.get(node) ?? 0) + 1)
  const [cpu] = [...count].sort((a, b) => b[1] - a[1])[0] ?? []
  const memory = [...ranges].sort((a, b) => b.bytes - a.bytes)[0]?.node
  return { cpu: cpu ?? memory, memory: memory ?? cpu }
}

function hostDistance({ nodes, distances }: HostDistances, from: number | undefined, to: number | undefined): number {
  const [row, column] = [from, to].map((id) => nodes.findIndex((node) => node.id === id))
  return distances[row!]?.[column!] ?? REMOTE
}

/** Linux drops a SLIT where another node than its own is at distance 10, as two cells on one node are: they are at 11. */
function guestDistance(host: HostDistances, from: number | undefined, to: number | undefined): number {
  return Math.min(Math.max(hostDistance(host, from, to), LOCAL + 1), MAX_DISTANCE)
}

/** The host's figure is that of the nearest CPUs; from elsewhere nobody knows. */
function bandwidth(host: HostDistances, from: number | undefined, to: number | undefined): number | null {
  const target = host.nodes.find(({ id }) => id === to)
  return from === to ? (target?.bandwidth ?? null) : null
}
