/**
 * Every placement of one VM that could be part of an optimum, up to symmetry: what it takes of the host and what it costs,
 * exactly as docs/model.md rounds it. One column of the set-packing problem each.
 */

import type { NodeId, Request, RequestVm } from '../../../src/types.js'
import { MICRO, round } from '../../../src/verify/micro.js'
import { type CellShare, cellCounts, cellShares } from '../cells.js'
import type { ExactHost } from './classes.js'
import { type Budget, checkBudget, type NodeSeats, nodeSeats } from './seats.js'

/** Of one VM: its cells' nodes, and how they use them. */
export interface Column {
  readonly cells: readonly CellShare[]
  /** By cell: an index into the host's nodes. */
  readonly nodes: readonly number[]
  /** By used node, ascending: the way of its cells, in ascending order; absent for shared vCPUs. */
  readonly seats: ReadonlyMap<number, NodeSeats>
  /** By class of the host. */
  readonly cores: readonly number[]
  /** Bytes by memory node. */
  readonly memory: ReadonlyMap<NodeId, number>
  /** Micro-vCPUs of each shared vCPU's demand, by node. */
  readonly shared: ReadonlyMap<number, number>
  readonly cost: number
}

/** Costs that are rounded term by term can be this much apart from those that are not. */
const ROUNDING = 4
/** The price of a busy sibling on a host that was not measured. */
const SMT = 0.38

/**
 * @param ceiling micro-vCPUs; dearer placements are left out
 * @throws {TooLarge}
 */
export function columnsOf(host: ExactHost, request: Request, vm: RequestVm, ceiling: number, budget: Budget): Column[] {
  const best = new Map<string, Column>()
  const seats = new Map<string, NodeSeats[]>()
  const seatsOf = (node: number, sizes: readonly number[]): NodeSeats[] => {
    const key = `${node}|${sizes}`
    const known = seats.get(key) ?? nodeSeats(host, vm, node, sizes, budget)
    seats.set(key, known)
    return known
  }
  const related = isRelated(request, vm)
  for (const count of cellCounts(vm)) {
    const cells = cellShares(vm, count, host.machine.pageSizes[0]!)
    if (cells.some(({ bytes }) => bytes <= 0)) continue
    for (const nodes of assignments(host, request, vm, cells, related, ceiling)) {
      checkBudget(budget, best.size)
      for (const column of columnsOn(host, request, vm, cells, nodes, seatsOf, ceiling, budget)) {
        const key = consumption(column, related)
        if (column.cost < (best.get(key)?.cost ?? Number.POSITIVE_INFINITY)) best.set(key, column)
      }
    }
  }
  return [...best.values()]
}

/** Without those that take as much as another of everything, or more: for what fits they make no difference. */
export function frugal(columns: readonly Column[], budget: Budget): Column[] {
  const total = ({ cores }: Column) => sum(cores)
  const kept: Column[] = []
  for (const column of [...columns].sort((a, b) => total(a) - total(b))) {
    checkBudget(budget, kept.length)
    if (!kept.some((other) => takesNoMore(other, column))) kept.push(column)
  }
  return kept
}

function takesNoMore(a: Column, b: Column): boolean {
  const within = (mine: ReadonlyMap<number, number>, theirs: ReadonlyMap<number, number>) =>
    [...mine].every(([node, amount]) => amount <= (theirs.get(node) ?? 0))
  return a.cores.every((count, at) => count <= b.cores[at]!) && within(a.memory, b.memory) && within(a.shared, b.shared)
}

export function isRelated(request: Request, vm: RequestVm): boolean {
  const names = [...vm.separateFrom, ...vm.near]
  return names.length > 0 || request.vms.some((other) => [...other.separateFrom, ...other.near].includes(vm.name))
}

/** Columns that are equal in this are equal to everyone else. */
function consumption(column: Column, related: boolean): string {
  const memory = [...column.memory].sort(([a], [b]) => a - b)
  const shared = [...column.shared].sort(([a], [b]) => a - b)
  const key = `${column.cores}|${memory.join(';')}|${shared.join(';')}`
  return related ? `${key}|${column.nodes[0]}|${[...new Set(column.nodes)].sort((a, b) => a - b)}` : key
}

/**
 * Every way to give cells to nodes of which the traffic between nodes alone does not pass the ceiling. Equal cells are
 * interchangeable, so their nodes ascend; the first cell is not like the others where relations ask for its node.
 */
function* assignments(
  host: ExactHost,
  request: Request,
  vm: RequestVm,
  cells: readonly CellShare[],
  related: boolean,
  ceiling: number,
): Generator<number[]> {
  const room = host.nodes.map(({ classes }) =>
    vm.cpuPolicy === 'shared'
      ? Number.POSITIVE_INFINITY
      : sum(classes.map((at) => host.classes[at]!.width * host.classes[at]!.cores.length)),
  )
  const nodes: number[] = []
  function* next(at: number, across: number): Generator<number[]> {
    if (at === cells.length) {
      yield [...nodes]
      return
    }
    const [cell, before] = [cells[at]!, cells[at - 1]]
    const size = cell.vcpus.length
    const alike = before?.bytes === cell.bytes && before.vcpus.length === size && !(related && at === 1)
    for (let node = alike ? nodes[at - 1]! : 0; node < host.nodes.length; node++) {
      const apart = sum(
        nodes.slice(0, at).map((other, index) => size * cells[index]!.vcpus.length * roundTrip(host, other, node)),
      )
      if (size > room[node]! || round(communication(request, vm, across + apart)) > ceiling) continue
      nodes[at] = node
      room[node]! -= size
      yield* next(at + 1, across + apart)
      room[node]! += size
    }
    nodes.length = at
  }
  yield* next(0, 0)
}

/** There and back; 0 on a node. */
function roundTrip({ machine, nodes }: ExactHost, a: number, b: number): number {
  if (a === b) return 0
  const [from, to] = [nodes[a]!.id, nodes[b]!.id]
  return machine.distance(from, to) + machine.distance(to, from)
}

/** Before it is rounded. `hops`: ten times those of all ordered pairs of vCPUs. */
function communication({ model }: Request, vm: RequestVm, hops: number): number {
  return vm.vcpus === 1 ? 0 : (vm.weight * model.communication * (demandOf(vm) * hops)) / 10 / (vm.vcpus - 1)
}

/** Micro-CPUs of each vCPU. */
function demandOf(vm: RequestVm): number {
  return vm.cpuPolicy === 'shared' ? round(vm.demand * MICRO) : MICRO
}

function columnsOn(
  host: ExactHost,
  request: Request,
  vm: RequestVm,
  cells: readonly CellShare[],
  nodes: readonly number[],
  seatsOf: (node: number, sizes: readonly number[]) => NodeSeats[],
  ceiling: number,
  budget: Budget,
): Column[] {
  const ids = nodes.map((node) => host.nodes[node]!.id)
  if (vm.devices.some(({ node, strict }) => strict && !ids.includes(node))) return []
  const memory = new Map<NodeId, number>()
  for (const [at, { bytes }] of cells.entries()) {
    const home = host.machine.memoryNodes(vm, ids[at]!)[0]!
    memory.set(home, (memory.get(home) ?? 0) + bytes)
  }
  const size = vm.pageSize === 'any' ? host.machine.pageSizes[0]! : vm.pageSize
  for (const [node, bytes] of memory) if (bytes / size > host.machine.freePages(node, size)) return []

  const used = [...new Set(nodes)].sort((a, b) => a - b)
  const demand = demandOf(vm)
  const fixed =
    remoteMemory(host, request, vm, cells, ids, demand) +
    round(vm.weight * request.model.cells * MICRO * vm.vcpus * (cells.length - 1)) +
    device(host, request, vm, ids, demand)
  const across = pairsAcross(host, used, nodes, cells)
  const hops = (apart: number) => communication(request, vm, across + 10 * apart)
  const base = { cells, nodes, memory }
  if (vm.cpuPolicy === 'shared') {
    const shared = new Map(used.map((node) => [node, demand * vcpusOn(node, nodes, cells)]))
    const apart = used.map((node) => sharedApart(host, node, vcpusOn(node, nodes, cells)))
    const slowness = used.map(
      (node) => vcpusOn(node, nodes, cells) * (1024 - host.classes[host.nodes[node]!.classes[0]!]!.capacity),
    )
    const cost = fixed + round(hops(sum(apart))) + capacity(vm, demand * sum(slowness))
    return cost > ceiling ? [] : [{ ...base, seats: new Map(), cores: host.classes.map(() => 0), shared, cost }]
  }

  // What ways cost is additive over nodes but for the rounding.
  const price = ({ smt, slowness, apart }: Pick<NodeSeats, 'smt' | 'slowness' | 'apart'>) =>
    fixed +
    round(hops(apart)) +
    round(vm.weight * (request.model.smt ?? SMT) * MICRO * smt) +
    capacity(vm, demand * slowness)
  const floor = price({ smt: 0, slowness: 0, apart: 0 })
  if (floor > ceiling) return []
  const ways = used.map((node) => {
    const sizes = cells.flatMap((cell, at) => (nodes[at] === node ? [cell.vcpus.length] : []))
    return cheapest(seatsOf(node, sizes), (way) => price(way) - floor, ceiling - floor + ROUNDING)
  })
  const columns: Column[] = []
  const chosen: NodeSeats[] = []
  const descend = (at: number, total: { smt: number; slowness: number; apart: number }): void => {
    if (price(total) > ceiling + ROUNDING) return
    if (at === used.length) {
      const cost = price(total)
      if (cost > ceiling) return
      const cores = host.classes.map(() => 0)
      for (const [index, way] of chosen.entries()) {
        for (const [position, count] of way.cores.entries()) cores[host.nodes[used[index]!]!.classes[position]!] = count
      }
      columns.push({
        ...base,
        seats: new Map(used.map((node, index) => [node, chosen[index]!])),
        cores,
        shared: new Map(),
        cost,
      })
      return
    }
    checkBudget(budget, columns.length)
    for (const way of ways[at]!) {
      chosen[at] = way
      descend(at + 1, {
        smt: total.smt + way.smt,
        slowness: total.slowness + way.slowness,
        apart: total.apart + way.apart,
      })
    }
  }
  descend(0, { smt: 0, slowness: 0, apart: 0 })
  return columns
}

/** Of the ways that take the same cores, those that can be the cheapest. */
function cheapest(ways: readonly NodeSeats[], price: (way: NodeSeats) => number, ceiling: number): NodeSeats[] {
  const least = new Map<string, number>()
  const distinct = new Map<string, NodeSeats>()
  for (const way of ways) {
    const cost = price(way)
    if (cost > ceiling) continue
    least.set(`${way.cores}`, Math.min(cost, least.get(`${way.cores}`) ?? Number.POSITIVE_INFINITY))
    distinct.set(`${way.cores}|${way.smt}|${way.slowness}|${way.apart}`, way)
  }
  return [...distinct.values()].filter((way) => price(way) <= least.get(`${way.cores}`)! + ROUNDING)
}

function capacity(vm: RequestVm, slowness: number): number {
  return round((vm.weight * slowness) / 1024)
}

function remoteMemory(
  { machine }: ExactHost,
  { model: { home } }: Request,
  vm: RequestVm,
  cells: readonly CellShare[],
  ids: readonly NodeId[],
  demand: number,
): number {
  const basePage = machine.pageSizes[0]!
  const pages = cells.map(({ bytes }) => bytes / basePage)
  const all = sum(pages)
  let total = 0
  for (const [at, { vcpus }] of cells.entries()) {
    const far = (other: number) => machine.distance(ids[at]!, machine.memoryNodes(vm, ids[other]!)[0]!) - 10
    const own = far(at)
    const others = all - pages[at]!
    const reach = sum(cells.map((_, other) => (other === at ? 0 : pages[other]! * far(other))))
    const mean = others === 0 ? own : home * own + ((1 - home) * reach) / others
    total += demand * vcpus.length * mean
  }
  return round((vm.weight * vm.memoryBound * total) / 10)
}

function device(
  { machine }: ExactHost,
  { model }: Request,
  vm: RequestVm,
  ids: readonly NodeId[],
  demand: number,
): number {
  const soft = vm.devices.filter(({ strict }) => !strict)
  const distance = sum(soft.map(({ node }) => Math.min(...ids.map((from) => machine.distance(from, node))) - 10))
  return round((vm.weight * model.device * demand * vm.vcpus * distance) / 10)
}

/** Sum of the distances over ordered pairs of vCPUs on different nodes. */
function pairsAcross(
  host: ExactHost,
  used: readonly number[],
  nodes: readonly number[],
  cells: readonly CellShare[],
): number {
  const counts = used.map((node) => vcpusOn(node, nodes, cells))
  let total = 0
  for (const [a, from] of used.entries()) {
    for (const [b, to] of used.entries()) {
      if (a !== b) total += counts[a]! * counts[b]! * host.machine.distance(host.nodes[from]!.id, host.nodes[to]!.id)
    }
  }
  return total
}

function vcpusOn(node: number, nodes: readonly number[], cells: readonly CellShare[]): number {
  return sum(cells.map(({ vcpus }, at) => (nodes[at] === node ? vcpus.length : 0)))
}

/** Shared vCPUs count as spread over the LLCs of their node. */
function sharedApart(host: ExactHost, node: number, vcpus: number): number {
  return host.machine.llcs(host.nodes[node]!.id) === 1 ? 0 : vcpus * (vcpus - 1)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
