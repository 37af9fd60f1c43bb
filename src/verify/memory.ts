/** The constraints on how much memory there is and in which pages: memory-capacity, memory-limit, page-size. */

import type { Finding } from '../errors.js'
import type { NodeId, Request } from '../types.js'
import type { Machine } from './machine.js'
import { checkPolicies } from './memory-nodes.js'
import type { Relations } from './nodes.js'
import type { PlacedCell, PlacedVm } from './placement.js'
import type { Violation } from './violation.js'

/** What the plan leaves; negative where it takes too many. */
export interface PagesLeft {
  /** Of the size, of the node's free pages. */
  free(node: NodeId, size: number): number
  /** Of the size, of what all nodes together can give. */
  limit(size: number): number
}

/** In a state in which VMs are still to move, pages that are left are left for them. */
const NOTHING_LEFT: PagesLeft = { free: () => 0, limit: () => 0 }

/** @param isFinal false for a state in which VMs are still to move */
export function checkMemory(
  machine: Machine,
  request: Request,
  vms: readonly PlacedVm[],
  relations: Relations,
  isFinal: boolean,
): Violation[] {
  const taken = takenPages(vms)
  const left = isFinal ? pagesLeft(machine, taken) : NOTHING_LEFT
  return [
    ...vms.flatMap((vm) => vm.cells.flatMap((cell) => checkPageSize(machine, left, vm, cell))),
    ...checkPolicies(machine, request, left, vms, relations),
    ...checkCapacity(machine, taken),
    ...checkLimits(machine, taken),
  ]
}

/** By size and node. */
type Taken = ReadonlyMap<number, ReadonlyMap<NodeId, number>>

export function takenPages(vms: readonly PlacedVm[]): Taken {
  const bytes = new Map<number, Map<NodeId, number>>()
  for (const { pageSize, memory } of vms.flatMap((vm) => vm.cells)) {
    const nodes = bytes.get(pageSize) ?? new Map<NodeId, number>()
    bytes.set(pageSize, nodes)
    for (const part of memory) nodes.set(part.node, (nodes.get(part.node) ?? 0) + part.bytes)
  }
  const inPages = (nodes: ReadonlyMap<NodeId, number>, size: number) =>
    new Map([...nodes].map(([node, total]) => [node, Math.ceil(total / size)]))
  return new Map([...bytes].map(([size, nodes]) => [size, inPages(nodes, size)]))
}

function totalOf(taken: Taken, size: number): number {
  return [...(taken.get(size)?.values() ?? [])].reduce((sum, pages) => sum + pages, 0)
}

function pagesLeft(machine: Machine, taken: Taken): PagesLeft {
  const totals = new Map([...taken.keys()].map((size) => [size, totalOf(taken, size)]))
  return {
    free: (node, size) => machine.freePages(node, size) - (taken.get(size)?.get(node) ?? 0),
    limit: (size) => machine.limitPages(size) - (totals.get(size) ?? 0),
  }
}

function checkCapacity(machine: Machine, taken: Taken): Violation[] {
  return [...taken].flatMap(([size, nodes]) =>
    [...nodes].flatMap(([node, pages]) => {
      const free = machine.freePages(node, size)
      if (pages <= free) return []
      const text = `node ${node} has ${free} free pages of ${size} bytes, the plan takes ${pages}`
      const parties = [`node ${node}, pages of ${size} bytes`]
      return [{ constraint: 'memory-capacity', text, parties, excess: pages - free }]
    }),
  )
}

function checkLimits(machine: Machine, taken: Taken): Violation[] {
  return [...taken.keys()].flatMap((size) => {
    const [pages, limit] = [totalOf(taken, size), machine.limitPages(size)]
    if (pages <= limit) return []
    const text = `all nodes together give at most ${limit} pages of ${size} bytes, the plan takes ${pages}`
    return [{ constraint: 'memory-limit', text, parties: [`pages of ${size} bytes`], excess: pages - limit }]
  })
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
      left.limit(size) >= bytes / size &&
      memory.every((part) => part.bytes % size === 0 && left.free(part.node, size) >= part.bytes / size),
  )
  return larger === undefined ? [] : found(`has pages of ${pageSize} bytes where enough of ${larger} are left free`)
}
