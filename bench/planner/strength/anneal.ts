/**
 * A second search, of its own kind: simulated annealing that moves one VM at a time, or exchanges two, over whole placements on
 * LLCs. It shares no code with the planner, and knows dedicated VMs with whole cores and an open number of cells. Its plans are judged by the
 * verifier.
 */

import type { Host, Plan, Request, RequestVm } from '../../../src/types.js'
import { machineOf } from '../../../src/verify/machine.js'
import { cellShares } from '../cells.js'
import { type Placement, planOf } from '../placement.js'
import { type Random, randomFrom } from '../random.js'

interface Llc {
  readonly node: number
  readonly cores: readonly (readonly number[])[]
}

/** vCPUs of a VM by LLC. */
interface Place {
  readonly cells: number
  readonly onNode: ReadonlyMap<number, readonly number[]>
  readonly pieces: readonly (readonly [llc: number, vcpus: number])[]
  readonly cost: number
}

interface World {
  readonly llcs: readonly Llc[]
  readonly byNode: ReadonlyMap<number, readonly number[]>
  readonly width: number
  readonly distance: (from: number, to: number) => number
  readonly request: Request
  readonly free: number[]
  readonly bytes: Map<number, number>
}

/** The best plan that so many tries find; undefined where none places all VMs. */
export function anneal(
  host: Host,
  request: Request,
  { tries, seed }: { tries: number; seed: number },
): Plan | undefined {
  const random = randomFrom(seed)
  const world = worldOf(host, request)
  const { vms } = request
  const places = new Map<RequestVm, Place>()
  for (const vm of [...vms].sort((a, b) => b.vcpus - a.vcpus)) {
    const place = someplace(world, vm, random, 40)
    if (place === undefined) return undefined
    move(world, vm, place, 1)
    places.set(vm, place)
  }
  let cost = [...places.values()].reduce((sum, place) => sum + place.cost, 0)
  let best = cost
  let kept = new Map(places)
  const heat = Math.max(0.02, (2 * cost) / vms.length)
  for (let at = 0; at < tries && best > 0; at++) {
    const out = chosen(vms, places, random)
    const before = out.map((vm) => places.get(vm)!)
    for (const [index, vm] of out.entries()) move(world, vm, before[index]!, -1)
    const after: Place[] = []
    for (const vm of out) {
      const place = someplace(world, vm, random, random.between(1, 4))
      if (place === undefined) break
      move(world, vm, place, 1)
      after.push(place)
    }
    const change = sum(after) - sum(before)
    const temperature = heat * (1 - at / tries) ** 3 + 1e-9
    if (after.length === out.length && random.chance(Math.exp(-change / temperature))) {
      for (const [index, vm] of out.entries()) places.set(vm, after[index]!)
      cost += change
      if (cost < best - 1e-9) {
        best = cost
        kept = new Map(places)
      }
      continue
    }
    for (const [index, place] of after.entries()) move(world, out[index]!, place, -1)
    for (const [index, vm] of out.entries()) move(world, vm, before[index]!, 1)
  }
  return planOf(host, request, placementsOf(host, world, kept), { name: 'annealing' })
}

function sum(places: readonly Place[]): number {
  return places.reduce((total, { cost }) => total + cost, 0)
}

function worldOf(host: Host, request: Request): World {
  const machine = machineOf(host, request)
  const byLlc = new Map<number, { node: number; cores: number[][] }>()
  for (const cpus of machine.usableOfCore.values()) {
    const { llc, node } = cpus[0]!
    const known = byLlc.get(llc) ?? { node, cores: [] }
    known.cores.push(cpus.map(({ id }) => id))
    byLlc.set(llc, known)
  }
  const llcs = [...byLlc.values()]
  const byNode = new Map<number, number[]>()
  for (const [at, { node }] of llcs.entries()) byNode.set(node, [...(byNode.get(node) ?? []), at])
  const base = machine.pageSizes[0]!
  return {
    llcs,
    byNode,
    width: Math.max(...llcs.flatMap(({ cores }) => cores.map(({ length }) => length))),
    distance: (from, to) => machine.distance(from as never, to as never),
    request,
    free: llcs.map(({ cores }) => cores.length),
    bytes: new Map([...byNode.keys()].map((node) => [node, machine.freePages(node as never, base) * base])),
  }
}

/** VMs to move: mostly some that lose something, and others. */
function chosen(vms: readonly RequestVm[], places: ReadonlyMap<RequestVm, Place>, random: Random): RequestVm[] {
  const losing = vms.filter((vm) => places.get(vm)!.cost > 0)
  const out = new Set<RequestVm>()
  if (losing.length > 0) out.add(random.pick(losing))
  const wanted = Math.min(vms.length, random.pick([1, 2, 2, 3, 3, 4, 5, 6]))
  while (out.size < wanted) out.add(random.pick(vms))
  return [...out].sort(() => random.between(-1, 1))
}

/** The cheapest of some places at random. */
function someplace(world: World, vm: RequestVm, random: Random, looks: number): Place | undefined {
  let best: Place | undefined
  const nodes = [...world.byNode.keys()]
  for (let look = 0; look < looks + nodes.length; look++) {
    const first = nodes[(look + random.between(0, nodes.length - 1)) % nodes.length]!
    const cells = look % 2 === 0 ? 1 : Math.min(vm.vcpus, random.pick([1, 2, 2, 3, 4, 5, 6, 8, vm.vcpus]))
    const place = placeFrom(world, vm, cells, first, random)
    if (place !== undefined && (best === undefined || place.cost < best.cost)) best = place
  }
  return best
}

/** So many cells on the node and, in order of distance, on others. */
function placeFrom(world: World, vm: RequestVm, cells: number, first: number, random: Random): Place | undefined {
  const sizes = Array.from({ length: cells }, (_, at) => Math.floor(vm.vcpus / cells) + (at < vm.vcpus % cells ? 1 : 0))
  const order = [...world.byNode.keys()].sort(
    (a, b) => world.distance(first, a) - world.distance(first, b) || random.between(-1, 1),
  )
  const each = vm.memory / vm.vcpus
  const onNode = new Map<number, number[]>()
  const pieces: [number, number][] = []
  let next = 0
  for (const node of order) {
    const room = world.byNode.get(node)!.reduce((total, llc) => total + world.free[llc]! * world.width, 0)
    const most = Math.min(room, Math.floor(world.bytes.get(node)! / each + 1e-6))
    const own: number[] = []
    let count = 0
    while (next < cells && count + sizes[next]! <= most) {
      count += sizes[next]!
      own.push(next++)
    }
    if (own.length === 0) {
      if (cells === 1) return undefined
      continue
    }
    onNode.set(node, own)
    pieces.push(...divided(world, node, count, random))
    if (next === cells) return { cells, onNode, pieces, cost: costOf(world, vm, sizes, onNode, pieces) }
  }
  return undefined
}

/** So many vCPUs on the LLCs of a node, in whole cores: on one if it takes them, else on those with the most room. */
function divided(world: World, node: number, vcpus: number, random: Random): [number, number][] {
  const open = world.byNode.get(node)!.filter((llc) => world.free[llc]! > 0)
  const pieces: [number, number][] = []
  for (let left = vcpus; left > 0; ) {
    const needs = Math.ceil(left / world.width)
    const enough = open.filter((llc) => world.free[llc]! >= needs).sort((a, b) => world.free[a]! - world.free[b]!)
    const most = [...open].sort((a, b) => world.free[b]! - world.free[a]!)
    const llc = enough.length > 0 ? (random.chance(0.8) ? enough[0]! : random.pick(enough)) : most[0]!
    const own = Math.min(left, world.free[llc]! * world.width)
    pieces.push([llc, own])
    open.splice(open.indexOf(llc), 1)
    left -= own
  }
  return pieces
}

/** docs/model.md, but for rounding. */
function costOf(
  { llcs, distance, width, request: { model } }: World,
  vm: RequestVm,
  sizes: readonly number[],
  onNode: ReadonlyMap<number, readonly number[]>,
  pieces: readonly (readonly [number, number])[],
): number {
  let hops = 0
  for (const [a, own] of pieces) {
    for (const [b, other] of pieces) {
      const [from, to] = [llcs[a]!.node, llcs[b]!.node]
      if (a !== b) hops += own * other * (from === to ? 1 : distance(from, to) / 10)
    }
  }
  let remote = 0
  for (const [from, cells] of onNode) {
    for (const [to, others] of onNode) {
      if (from === to) continue
      const there = others.reduce((total, cell) => total + sizes[cell]!, 0)
      for (const cell of cells) {
        remote += (sizes[cell]! * there * (distance(from, to) - 10)) / 10 / (vm.vcpus - sizes[cell]!)
      }
    }
  }
  const cores = pieces.reduce((total, [, own]) => total + Math.ceil(own / width), 0)
  const fewest = sizes.reduce((total, size) => total + Math.ceil(size / width), 0)
  const ids = [...onNode.keys()]
  const far = vm.devices.reduce((total, { node }) => total + Math.min(...ids.map((id) => distance(id, node) - 10)), 0)
  return (
    vm.weight *
    ((vm.vcpus > 1 ? (model.communication * hops) / (vm.vcpus - 1) : 0) +
      vm.memoryBound * (1 - model.home) * remote +
      (model.smt ?? SMT) * Math.max(0, cores - fewest) +
      model.cells * vm.vcpus * (sizes.length - 1) +
      (model.device * vm.vcpus * far) / 10)
  )
}

/** The price of a busy sibling on a host that was not measured. */
const SMT = 0.38

function move(world: World, vm: RequestVm, place: Place, sign: 1 | -1): void {
  for (const [llc, own] of place.pieces) {
    world.free[llc]! -= sign * Math.ceil(own / world.width)
    const { node } = world.llcs[llc]!
    world.bytes.set(node, world.bytes.get(node)! - (sign * own * vm.memory) / vm.vcpus)
  }
}

function placementsOf(host: Host, world: World, places: ReadonlyMap<RequestVm, Place>): Placement[] {
  const given = world.llcs.map(() => 0)
  const base = machineOf(host, world.request).pageSizes[0]!
  return [...places].map(([vm, { cells, onNode, pieces }]) => {
    const cpus = new Map<number, number[]>()
    for (const [llc, own] of pieces) {
      const { node, cores } = world.llcs[llc]!
      const count = Math.ceil(own / world.width)
      const taken = cores
        .slice(given[llc]!, given[llc]! + count)
        .flat()
        .slice(0, own)
      given[llc]! += count
      cpus.set(node, [...(cpus.get(node) ?? []), ...taken])
    }
    const nodeOf = new Map([...onNode].flatMap(([node, own]) => own.map((cell) => [cell, node] as const)))
    return {
      name: vm.name,
      cells: cellShares(vm, cells, base).map(({ vcpus, bytes }, cell) => {
        const node = nodeOf.get(cell)!
        const own = cpus.get(node)!.splice(0, vcpus.length)
        return {
          vcpus: vcpus.map((vcpu, at) => ({ vcpu, node: node as never, cpu: own[at]! as never })),
          memoryNode: node as never,
          bytes,
        }
      }),
    }
  })
}
