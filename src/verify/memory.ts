/** The constraints on memory: page-size, memory-policy, memory-capacity. */

import { formatCpulist } from '../cpulist.js'
import { assertNever, type Finding } from '../errors.js'
import type { NodeId } from '../types.js'
import type { Machine } from './machine.js'
import { nodesApart } from './nodes.js'
import { type PlacedCell, type PlacedVm, vcpuNodes } from './placement.js'
import type { Violation } from './violation.js'

/** Pages of each size that the plan leaves free on each node; negative where it takes too many. */
type PagesLeft = (node: NodeId, size: number) => number

/** @param isFinal false for a state in which VMs are still to move: pages that are left then are left for them */
export function checkMemory(machine: Machine, vms: readonly PlacedVm[], isFinal: boolean): Violation[] {
  const taken = takenBytes(vms)
  const left: PagesLeft = (node, size) =>
    isFinal ? machine.freePages(node, size) - Math.ceil((taken.get(node)?.get(size) ?? 0) / size) : 0
  return [
    ...vms.flatMap((vm) => vm.cells.flatMap((cell) => checkPageSize(machine, left, vm, cell))),
    ...vms.flatMap((vm) => vm.cells.flatMap((cell) => checkPolicy(machine, left, vms, vm, cell))),
    ...checkCapacity(machine, taken),
  ]
}

function takenBytes(vms: readonly PlacedVm[]): Map<NodeId, Map<number, number>> {
  const taken = new Map<NodeId, Map<number, number>>()
  for (const { pageSize, memory } of vms.flatMap((vm) => vm.cells)) {
    for (const { node, bytes } of memory) {
      const sizes = taken.get(node) ?? new Map<number, number>()
      taken.set(node, sizes.set(pageSize, (sizes.get(pageSize) ?? 0) + bytes))
    }
  }
  return taken
}

function checkCapacity(machine: Machine, taken: Map<NodeId, Map<number, number>>): Violation[] {
  return [...taken].flatMap(([node, sizes]) =>
    [...sizes].flatMap(([size, bytes]) => {
      const free = machine.freePages(node, size)
      const pages = Math.ceil(bytes / size)
      if (pages <= free) return []
      const text = `node ${node} has ${free} free pages of ${size} bytes, the plan takes ${pages}`
      const parties = [`node ${node}, pages of ${size} bytes`]
      return [{ constraint: 'memory-capacity', text, parties, excess: pages - free }]
    }),
  )
}

function checkPageSize(machine: Machine, left: PagesLeft, vm: PlacedVm, placed: PlacedCell): Finding[] {
  const { cell, pageSize, memory, bytes } = placed
  const asked = vm.request.pageSize
  const found = (text: string): Finding[] => [
    { constraint: 'page-size', vm: vm.name, cell, text: `${vm.name}: cell ${cell} ${text}` },
  ]
  if (asked !== 'any' && pageSize !== asked) return found(`has pages of ${pageSize} bytes, ${asked} were asked for`)
  if (!machine.pageSizes.includes(pageSize)) return found(`has pages of ${pageSize} bytes, which the host has not`)
  const broken = memory.find((part) => part.bytes % pageSize !== 0)
  if (broken !== undefined)
    return found(`has ${broken.bytes} bytes on node ${broken.node}, no whole pages of ${pageSize}`)
  if (asked !== 'any') return []
  const larger = machine.pageSizes.find(
    (size) =>
      size > pageSize &&
      bytes % size === 0 &&
      memory.every((part) => part.bytes % size === 0 && left(part.node, size) >= part.bytes / size),
  )
  return larger === undefined ? [] : found(`has pages of ${pageSize} bytes where enough of ${larger} are left free`)
}

function checkPolicy(
  machine: Machine,
  left: PagesLeft,
  vms: readonly PlacedVm[],
  vm: PlacedVm,
  cell: PlacedCell,
): Finding[] {
  const { memoryPolicy } = vm.request
  const problem = (): string | undefined => {
    switch (memoryPolicy) {
      case 'strict':
        return strictProblem(machine, cell)
      case 'preferred':
        return spillProblem(machine, left, nodesApart(vms, vm), cell)
      case 'interleave':
        return interleaveProblem(machine, vm, cell)
      default:
        return assertNever(memoryPolicy)
    }
  }
  const text = problem()
  if (text === undefined) return []
  return [{ constraint: 'memory-policy', vm: vm.name, cell: cell.cell, text: `${vm.name}: cell ${cell.cell} ${text}` }]
}

/** On the memory nodes of its vCPUs, in proportion to them: less than a page from the exact share. */
function strictProblem(machine: Machine, cell: PlacedCell): string | undefined {
  const homes = cell.vcpus.map((vcpu) => machine.memoryNode(vcpu.node))
  for (const node of new Set([...homes, ...cell.memory.map((part) => part.node)])) {
    const vcpus = homes.filter((home) => home === node).length
    const given = bytesOn(cell, node)
    const share = (cell.bytes * vcpus) / homes.length
    if (vcpus === 0) return `has ${given} bytes on node ${node}, its vCPUs have theirs on ${formatCpulist(homes)}`
    if (Math.abs(given - share) >= cell.pageSize) return `has ${given} bytes on node ${node}, its share is ${share}`
  }
  return undefined
}

/** On a node that is not nearest only where every nearer one is full, or kept from this VM by one that it is apart from. */
function spillProblem(
  machine: Machine,
  left: PagesLeft,
  apart: ReadonlySet<NodeId>,
  cell: PlacedCell,
): string | undefined {
  const nodes = vcpuNodes(cell.vcpus)
  const homes = nodes.map(machine.memoryNode)
  const reach = (to: NodeId): number =>
    homes.includes(to) ? 0 : Math.min(...nodes.map((node) => machine.distance(node, to)))
  const farthest = Math.max(...cell.memory.map((part) => reach(part.node)))
  const isOpen = (node: NodeId): boolean => !apart.has(node) && left(node, cell.pageSize) > 0
  const open = [...machine.nodes.keys()].find((node) => reach(node) < farthest && isOpen(node))
  if (open === undefined) return undefined
  const used = formatCpulist(cell.memory.map((part) => part.node))
  return `has memory on nodes ${used}, though node ${open} is nearer and has ${left(open, cell.pageSize)} free pages left`
}

/** Evenly over the memory nodes of the VM's vCPUs: to a page. */
function interleaveProblem(machine: Machine, vm: PlacedVm, cell: PlacedCell): string | undefined {
  const homes = new Set(vcpuNodes(vm.vcpus).map(machine.memoryNode))
  const share = cell.bytes / homes.size
  for (const node of new Set([...homes, ...cell.memory.map((part) => part.node)])) {
    const given = bytesOn(cell, node)
    if (!homes.has(node)) return `has ${given} bytes on node ${node}, the VM uses nodes ${formatCpulist(homes)}`
    if (Math.abs(given - share) >= cell.pageSize)
      return `has ${given} bytes on node ${node}, its even share is ${share}`
  }
  return undefined
}

function bytesOn(cell: PlacedCell, node: NodeId): number {
  return cell.memory.find((part) => part.node === node)?.bytes ?? 0
}
