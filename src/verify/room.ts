/** Room for VMs that are expected (docs/model.md, "Room for those to come"): how many of each size the nodes still take. */

import type { ExpectedVm, NodeId, Request } from '../types.js'
import { groupBy, type Machine, type MachineCpu } from './machine.js'
import { takenPages } from './memory.js'
import { MICRO, round } from './micro.js'
import { sharedDemand } from './nodes.js'
import { occupancyOf } from './occupancy.js'
import type { PlacedVm } from './placement.js'

/** A size that is expected, and the room for it. */
export interface RoomForSize extends ExpectedVm {
  /** Whole VMs of the size, if no other comes. */
  readonly room: number
}

/** What a node has for VMs that come. */
interface Left {
  /** Usable CPUs on cores without a dedicated thread, and such cores, less those that shared demand needs. */
  readonly cpus: number
  readonly cores: number
  /** Pages of a size that are free on the node's memory nodes. */
  pages(size: number): number
}

/** The planner takes no more for one VM. */
const MOST_CELLS = 256

/** By default a VM without devices keeps off their nodes, where the request names such. */
const DEFAULT_NODES = { memoryNodes: null, avoidDeviceNodes: true }

export function roomsOf(machine: Machine, request: Request, vms: readonly PlacedVm[]): RoomForSize[] {
  const empty = leftBy(machine, request, [])
  const left = leftBy(machine, request, vms)
  const count = (nodes: readonly Left[], vcpus: number, bytes: number) =>
    nodes.reduce((sum, node) => sum + cellsOn(machine, node, vcpus, bytes), 0)
  return request.expect.map((size) => {
    const divided = (cells: number) => cellOf(machine, size, cells)
    const numbers = Array.from({ length: Math.min(size.vcpus, MOST_CELLS) }, (_, at) => at + 1)
    const cells = numbers.find((number) => count(empty, ...divided(number)) > 0)
    return { ...size, room: cells === undefined ? 0 : Math.floor(count(left, ...divided(cells)) / cells) }
  })
}

/** The mean of the sizes' room, by their shares; 0 where nothing is expected. */
export function meanRoom(sizes: readonly RoomForSize[]): number {
  const shares = sizes.reduce((sum, { share }) => sum + microShare(share), 0)
  return shares === 0 ? 0 : sizes.reduce((sum, { share, room }) => sum + microShare(share) * room, 0) / shares
}

function microShare(share: number): number {
  return Math.max(1, round(share * MICRO))
}

/** vCPUs and bytes of the largest cell of a VM that is divided into so many. */
function cellOf({ pageSizes }: Machine, { vcpus, memory }: ExpectedVm, cells: number): [number, number] {
  const page = pageSizes[0]!
  return [Math.ceil(vcpus / cells), Math.ceil(memory / page / cells) * page]
}

/** How many such cells the node takes, each on cores of its own. */
function cellsOn({ pageSizes, widestCore }: Machine, node: Left, vcpus: number, bytes: number): number {
  const byCpus = Math.floor(node.cpus / vcpus)
  const byCores = Math.floor(node.cores / Math.ceil(vcpus / widestCore))
  const sizes = pageSizes.filter((size) => bytes % size === 0)
  const byPages = sizes.reduce((sum, size) => sum + Math.floor(node.pages(size) / (bytes / size)), 0)
  return Math.max(0, Math.min(byCpus, byCores, byPages))
}

/** The nodes that VMs to come may be on, with what these leave. */
function leftBy(machine: Machine, request: Request, vms: readonly PlacedVm[]): Left[] {
  const { ofCore } = occupancyOf(machine, vms)
  const taken = takenPages(vms)
  const demand = sharedDemand(vms)
  const idle = [...machine.usableOfCore].flatMap(([core, cpus]) => (ofCore.has(core) ? [] : [cpus]))
  const idleOf = groupBy(idle, nodeOf)
  const free = (node: NodeId, size: number) => machine.freePages(node, size) - (taken.get(size)?.get(node) ?? 0)
  return machine.usableNodes.flatMap((node) => {
    if (request.deviceNodes.includes(node)) return []
    const cores = idleOf.get(node) ?? []
    const needed = Math.ceil((demand.get(node) ?? 0) / (request.overcommit * MICRO))
    const homes = machine.memoryNodes(DEFAULT_NODES, node)
    return [
      {
        cpus: cores.reduce((sum, { length }) => sum + length, 0) - needed,
        cores: cores.length - Math.ceil(needed / machine.widestCore),
        pages: (size) => homes.reduce((sum, home) => sum + free(home, size), 0),
      },
    ]
  })
}

/** A core is on the node of its first CPU, isolated ones before others. */
function nodeOf(cpus: readonly MachineCpu[]): NodeId {
  return (cpus.find((cpu) => cpu.isolated) ?? cpus[0]!).node
}
