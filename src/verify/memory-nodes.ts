/** The constraints on which nodes memory is on: memory-nodes, device-nodes (of memory), memory-policy. */

import { formatCpulist } from '../cpulist.js'
import { assertNever } from '../errors.js'
import type { NodeId, Request } from '../types.js'
import { groupBy, type Machine } from './machine.js'
import type { PagesLeft } from './memory.js'
import type { Relations } from './nodes.js'
import type { PlacedCell, PlacedVm } from './placement.js'
import { canBeShared, type Share } from './shares.js'
import type { Violation } from './violation.js'

/** How a cell's memory is divided is judged once it is on nodes that it may be on. */
export function checkPolicies(
  machine: Machine,
  request: Request,
  left: PagesLeft,
  vms: readonly PlacedVm[],
  relations: Relations,
): Violation[] {
  const avoided = new Set(request.deviceNodes)
  return vms.flatMap((vm) => {
    const problemOf = policyOf(machine, left, vm, relations)
    return vm.cells.flatMap((cell) => {
      const strange = checkNodes(machine, avoided, vm, cell)
      if (strange.length > 0) return strange
      const problem = problemOf(cell)
      if (problem === undefined) return []
      const text = `${vm.name}: cell ${cell.cell} ${problem}`
      return [{ constraint: 'memory-policy', vm: vm.name, cell: cell.cell, text }]
    })
  })
}

function checkNodes(machine: Machine, avoided: ReadonlySet<NodeId>, vm: PlacedVm, placed: PlacedCell): Violation[] {
  const may = machine.memoryOf(vm.request)
  return placed.memory.flatMap(({ node }) => {
    if (may.has(node)) return []
    const { memoryNodes, avoidDeviceNodes } = vm.request
    const isNamed = memoryNodes === null || memoryNodes.includes(node)
    const isAvoided = isNamed && avoidDeviceNodes && avoided.has(node)
    const why = isAvoided ? 'has devices' : isNamed ? 'has no memory for VMs' : 'is not one of its memoryNodes'
    const text = `${vm.name}: cell ${placed.cell} has memory on node ${node}, which ${why}`
    const parties = [`memory of cell ${placed.cell} of ${vm.name} on node ${node}`]
    const constraint = isAvoided ? 'device-nodes' : 'memory-nodes'
    return [{ constraint, vm: vm.name, cell: placed.cell, text, parties }]
  })
}

/** What is wrong with where a cell's memory is; `undefined`: nothing. */
type Policy = (cell: PlacedCell) => string | undefined

function policyOf(machine: Machine, left: PagesLeft, vm: PlacedVm, { apart, nodes }: Relations): Policy {
  const homesOf = new Map(vm.nodes.map((node) => [node, machine.memoryNodes(vm.request, node)]))
  const { memoryPolicy } = vm.request
  switch (memoryPolicy) {
    case 'strict':
      return (cell) => strictProblem(homesOf, cell)
    case 'preferred': {
      const closed = new Set(apart.get(vm)!.flatMap((other) => [...nodes.get(other)!]))
      const open = [...machine.memoryOf(vm.request)].filter((node) => !closed.has(node))
      return (cell) => spillProblem(machine, left, homesOf, open, cell)
    }
    case 'interleave': {
      const homes = new Set([...homesOf.values()].flat())
      return (cell) => interleaveProblem(homes, cell)
    }
    default:
      return assertNever(memoryPolicy)
  }
}

/** The memory nodes of each node that holds vCPUs of the VM. */
type Homes = ReadonlyMap<NodeId, readonly NodeId[]>

/** On the memory nodes of its vCPUs, in proportion to them: less than a page from the exact share. */
function strictProblem(homesOf: Homes, cell: PlacedCell): string | undefined {
  const { pageSize, bytes, vcpus, memory } = cell
  const strange = strangeProblem(new Set(cell.nodes.flatMap((node) => homesOf.get(node)!)), cell)
  if (strange !== undefined) return strange
  // checkPageSize reports pages that are not whole.
  if (memory.some((part) => part.bytes % pageSize !== 0)) return undefined
  const shares = [...groupBy(vcpus, ({ node }) => node)].map(([node, own]): Share => {
    const exact = ((bytes / pageSize) * own.length) / vcpus.length
    return { least: Math.floor(exact), most: Math.ceil(exact), on: homesOf.get(node)! }
  })
  if (canBeShared(new Map(memory.map((part) => [part.node, part.bytes / pageSize])), shares)) return undefined
  const short = shares.find(({ on }) => bytesOn(cell, on) < leastOn(shares, on) * pageSize)
  if (short === undefined) return `has ${partsOf(cell)}, which cannot be divided into the shares of its vCPUs' nodes`
  const { on } = short
  return `has ${bytesOn(cell, on)} bytes on node ${formatCpulist(on)}, its share is ${leastOn(shares, on) * pageSize}`
}

/** The least pages that have to be on these nodes: those of vCPUs that have no other memory nodes. */
function leastOn(shares: readonly Share[], nodes: readonly NodeId[]): number {
  const own = shares.filter(({ on }) => on.every((node) => nodes.includes(node)))
  return own.reduce((sum, { least }) => sum + least, 0)
}

/** Where memory is on a node that is not nearest, every nearer one is full, or kept from this VM by one that it is apart from. */
function spillProblem(
  machine: Machine,
  left: PagesLeft,
  homesOf: Homes,
  open: readonly NodeId[],
  cell: PlacedCell,
): string | undefined {
  const homes = new Set(cell.nodes.flatMap((node) => homesOf.get(node)!))
  const reach = (to: NodeId): number =>
    homes.has(to) ? 0 : Math.min(...cell.nodes.map((node) => machine.distance(node, to)))
  const farthest = Math.max(...cell.memory.map((part) => reach(part.node)))
  if (farthest === 0) return undefined
  const pagesLeft = (node: NodeId) => Math.min(left.free(node, cell.pageSize), left.limit(cell.pageSize))
  const nearer = open.find((node) => pagesLeft(node) > 0 && reach(node) < farthest)
  if (nearer === undefined) return undefined
  const used = formatCpulist(cell.memory.map((part) => part.node))
  return `has memory on nodes ${used}, though node ${nearer} is nearer and has ${pagesLeft(nearer)} free pages left`
}

/** Evenly over the memory nodes of the VM's vCPUs: to a page. */
function interleaveProblem(homes: ReadonlySet<NodeId>, cell: PlacedCell): string | undefined {
  const strange = strangeProblem(homes, cell)
  if (strange !== undefined) return strange
  const share = cell.bytes / homes.size
  const given = new Map(cell.memory.map((part) => [part.node, part.bytes]))
  const uneven = [...homes].find((node) => Math.abs((given.get(node) ?? 0) - share) >= cell.pageSize)
  if (uneven === undefined) return undefined
  return `has ${given.get(uneven) ?? 0} bytes on node ${uneven}, its even share is ${share}`
}

/** Memory on a node that is no memory node of its vCPUs. */
function strangeProblem(homes: ReadonlySet<NodeId>, cell: PlacedCell): string | undefined {
  const strange = cell.memory.find(({ node }) => !homes.has(node))
  if (strange === undefined) return undefined
  return `has ${strange.bytes} bytes on node ${strange.node}, its vCPUs have theirs on ${formatCpulist(homes) || 'none'}`
}

function bytesOn(cell: PlacedCell, nodes: readonly NodeId[]): number {
  return cell.memory.reduce((sum, { node, bytes }) => sum + (nodes.includes(node) ? bytes : 0), 0)
}

function partsOf(cell: PlacedCell): string {
  return cell.memory.map(({ node, bytes }) => `${bytes} bytes on node ${node}`).join(', ')
}
