/** The constraints on nodes: device, device-nodes, separate, near, overcommit. */

import { formatCpulist } from '../cpulist.js'
import type { NodeId, Request } from '../types.js'
import { type Machine, nearest } from './machine.js'
import { MICRO } from './micro.js'
import type { Occupancy } from './occupancy.js'
import { firstNode, type PlacedVm } from './placement.js'
import type { Violation } from './violation.js'

/** A strict device has vCPUs on its node or, where that has no usable CPU, on one of the nearest that have. */
export function checkDevices(machine: Machine, vms: readonly PlacedVm[]): Violation[] {
  return vms.flatMap((vm) =>
    vm.request.devices.flatMap(({ node, strict }) => {
      if (!strict || vm.nodes.includes(node)) return []
      const seats = machine.usableNodes.includes(node)
        ? [node]
        : nearest(machine.usableNodes, (from) => machine.distance(from, node))
      if (seats.some((seat) => vm.nodes.includes(seat))) return []
      const text = `${vm.name}: its device of node ${node} wants a cell on node ${formatCpulist(seats)}; its cells are on ${formatCpulist(vm.nodes)}`
      return [{ constraint: 'device', vm: vm.name, text, parties: [`${vm.name} and node ${node}`] }]
    }),
  )
}

/** Of vCPUs; memory is checkMemory's. */
export function checkDeviceNodes({ deviceNodes }: Request, vms: readonly PlacedVm[]): Violation[] {
  const avoided = new Set(deviceNodes)
  return vms.flatMap((vm) => {
    if (!vm.request.avoidDeviceNodes) return []
    const there = vm.vcpus.filter(({ node }) => avoided.has(node))
    if (there.length === 0) return []
    const nodes = formatCpulist(there.map(({ node }) => node))
    const text = `${vm.name}: vCPUs ${formatCpulist(there.map(({ vcpu }) => vcpu))} are on node ${nodes}, which has devices`
    const parties = there.map(({ vcpu, node }) => `vCPU ${vcpu} of ${vm.name} on node ${node}`)
    return [{ constraint: 'device-nodes', vm: vm.name, text, parties }]
  })
}

/** What `separate` and `near` ask for between placed VMs; a VM that is refused asks for nothing. */
export interface Relations {
  /** The VMs that each is kept apart from, whichever of the two says so. */
  readonly apart: ReadonlyMap<PlacedVm, readonly PlacedVm[]>
  /** The nodes that hold each VM's vCPUs or its memory. */
  readonly nodes: ReadonlyMap<PlacedVm, ReadonlySet<NodeId>>
}

export function checkRelations(vms: readonly PlacedVm[], { nodes }: Relations): Violation[] {
  const byName = new Map(vms.map((vm) => [vm.name, vm]))
  const others = (names: readonly string[]): PlacedVm[] => names.flatMap((name) => byName.get(name) ?? [])
  return vms.flatMap((vm) => [
    ...others(vm.request.separateFrom).flatMap((other) => separateFinding(nodes, vm, other)),
    ...others(vm.request.near).flatMap((other) => nearFinding(vm, other)),
  ])
}

function separateFinding(nodes: Relations['nodes'], vm: PlacedVm, other: PlacedVm): Violation[] {
  const common = [...nodes.get(vm)!].filter((node) => nodes.get(other)!.has(node))
  if (common.length === 0) return []
  const text = `${vm.name} and ${other.name} are both on node ${formatCpulist(common)}`
  const parties = common.map((node) => `${vm.name} and ${other.name} on node ${node}`)
  return [{ constraint: 'separate', vm: vm.name, text, parties }]
}

export function relationsOf(vms: readonly PlacedVm[]): Relations {
  const byName = new Map(vms.map((vm) => [vm.name, vm]))
  const apart = new Map<PlacedVm, PlacedVm[]>(vms.map((vm) => [vm, []]))
  for (const vm of vms) {
    for (const other of vm.request.separateFrom.flatMap((name) => byName.get(name) ?? [])) {
      apart.get(vm)!.push(other)
      apart.get(other)!.push(vm)
    }
  }
  const nodesOf = ({ nodes, cells }: PlacedVm) =>
    new Set([...nodes, ...cells.flatMap(({ memory }) => memory.map(({ node }) => node))])
  return { apart, nodes: new Map(vms.map((vm) => [vm, nodesOf(vm)])) }
}

function nearFinding(vm: PlacedVm, other: PlacedVm): Violation[] {
  const [first, second] = [firstNode(vm), firstNode(other)]
  if (first === second) return []
  const text = `${vm.name} has its first cell on node ${first}, ${other.name} on node ${second}`
  return [{ constraint: 'near', vm: vm.name, text, parties: [`${vm.name} and ${other.name}`] }]
}

export function checkOvercommit(
  machine: Machine,
  occupancy: Occupancy,
  request: Request,
  vms: readonly PlacedVm[],
): Violation[] {
  const demands = sharedDemand(vms)
  return [...machine.nodes.keys()].flatMap((node) => {
    const demand = demands.get(node) ?? 0
    const cpus = occupancy.shared(node).cpus.length
    const excess = demand - request.overcommit * MICRO * cpus
    if (demand === 0 || excess <= 0) return []
    const text = `the shared vCPUs on node ${node} want ${demand / MICRO} CPUs of ${cpus} shared ones, at most ${request.overcommit} each`
    return [{ constraint: 'overcommit', text, parties: [`node ${node}`], excess }]
  })
}

/** Demand of the shared vCPUs on each node, in millionths of a CPU. */
export function sharedDemand(vms: readonly PlacedVm[]): Map<NodeId, number> {
  const demands = new Map<NodeId, number>()
  for (const { dedicated, node, demand } of vms.flatMap((vm) => vm.vcpus)) {
    if (!dedicated) demands.set(node, (demands.get(node) ?? 0) + demand)
  }
  return demands
}
