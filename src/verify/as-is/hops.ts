/** The term `communication` as it is: hops that are expected between vCPUs. */

import type { NodeId } from '../../types.js'
import { groupBy, type Machine } from '../machine.js'
import type { PlacedResident, PlacedThread } from './residents.js'
import { sum } from './sums.js'

/** Where a vCPU can be, as far as its peers can tell: all that are alike are one seat. */
interface Seat {
  readonly nodes: ReadonlyMap<NodeId, number>
  /** `undefined`: it floats. */
  readonly llc: number | undefined
}

const ELSEWHERE_ON_NODE = 10

/** Micro-vCPUs, not rounded yet. */
export function communication(machine: Machine, coefficient: number, vm: PlacedResident): number {
  const { traffic, weight, vcpus } = vm.request
  if (vcpus === 1) return 0
  if (traffic !== null) return (weight * coefficient * weightedHops(machine, vm, traffic)) / 10
  return (weight * coefficient * uniformHops(machine, vm)) / 10 / (vcpus - 1)
}

/** Demand x ten times the hops to all peers. */
function uniformHops(machine: Machine, vm: PlacedResident): number {
  const groups = [...groupBy(vm.threads, keyOf).values()]
  let hops = 0
  for (const from of groups) {
    const demand = sum(from.map((thread) => thread.demand))
    for (const to of groups) {
      const peers = to === from ? to.length - 1 : to.length
      if (peers > 0) hops += demand * peers * tenHops(machine, seatOf(from[0]!), seatOf(to[0]!))
    }
  }
  return hops
}

/** Each vCPU's demand x ten times its hops, weighted by its share of traffic with each peer. */
function weightedHops(machine: Machine, { threads }: PlacedResident, traffic: readonly (readonly number[])[]): number {
  const seats = threads.map(seatOf)
  let hops = 0
  for (const [from, row] of traffic.entries()) {
    let sent = 0
    let far = 0
    for (const [to, amount] of row.entries()) {
      if (to === from) continue
      sent += amount
      far += amount * tenHops(machine, seats[from]!, seats[to]!)
    }
    if (sent > 0) hops += (threads[from]!.demand * far) / sent
  }
  return hops
}

function keyOf({ pinned, nodes }: PlacedThread): string {
  return pinned === undefined ? [...nodes].join(' ') : `${pinned.node}/${pinned.llc}`
}

function seatOf({ pinned, nodes }: PlacedThread): Seat {
  return { nodes, llc: pinned?.llc }
}

/** Ten times what the model says of two nodes, weighted by the shares of both. */
function tenHops(machine: Machine, from: Seat, to: Seat): number {
  if (from.llc !== undefined && from.llc === to.llc) return 0
  const floats = from.llc === undefined || to.llc === undefined
  let hops = 0
  for (const [a, shareOfA] of from.nodes) {
    for (const [b, shareOfB] of to.nodes) {
      const onNode = floats && machine.llcs(a) === 1 ? 0 : ELSEWHERE_ON_NODE
      hops += shareOfA * shareOfB * (a === b ? onNode : machine.tenHops(a, b))
    }
  }
  return hops
}
