/** The cost term `communication`: what vCPUs lose by talking to each other across LLCs and nodes. */

import type { NodeId } from '../types.js'
import { groupBy, type Machine } from './machine.js'
import type { PlacedVcpu, PlacedVm } from './placement.js'

/** Where a vCPU sits, as far as its peers can tell: a node, and an LLC unless it floats over the node. */
interface Seat {
  readonly node: NodeId
  /** `undefined`: shared. */
  readonly llc: number | undefined
}

const ELSEWHERE_ON_NODE = 10

/** Micro-vCPUs, not rounded yet. */
export function communication(machine: Machine, coefficient: number, vm: PlacedVm): number {
  const { traffic, weight, vcpus } = vm.request
  if (vcpus === 1) return 0
  if (traffic !== null) return (weight * coefficient * weightedHops(machine, vm, traffic)) / 10
  return (weight * coefficient * uniformHops(machine, vm)) / 10 / (vcpus - 1)
}

/** Demand x ten times the hops to all peers, with vCPUs in the same seat taken together. */
function uniformHops(machine: Machine, vm: PlacedVm): number {
  const seated = vm.vcpus.map((vcpu) => ({ seat: seatOf(machine, vcpu), demand: vcpu.demand }))
  const groups = [...groupBy(seated, ({ seat }) => `${seat.node}/${seat.llc}`).values()]
  let hops = 0
  for (const from of groups) {
    const demand = from.reduce((sum, member) => sum + member.demand, 0)
    for (const to of groups) {
      const peers = to === from ? to.length - 1 : to.length
      hops += demand * peers * tenHops(machine, from[0]!.seat, to[0]!.seat)
    }
  }
  return hops
}

/** Each vCPU's demand x ten times its hops, weighted by its share of traffic with each peer. */
function weightedHops(machine: Machine, vm: PlacedVm, traffic: readonly (readonly number[])[]): number {
  const seats = vm.vcpus.map((vcpu) => seatOf(machine, vcpu))
  let hops = 0
  for (const [from, row] of traffic.entries()) {
    let sent = 0
    let far = 0
    for (const [to, amount] of row.entries()) {
      if (to === from) continue
      sent += amount
      far += amount * tenHops(machine, seats[from]!, seats[to]!)
    }
    if (sent > 0) hops += (vm.vcpus[from]!.demand * far) / sent
  }
  return hops
}

function seatOf(machine: Machine, { node, cpus, dedicated }: PlacedVcpu): Seat {
  return { node, llc: dedicated ? machine.cpus.get(cpus[0]!)?.llc : undefined }
}

/** 0 within an LLC, 1 across a node (0 for shared vCPUs where it has one LLC), what was measured or d/10 between nodes; times ten. */
function tenHops(machine: Machine, from: Seat, to: Seat): number {
  if (from.llc !== undefined && from.llc === to.llc) return 0
  if (from.node !== to.node) return machine.tenHops(from.node, to.node)
  const isShared = from.llc === undefined || to.llc === undefined
  return isShared && machine.llcs(from.node) === 1 ? 0 : ELSEWHERE_ON_NODE
}
