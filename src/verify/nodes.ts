/** The constraints on nodes: device, separate, near, overcommit. */

import { formatCpulist } from '../cpulist.js'
import type { Finding } from '../errors.js'
import type { NodeId, Request } from '../types.js'
import type { Machine } from './machine.js'
import { MICRO } from './micro.js'
import type { Occupancy } from './occupancy.js'
import { firstNode, type PlacedVm, vcpuNodes } from './placement.js'

export function checkDevices(vms: readonly PlacedVm[]): Finding[] {
  return vms.flatMap((vm) => {
    const nodes = vcpuNodes(vm.vcpus)
    return vm.request.devices.flatMap(({ node, strict }) => {
      if (!strict || nodes.includes(node)) return []
      const text = `${vm.name}: no cell on node ${node}, where its device is; its cells are on ${formatCpulist(nodes)}`
      return [{ constraint: 'device', vm: vm.name, text }]
    })
  })
}

/** `separate` and `near` hold between placed VMs; a VM that is refused asks for nothing. */
export function checkRelations(vms: readonly PlacedVm[]): Finding[] {
  const byName = new Map(vms.map((vm) => [vm.name, vm]))
  const others = (names: readonly string[]): PlacedVm[] => names.flatMap((name) => byName.get(name) ?? [])
  return vms.flatMap((vm) => [
    ...others(vm.request.separateFrom).flatMap((other) => separateFinding(vm, other)),
    ...others(vm.request.near).flatMap((other) => nearFinding(vm, other)),
  ])
}

function separateFinding(vm: PlacedVm, other: PlacedVm): Finding[] {
  const theirs = nodesOf(other)
  const common = [...nodesOf(vm)].filter((node) => theirs.has(node))
  if (common.length === 0) return []
  const text = `${vm.name} and ${other.name} are both on node ${formatCpulist(common)}`
  return [{ constraint: 'separate', vm: vm.name, text }]
}

/** The nodes that hold the VM's vCPUs or its memory. */
function nodesOf(vm: PlacedVm): Set<NodeId> {
  return new Set([...vcpuNodes(vm.vcpus), ...vm.cells.flatMap((cell) => cell.memory.map((part) => part.node))])
}

function nearFinding(vm: PlacedVm, other: PlacedVm): Finding[] {
  const [first, second] = [firstNode(vm), firstNode(other)]
  if (first === second) return []
  const text = `${vm.name} has its first cell on node ${first}, ${other.name} on node ${second}`
  return [{ constraint: 'near', vm: vm.name, text }]
}

export function checkOvercommit(
  machine: Machine,
  occupancy: Occupancy,
  request: Request,
  vms: readonly PlacedVm[],
): Finding[] {
  const demands = sharedDemand(vms)
  return [...machine.nodes.keys()].flatMap((node) => {
    const demand = demands.get(node) ?? 0
    const cpus = occupancy.sharedCpus(node).length
    if (demand === 0 || demand <= request.overcommit * MICRO * cpus) return []
    const text = `the shared vCPUs on node ${node} want ${demand / MICRO} CPUs of ${cpus} shared ones, at most ${request.overcommit} each`
    return [{ constraint: 'overcommit', text }]
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
