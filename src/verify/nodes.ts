/** The constraints on nodes: device, separate, near, overcommit. */

import { formatCpulist } from '../cpulist.js'
import type { NodeId, Request } from '../types.js'
import type { Machine } from './machine.js'
import { MICRO } from './micro.js'
import type { Occupancy } from './occupancy.js'
import { firstNode, type PlacedVm, vcpuNodes } from './placement.js'
import type { Violation } from './violation.js'

export function checkDevices(vms: readonly PlacedVm[]): Violation[] {
  return vms.flatMap((vm) => {
    const nodes = vcpuNodes(vm.vcpus)
    return vm.request.devices.flatMap(({ node, strict }) => {
      if (!strict || nodes.includes(node)) return []
      const text = `${vm.name}: no cell on node ${node}, where its device is; its cells are on ${formatCpulist(nodes)}`
      return [{ constraint: 'device', vm: vm.name, text, parties: [`${vm.name} and node ${node}`] }]
    })
  })
}

/** `separate` and `near` hold between placed VMs; a VM that is refused asks for nothing. */
export function checkRelations(vms: readonly PlacedVm[]): Violation[] {
  const byName = new Map(vms.map((vm) => [vm.name, vm]))
  const others = (names: readonly string[]): PlacedVm[] => names.flatMap((name) => byName.get(name) ?? [])
  return vms.flatMap((vm) => [
    ...others(vm.request.separateFrom).flatMap((other) => separateFinding(vm, other)),
    ...others(vm.request.near).flatMap((other) => nearFinding(vm, other)),
  ])
}

function separateFinding(vm: PlacedVm, other: PlacedVm): Violation[] {
  const theirs = nodesOf(other)
  const common = [...nodesOf(vm)].filter((node) => theirs.has(node))
  if (common.length === 0) return []
  const text = `${vm.name} and ${other.name} are both on node ${formatCpulist(common)}`
  const parties = common.map((node) => `${vm.name} and ${other.name} on node ${node}`)
  return [{ constraint: 'separate', vm: vm.name, text, parties }]
}

/** The nodes of all VMs that this one is kept apart from. */
export function nodesApart(vms: readonly PlacedVm[], vm: PlacedVm): Set<NodeId> {
  const isApart = (other: PlacedVm): boolean =>
    vm.request.separateFrom.includes(other.name) || other.request.separateFrom.includes(vm.name)
  return new Set(vms.filter(isApart).flatMap((other) => [...nodesOf(other)]))
}

/** The nodes that hold the VM's vCPUs or its memory. */
function nodesOf(vm: PlacedVm): Set<NodeId> {
  return new Set([...vcpuNodes(vm.vcpus), ...vm.cells.flatMap((cell) => cell.memory.map((part) => part.node))])
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
    const cpus = occupancy.sharedCpus(node).length
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
