/**
 * The cost of a placement (docs/model.md, "Rounding"), in whole micro-vCPUs. The expressions are evaluated in the order
 * that the page writes them, so that every implementation gets the same doubles.
 */

import { COST_TERMS, type CostTerm, type Host, type NodeId, type PlanVm, type Request } from '../types.js'
import { groupBy, type Machine, machineOf } from './machine.js'
import { MICRO, round } from './micro.js'
import { migration } from './migration.js'
import { sharedDemand } from './nodes.js'
import { type Occupancy, occupancyOf } from './occupancy.js'
import { type PlacedCell, type PlacedVcpu, type PlacedVm, placedVms } from './placement.js'
import { communication } from './traffic.js'

/** Micro-vCPUs by cause. */
export type MicroTerms = Readonly<Record<CostTerm, number>>

export interface Price {
  /** Of the plan: the VMs' terms, and the nodes' (`overcommit`, `bandwidth`). */
  readonly terms: MicroTerms
  readonly vms: ReadonlyMap<string, MicroTerms>
}

/** SLIT distance of a node to itself. */
const LOCAL = 10
/** Capacity of the fastest kind of core. */
const FASTEST = 1024

/** The cost of `vms`, placed on `host` as `request` asks; the shape of `vms` has to be a plan's. */
export function costOf(host: Host, request: Request, vms: readonly PlanVm[]): Price {
  const machine = machineOf(host, request)
  const placed = placedVms(request, vms)
  return priceOf(machine, occupancyOf(machine, placed), request, placed)
}

export function priceOf(machine: Machine, occupancy: Occupancy, request: Request, vms: readonly PlacedVm[]): Price {
  const ofVm = new Map(vms.map((vm) => [vm.name, vmTerms(machine, occupancy, request, vm)]))
  const terms = { ...NOTHING, overcommit: overcommit(occupancy, vms), bandwidth: bandwidth(machine, vms) }
  for (const own of ofVm.values()) for (const term of COST_TERMS) terms[term] += own[term]
  return { terms, vms: ofVm }
}

export function totalOf(terms: MicroTerms): number {
  return sum(COST_TERMS.map((term) => terms[term]))
}

const NOTHING = Object.fromEntries(COST_TERMS.map((term) => [term, 0])) as MicroTerms

function vmTerms(machine: Machine, occupancy: Occupancy, request: Request, vm: PlacedVm): MicroTerms {
  const { model } = request
  return {
    ...NOTHING,
    remoteMemory: remoteMemory(machine, model.home, vm),
    communication: round(communication(machine, model.communication, vm)),
    smt: round(vm.request.weight * machine.smt * MICRO * busySiblings(machine, occupancy, vm)),
    capacity: round((vm.request.weight * slowness(machine, occupancy, vm)) / FASTEST),
    cells: round(vm.request.weight * model.cells * MICRO * vm.vcpus.length * (vm.cells.length - 1)),
    device: round((vm.request.weight * model.device * demandOf(vm.vcpus) * deviceDistance(machine, vm)) / LOCAL),
    migration: migration(model, vm),
  }
}

function demandOf(vcpus: readonly PlacedVcpu[]): number {
  return sum(vcpus.map((vcpu) => vcpu.demand))
}

function remoteMemory(machine: Machine, home: number, vm: PlacedVm): number {
  const { weight, memoryBound } = vm.request
  const all = pagesByNode(machine, vm.cells)
  const allPages = sum(all.values())
  const allReach = new Map(vm.nodes.map((from) => [from, reach(machine, from, all)]))
  let demand = 0
  for (const cell of vm.cells) {
    const own = pagesByNode(machine, [cell])
    const ownPages = sum(own.values())
    const otherPages = allPages - ownPages
    const byNode = groupBy(cell.vcpus, (vcpu) => vcpu.node)
    for (const from of cell.nodes) {
      const ownReach = reach(machine, from, own)
      const otherReach = allReach.get(from)! - ownReach
      const ownMean = ownReach / ownPages
      const mean = otherPages === 0 ? ownMean : home * ownMean + ((1 - home) * otherReach) / otherPages
      demand += demandOf(byNode.get(from)!) * mean
    }
  }
  return round((weight * memoryBound * demand) / LOCAL)
}

/** Pages of the base size. */
function pagesByNode(machine: Machine, cells: readonly PlacedCell[]): Map<NodeId, number> {
  const pages = new Map<NodeId, number>()
  for (const { node, bytes } of cells.flatMap((cell) => cell.memory)) {
    pages.set(node, (pages.get(node) ?? 0) + bytes / machine.pageSizes[0]!)
  }
  return pages
}

/** Sum of pages x (distance - 10), seen from a node. */
function reach(machine: Machine, from: NodeId, pages: ReadonlyMap<NodeId, number>): number {
  return sum([...pages].map(([node, count]) => count * (machine.distance(from, node) - LOCAL)))
}

/** Busy siblings and, under `prefer` and `require`, cores beyond the fewest that could hold a cell. */
function busySiblings(machine: Machine, occupancy: Occupancy, vm: PlacedVm): number {
  const own = (occupancy.ofVm.get(vm) ?? []).filter((holder) => holder.vcpu !== undefined)
  const countsOwn = vm.request.threadPolicy === 'isolate' || vm.request.threadPolicy === 'spread'
  let count = 0
  for (const holder of own) {
    for (const other of occupancy.ofCore.get(holder.core) ?? []) {
      if (other.vcpu !== undefined && other !== holder && (countsOwn || other.vm !== vm)) count++
    }
  }
  if (countsOwn) return count
  for (const holders of groupBy(own, (holder) => holder.cell).values()) {
    const cores = new Set(holders.map((holder) => holder.core)).size
    count += cores - Math.ceil(holders.length / machine.widestCore)
  }
  return count
}

/** Sum of demand x (1024 - capacity). */
function slowness(machine: Machine, occupancy: Occupancy, vm: PlacedVm): number {
  const capacityOf = ({ dedicated, cpus, node }: PlacedVcpu): number =>
    dedicated ? (machine.cpus.get(cpus[0]!)?.capacity ?? FASTEST) : occupancy.shared(node).capacity
  return sum(vm.vcpus.map((vcpu) => vcpu.demand * (FASTEST - capacityOf(vcpu))))
}

/** Over the devices that are not strict: distance beyond local from the nearest node that holds vCPUs. */
function deviceDistance(machine: Machine, vm: PlacedVm): number {
  const soft = vm.request.devices.filter((device) => !device.strict)
  return sum(soft.map(({ node }) => Math.min(...vm.nodes.map((from) => machine.distance(from, node))) - LOCAL))
}

function overcommit(occupancy: Occupancy, vms: readonly PlacedVm[]): number {
  const beyond = [...sharedDemand(vms)].map(([node, demand]) => demand - MICRO * occupancy.shared(node).cpus.length)
  return sum(beyond.map((micro) => Math.max(0, micro)))
}

function bandwidth(machine: Machine, vms: readonly PlacedVm[]): number {
  /** By node, in the order of the VMs: bytes a second that are taken from its memory, and what of its vCPUs' demand waits for memory. */
  const taken = new Map<NodeId, number>()
  const bound = new Map<NodeId, number>()
  for (const vm of vms) {
    const parts = groupBy(
      vm.cells.flatMap((cell) => cell.memory),
      ({ node }) => node,
    )
    for (const [node, own] of parts) {
      const bytes = sum(own.map((part) => part.bytes))
      taken.set(node, (taken.get(node) ?? 0) + round((vm.request.bandwidth * bytes) / vm.request.memory))
    }
    for (const [node, vcpus] of groupBy(vm.vcpus, ({ node }) => node)) {
      bound.set(node, (bound.get(node) ?? 0) + round(demandOf(vcpus) * vm.request.memoryBound))
    }
  }
  const lost = [...machine.nodes.keys()].map((id) => {
    const given = machine.bandwidth(id)
    const demand = taken.get(id) ?? 0
    return given === undefined || demand <= given ? 0 : round((1 - given / demand) * (bound.get(id) ?? 0))
  })
  return sum(lost)
}

function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const number of numbers) total += number
  return total
}
