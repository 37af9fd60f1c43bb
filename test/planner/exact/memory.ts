/** Every way to divide the memory of VMs whose vCPUs have their nodes, and the cheapest of them. */

import type { Layout } from './layouts.js'
import { LOCAL, MICRO, type Problem, rounded } from './problem.js'

/** A cell's memory: pages of one size by node. */
export interface CellMemory {
  readonly size: number
  readonly pages: readonly number[]
}

/** A VM's memory. */
export interface VmMemory {
  readonly cells: readonly CellMemory[]
  /** Pages by node x size. */
  readonly taken: readonly number[]
  readonly nodes: readonly number[]
  /** `remoteMemory`, and what `migration` has of memory. */
  readonly cost: number
  /** Bytes by node. */
  readonly bytesOn: readonly number[]
}

/** Every way to write `total` as a sum of numbers from `least[i]` to `most[i]`. */
function* sums(total: number, least: readonly number[], most: readonly number[], at = 0): Generator<number[]> {
  if (at === least.length) {
    if (total === 0) yield []
    return
  }
  for (let own = least[at]!; own <= Math.min(total, most[at]!); own++) {
    for (const rest of sums(total - own, least, most, at + 1)) yield [own, ...rest]
  }
}

/** Shares of `total` in proportion to `weights`, in whole pages, each less than a page from the exact one. */
function* proportional(total: number, weights: readonly number[]): Generator<number[]> {
  const all = weights.reduce((sum, weight) => sum + weight, 0)
  yield* sums(
    total,
    weights.map((weight) => Math.floor((total * weight) / all)),
    weights.map((weight) => Math.ceil((total * weight) / all)),
  )
}

/** Each share anywhere on the memory nodes of its node, all together by node. */
function* divided(
  problem: Problem,
  layout: Layout,
  nodes: readonly number[],
  shares: readonly number[],
  at = 0,
): Generator<number[]> {
  if (at === nodes.length) {
    yield problem.nodeIds.map(() => 0)
    return
  }
  const homes = layout.vm.homes[nodes[at]!]!
  for (const own of sums(
    shares[at]!,
    homes.map(() => 0),
    homes.map(() => shares[at]!),
  )) {
    for (const pages of divided(problem, layout, nodes, shares, at + 1)) {
      for (const [index, home] of homes.entries()) pages[home]! += own[index]!
      yield pages
    }
  }
}

function* pagesOfCell(problem: Problem, layout: Layout, cell: number, total: number): Generator<number[]> {
  const { vm } = layout
  const spread = function* (homes: readonly number[], shares: Iterable<readonly number[]>): Generator<number[]> {
    for (const own of shares) {
      const pages = problem.nodeIds.map(() => 0)
      for (const [index, home] of homes.entries()) pages[home] = own[index]!
      yield pages
    }
  }
  switch (vm.request.memoryPolicy) {
    case 'strict': {
      const nodes = layout.cellNodes[cell]!
      if (nodes.some((node) => vm.homes[node]!.length === 0)) return
      const counts = nodes.map(
        (node) => layout.cells[cell]!.vcpus.filter((vcpu) => layout.nodeOf[vcpu] === node).length,
      )
      for (const shares of proportional(total, counts)) yield* divided(problem, layout, nodes, shares)
      return
    }
    case 'interleave': {
      const homes = [...new Set(layout.nodes.flatMap((node) => vm.homes[node]!))]
      if (layout.nodes.some((node) => vm.homes[node]!.length === 0)) return
      yield* spread(
        homes,
        proportional(
          total,
          homes.map(() => 1),
        ),
      )
      return
    }
    case 'preferred': {
      const homes = problem.nodeIds.flatMap((_, node) => (vm.memoryMay[node] ? [node] : []))
      yield* spread(
        homes,
        sums(
          total,
          homes.map(() => 0),
          homes.map(() => total),
        ),
      )
    }
  }
}

/** Every memory that the cell can have, alone on the host. */
function cellMemories(problem: Problem, layout: Layout, cell: number): CellMemory[] {
  const asked = layout.vm.request.pageSize
  const { bytes } = layout.cells[cell]!
  const found = new Map<string, CellMemory>()
  for (const [size, page] of problem.sizes.entries()) {
    if ((asked !== 'any' && asked !== page) || bytes % page !== 0 || bytes / page > problem.limits[size]!) continue
    for (const pages of pagesOfCell(problem, layout, cell, bytes / page)) {
      if (pages.every((own, node) => own <= problem.free[node]![size]!)) found.set(`${size}:${pages}`, { size, pages })
    }
  }
  return [...found.values()]
}

/** Every memory that the VM can have, alone on the host, the cheapest first. */
export function memoriesOf(problem: Problem, layout: Layout): VmMemory[] {
  const choices = layout.cells.map((_, cell) => cellMemories(problem, layout, cell))
  const found: VmMemory[] = []
  const cells: CellMemory[] = []
  const sizes = problem.sizes.length
  const taken = new Array<number>(problem.nodeIds.length * sizes).fill(0)
  const count = ({ size, pages }: CellMemory, sign: number) => {
    for (const [node, own] of pages.entries()) taken[node * sizes + size]! += sign * own
  }
  const choose = (at: number): void => {
    if (at === choices.length) {
      found.push(vmMemory(problem, layout, [...cells], [...taken]))
      return
    }
    for (const choice of choices[at]!) {
      count(choice, 1)
      if (fits(problem, taken)) {
        cells[at] = choice
        choose(at + 1)
      }
      count(choice, -1)
    }
  }
  choose(0)
  return found.sort((a, b) => a.cost - b.cost)
}

function fits({ free, limits, sizes }: Problem, taken: readonly number[]): boolean {
  for (let size = 0; size < sizes.length; size++) {
    let all = 0
    for (let node = 0; node < free.length; node++) {
      const own = taken[node * sizes.length + size]!
      if (own > free[node]![size]!) return false
      all += own
    }
    if (all > limits[size]!) return false
  }
  return true
}

function vmMemory(problem: Problem, layout: Layout, cells: readonly CellMemory[], taken: readonly number[]): VmMemory {
  const inBase = cells.map(({ size, pages }) => pages.map((own) => (own * problem.sizes[size]!) / problem.sizes[0]!))
  const all = problem.nodeIds.map((_, node) => inBase.reduce((sum, pages) => sum + pages[node]!, 0))
  return {
    cells,
    taken,
    nodes: all.flatMap((pages, node) => (pages > 0 ? [node] : [])),
    cost: remoteMemory(problem, layout, inBase, all) + copying(problem, layout, inBase),
    bytesOn: all.map((pages) => pages * problem.sizes[0]!),
  }
}

function remoteMemory(
  { distance, request: { model } }: Problem,
  layout: Layout,
  own: readonly (readonly number[])[],
  all: readonly number[],
): number {
  const { vm, cells, nodeOf, cellNodes } = layout
  const sumOf = (pages: readonly number[]) => pages.reduce((sum, count) => sum + count, 0)
  const reach = (from: number, pages: readonly number[]) =>
    pages.reduce((sum, count, node) => sum + count * (distance[from]![node]! - LOCAL), 0)
  let total = 0
  for (const [at, { vcpus }] of cells.entries()) {
    const pages = sumOf(own[at]!)
    const others = sumOf(all) - pages
    for (const node of cellNodes[at]!) {
      const demand = vcpus.reduce((sum, vcpu) => sum + (nodeOf[vcpu] === node ? vm.demand[vcpu]! : 0), 0)
      const near = reach(node, own[at]!)
      const mean = near / pages
      const far = reach(node, all) - near
      total += demand * (others === 0 ? mean : model.home * mean + ((1 - model.home) * far) / others)
    }
  }
  return rounded((vm.request.weight * vm.request.memoryBound * total) / 10)
}

function copying(
  { sizes, nodeIds, request: { model } }: Problem,
  { vm }: Layout,
  own: readonly (readonly number[])[],
): number {
  const { current, vcpus } = vm.request
  if (current === null) return 0
  let moved = 0
  for (const [cell, pages] of own.entries()) {
    for (const [node, count] of pages.entries()) {
      const before = current.cells[cell]?.memory.find((part) => part.node === nodeIds[node])?.bytes ?? 0
      moved += Math.max(0, count * sizes[0]! - before)
    }
  }
  return rounded(((MICRO * (moved / model.copyBytesPerSecond)) / model.horizonSeconds) * vcpus)
}

/** A VM on its nodes, with the memories that it can have there. */
export interface Candidate {
  readonly layout: Layout
  readonly memories: readonly VmMemory[]
}

/** The cheapest memories for all VMs at once that cost less than `below`, with what they and `bandwidth` cost together. */
export function cheapestMemories(
  problem: Problem,
  vms: readonly Candidate[],
  below: number,
): { cost: number; memories: VmMemory[] } | undefined {
  const rest = new Array<number>(vms.length + 1).fill(0)
  for (let at = vms.length - 1; at >= 0; at--)
    rest[at] = rest[at + 1]! + (vms[at]!.memories[0]?.cost ?? Number.POSITIVE_INFINITY)
  const taken = new Array<number>(problem.nodeIds.length * problem.sizes.length).fill(0)
  const chosen: VmMemory[] = []
  let best: { cost: number; memories: VmMemory[] } | undefined
  let least = below
  const choose = (at: number, cost: number): void => {
    if (at === vms.length) {
      const total = cost + bandwidth(problem, vms, chosen)
      if (total >= least || !isSettled(problem, vms, chosen, taken)) return
      least = total
      best = { cost: total, memories: [...chosen] }
      return
    }
    for (const memory of vms[at]!.memories) {
      if (cost + memory.cost + rest[at + 1]! >= least) return
      if (!keepsApart(vms, chosen, at, memory)) continue
      for (let entry = 0; entry < taken.length; entry++) taken[entry]! += memory.taken[entry]!
      if (fits(problem, taken)) {
        chosen[at] = memory
        choose(at + 1, cost + memory.cost)
      }
      for (let entry = 0; entry < taken.length; entry++) taken[entry]! -= memory.taken[entry]!
    }
  }
  choose(0, 0)
  return best
}

/** Whether the memory is on no node of a VM that its own is kept apart from, and the other way round. */
function keepsApart(vms: readonly Candidate[], chosen: readonly VmMemory[], at: number, memory: VmMemory): boolean {
  const { vm, nodes } = vms[at]!.layout
  for (const [index, { layout }] of vms.entries()) {
    if (!vm.apart.includes(layout.vm.at)) continue
    if (memory.nodes.some((node) => layout.nodes.includes(node))) return false
    if (index < at && chosen[index]!.nodes.some((node) => nodes.includes(node) || memory.nodes.includes(node)))
      return false
  }
  return true
}

function bandwidth(
  { bandwidth: bandwidths, nodeIds }: Problem,
  vms: readonly Candidate[],
  chosen: readonly VmMemory[],
): number {
  let lost = 0
  for (const [node] of nodeIds.entries()) {
    const given = bandwidths[node]
    if (given === undefined) continue
    let asked = 0
    let waiting = 0
    for (const [at, { layout }] of vms.entries()) {
      const { request } = layout.vm
      asked += rounded((request.bandwidth * chosen[at]!.bytesOn[node]!) / request.memory)
      waiting += rounded(layout.demandOn[node]! * request.memoryBound)
    }
    if (asked > given) lost += rounded((1 - given / asked) * waiting)
  }
  return lost
}

/** Whether, with all that is taken, cells have the largest pages (`any`) and the nearest nodes (`preferred`). */
function isSettled(
  problem: Problem,
  vms: readonly Candidate[],
  chosen: readonly VmMemory[],
  taken: readonly number[],
): boolean {
  const { sizes, free, limits } = problem
  const limitLeft = sizes.map((_, size) =>
    free.reduce((left, _own, node) => left - taken[node * sizes.length + size]!, limits[size]!),
  )
  const left = (node: number, size: number) =>
    Math.min(free[node]![size]! - taken[node * sizes.length + size]!, limitLeft[size]!)
  return vms.every(({ layout }, at) =>
    chosen[at]!.cells.every((cell, index) => {
      if (layout.vm.request.pageSize === 'any' && couldBeLarger(problem, cell, left, limitLeft)) return false
      return layout.vm.request.memoryPolicy !== 'preferred' || !couldBeNearer(problem, vms, chosen, at, index, left)
    }),
  )
}

type Left = (node: number, size: number) => number

function couldBeLarger({ sizes }: Problem, cell: CellMemory, left: Left, limitLeft: readonly number[]): boolean {
  const page = sizes[cell.size]!
  return sizes.some((larger, size) => {
    if (size <= cell.size) return false
    const all = cell.pages.reduce((sum, own) => sum + own, 0) * page
    return (
      all / larger <= limitLeft[size]! &&
      cell.pages.every(
        (own, node) => own === 0 || ((own * page) % larger === 0 && left(node, size) >= (own * page) / larger),
      )
    )
  })
}

function couldBeNearer(
  { distance }: Problem,
  vms: readonly Candidate[],
  chosen: readonly VmMemory[],
  at: number,
  cell: number,
  left: Left,
): boolean {
  const { vm, cellNodes } = vms[at]!.layout
  const { size, pages } = chosen[at]!.cells[cell]!
  const nodes = cellNodes[cell]!
  const reach = (to: number) =>
    nodes.some((node) => vm.homes[node]!.includes(to)) ? 0 : Math.min(...nodes.map((node) => distance[node]![to]!))
  const farthest = Math.max(...pages.map((own, node) => (own > 0 ? reach(node) : 0)))
  const isOthers = (node: number) =>
    vms.some(
      ({ layout }, other) =>
        vm.apart.includes(layout.vm.at) && (layout.nodes.includes(node) || chosen[other]!.nodes.includes(node)),
    )
  return vm.memoryMay.some((may, node) => may && reach(node) < farthest && left(node, size) > 0 && !isOthers(node))
}
