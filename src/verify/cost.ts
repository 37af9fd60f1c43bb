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
import { type PlacedCell, type PlacedVcpu, type PlacedVm, placedVms, vcpuNodes } from './placement.js'
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

const NOTHING: MicroTerms = {
  remoteMemory: 0,
  communication: 0,
  smt: 0,
  capacity: 0,
  cells: 0,
  device: 0,
  overcommit: 0,
  bandwidth: 0,
  migration: 0,
}

function vmTerms(machine: Machine, occupancy: Occupancy, request: Request, vm: PlacedVm): MicroTerms {
  const { model } = request
  return {
    ...NOTHING,
    remoteMemory: remoteMemory(machine, model.home, vm),
    communication: round(communication(machine, model.communication, vm)),
    smt: round(vm.request.weight * model.smt * MICRO * busySiblings(machine, occupancy, vm)),
    capacity: round((vm.request.weight * slowness(machine, occupancy, vm)) / FASTEST),
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
  let demand = 0
  for (const cell of vm.cells) {
    const own = pagesByNode(machine, [cell])
    const ownPages = sum(own.values())
    const otherPages = sum(all.values()) - ownPages
    const byNode = [...groupBy(cell.vcpus, (vcpu) => vcpu.node)].sort(([a], [b]) => a - b)
    for (const [from, vcpus] of byNode) {
      const ownReach = reach(machine, from, own)
      const otherReach = reach(machine, from, all) - ownReach
      const ownMean = ownReach / ownPages
      const mean = otherPages === 0 ? ownMean : home * ownMean + ((1 - home) * otherReach) / otherPages
      demand += demandOf(vcpus) * mean
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
  const meanOfShared = new Map(vcpuNodes(vm.vcpus).map((node) => [node, meanCapacity(occupancy, node)]))
  const capacityOf = ({ dedicated, cpus, node }: PlacedVcpu): number =>
    (dedicated ? machine.cpus.get(cpus[0]!)?.capacity : meanOfShared.get(node)) ?? FASTEST
  return sum(vm.vcpus.map((vcpu) => vcpu.demand * (FASTEST - capacityOf(vcpu))))
}

function meanCapacity(occupancy: Occupancy, node: NodeId): number {
  const cpus = occupancy.sharedCpus(node)
  if (cpus.length === 0) return FASTEST
  return Math.floor(sum(cpus.map((cpu) => cpu.capacity)) / cpus.length)
}

/** Over the devices that are not strict: distance beyond local from the nearest node that holds vCPUs. */
function deviceDistance(machine: Machine, vm: PlacedVm): number {
  const nodes = vcpuNodes(vm.vcpus)
  const soft = vm.request.devices.filter((device) => !device.strict)
  return sum(soft.map(({ node }) => Math.min(...nodes.map((from) => machine.distance(from, node))) - LOCAL))
}

function overcommit(occupancy: Occupancy, vms: readonly PlacedVm[]): number {
  const beyond = [...sharedDemand(vms)].map(([node, demand]) => demand - MICRO * occupancy.sharedCpus(node).length)
  return sum(beyond.map((micro) => Math.max(0, micro)))
}

function bandwidth(machine: Machine, vms: readonly PlacedVm[]): number {
  let lost = 0
  for (const { id, bandwidth: given } of machine.nodes.values()) {
    if (given === undefined) continue
    const demand = sum(vms.map((vm) => bandwidthOn(vm, id)))
    if (demand <= given) continue
    const bound = sum(vms.map((vm) => demandOf(vm.vcpus.filter(({ node }) => node === id)) * vm.request.memoryBound))
    lost += round((1 - given / demand) * bound)
  }
  return lost
}

/** Bytes a second that the VM takes from the node's memory. */
function bandwidthOn(vm: PlacedVm, node: NodeId): number {
  const parts = vm.cells.flatMap((cell) => cell.memory).filter((part) => part.node === node)
  return (vm.request.bandwidth * sum(parts.map((part) => part.bytes))) / vm.request.memory
}

function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const number of numbers) total += number
  return total
}
