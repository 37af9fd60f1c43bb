/**
 * What a placement costs as it is (docs/model.md, "As it is"): threads that float over any CPUs, pages on any nodes. Where
 * a plan could have the placement, it is the plan's cost.
 */

import { COST_TERMS, type CostTerms, type Host, type NodeId, type Request } from '../types.js'
import { crowding } from './as-is/crowding.js'
import { communication } from './as-is/hops.js'
import { type PlacedResident, type PlacedThread, placeResidents, type Resident } from './as-is/residents.js'
import { busySiblings } from './as-is/siblings.js'
import { sum } from './as-is/sums.js'
import { type Machine, machineOf } from './machine.js'
import { MICRO, round } from './micro.js'

/** What VMs lose as they are, in lost vCPUs; whole millionths. */
export interface AsIsCost {
  /** The sum of `terms`. */
  readonly lostVcpus: number
  /** The VMs' terms, and the host's (`overcommit`, `bandwidth`). */
  readonly terms: CostTerms
  /** In the order in which they were given. */
  readonly vms: readonly AsIsVmCost[]
}

/** What one VM loses as it is. */
export interface AsIsVmCost {
  /** As in the request. */
  readonly name: string
  /** Only the terms that are not zero are listed. */
  readonly cost: { readonly lostVcpus: number; readonly terms: Partial<CostTerms> }
  /** Share of its vCPUs' accesses to their own cells' memory that leave their node, 0 to 1. */
  readonly remote: number
}

type Micro = Record<keyof CostTerms, number>

const LOCAL = 10
const FASTEST = 1024

/** What `residents` lose on `host`. Nothing has to hold of where they are. */
export function priceAsIs(host: Host, request: Request, residents: readonly Resident[]): AsIsCost {
  const machine = machineOf(host, request)
  const vms = placeResidents(machine, request, residents)
  const terms = { ...nothing(), overcommit: crowding(vms), bandwidth: bandwidth(machine, vms) }
  const priced = vms.map((vm) => {
    const own = vmTerms(machine, request, vms, vm)
    for (const term of COST_TERMS) terms[term] += own[term]
    const kept = COST_TERMS.filter((term) => own[term] !== 0)
    const cost = { lostVcpus: totalOf(own), terms: Object.fromEntries(kept.map((term) => [term, own[term] / MICRO])) }
    return { name: vm.request.name, cost, remote: remoteShare(machine, vm) }
  })
  const inVcpus = Object.fromEntries(COST_TERMS.map((term) => [term, terms[term] / MICRO])) as CostTerms
  return { lostVcpus: totalOf(terms), terms: inVcpus, vms: priced }
}

function nothing(): Micro {
  return Object.fromEntries(COST_TERMS.map((term) => [term, 0])) as Micro
}

function totalOf(terms: Micro): number {
  return sum(COST_TERMS.map((term) => terms[term])) / MICRO
}

function vmTerms(machine: Machine, { model }: Request, vms: readonly PlacedResident[], vm: PlacedResident): Micro {
  const { weight, devices } = vm.request
  const far = sum(devices.filter(({ strict }) => !strict).map(({ node }) => deviceDistance(machine, vm, node)))
  const slowness = sum(vm.threads.map((thread) => thread.demand * (FASTEST - meanCapacity(thread))))
  return {
    ...nothing(),
    remoteMemory: remoteMemory(machine, model.home, vm),
    communication: round(communication(machine, model.communication, vm)),
    smt: round(weight * machine.smt * MICRO * busySiblings(machine, vms, vm)),
    capacity: round((weight * slowness) / FASTEST),
    cells: round(weight * model.cells * MICRO * vm.threads.length * (vm.cells.length - 1)),
    device: round((weight * model.device * demandOf(vm.threads) * far) / LOCAL),
  }
}

function demandOf(threads: readonly PlacedThread[]): number {
  return sum(threads.map(({ demand }) => demand))
}

function meanCapacity({ cpus }: PlacedThread): number {
  return Math.floor(sum(cpus.map(({ capacity }) => capacity)) / cpus.length)
}

function remoteMemory(machine: Machine, home: number, vm: PlacedResident): number {
  const { weight, memoryBound } = vm.request
  const all = pagesByNode(machine, vm.cells)
  let demand = 0
  for (const [at, cell] of vm.cells.entries()) {
    const own = pagesByNode(machine, [cell])
    const ownPages = sum(own.values())
    const otherPages = sum(all.values()) - ownPages
    for (const [from, micro] of demandByNode(vm.threads.filter((thread) => thread.cell === at))) {
      const ownReach = reach(machine, from, own)
      const otherReach = reach(machine, from, all) - ownReach
      const ownMean = ownPages === 0 ? 0 : ownReach / ownPages
      const mean = otherPages === 0 ? ownMean : home * ownMean + ((1 - home) * otherReach) / otherPages
      demand += micro * mean
    }
  }
  return round((weight * memoryBound * demand) / LOCAL)
}

/** Of the demand what is on each node by the threads' shares, nodes ascending. */
function demandByNode(threads: readonly PlacedThread[]): [NodeId, number][] {
  const demands = new Map<NodeId, number>()
  for (const { nodes, demand } of threads) {
    for (const [node, share] of nodes) demands.set(node, (demands.get(node) ?? 0) + demand * share)
  }
  return [...demands].sort(([a], [b]) => a - b)
}

/** Pages of the base size. */
function pagesByNode(machine: Machine, cells: PlacedResident['cells']): Map<NodeId, number> {
  const pages = new Map<NodeId, number>()
  for (const { node, bytes } of cells.flatMap(({ memory }) => memory)) {
    pages.set(node, (pages.get(node) ?? 0) + bytes / machine.pageSizes[0]!)
  }
  return pages
}

/** Sum of pages x (distance - 10), seen from a node. */
function reach(machine: Machine, from: NodeId, pages: ReadonlyMap<NodeId, number>): number {
  return sum([...pages].map(([node, count]) => count * (machine.distance(from, node) - LOCAL)))
}

/** Of the VM's demand, what goes to memory that is farther than local. */
function remoteShare(machine: Machine, vm: PlacedResident): number {
  let remote = 0
  for (const [at, cell] of vm.cells.entries()) {
    const own = pagesByNode(machine, [cell])
    const ownPages = sum(own.values())
    for (const [from, micro] of demandByNode(vm.threads.filter((thread) => thread.cell === at))) {
      const far = sum([...own].map(([node, count]) => (machine.distance(from, node) > LOCAL ? count : 0)))
      if (ownPages > 0) remote += (micro * far) / ownPages
    }
  }
  return remote / demandOf(vm.threads)
}

/** Distance beyond local that is to be expected from the vCPU that is nearest to the device. */
function deviceDistance(machine: Machine, vm: PlacedResident, device: NodeId): number {
  const distances = vm.threads.map(({ nodes }) =>
    [...nodes].map(([node, share]) => ({ share, distance: machine.distance(node, device) })),
  )
  const levels = [...new Set(distances.flat().map(({ distance }) => distance))].sort((a, b) => a - b)
  // The nearest vCPU is beyond a level exactly if all vCPUs are.
  const beyond = (level: number): number =>
    distances.reduce((chance, own) => chance * sum(own.map(({ share, distance }) => (distance > level ? share : 0))), 1)
  const steps = levels.map((level, at) =>
    at === 0 ? level - LOCAL : (level - levels[at - 1]!) * beyond(levels[at - 1]!),
  )
  return sum(steps)
}

function bandwidth(machine: Machine, vms: readonly PlacedResident[]): number {
  const lost = [...machine.nodes.keys()].map((id) => {
    const given = machine.bandwidth(id)
    if (given === undefined) return 0
    const taken = vms.map(({ request, cells }) => {
      const parts = cells.flatMap(({ memory }) => memory).filter(({ node }) => node === id)
      return round((request.bandwidth * sum(parts.map(({ bytes }) => bytes))) / request.memory)
    })
    const demand = sum(taken)
    if (demand <= given) return 0
    const bound = vms.map(({ request, threads }) => {
      const onNode = new Map(demandByNode(threads)).get(id) ?? 0
      return round(onNode * request.memoryBound)
    })
    return round((1 - given / demand) * sum(bound))
  })
  return sum(lost)
}
