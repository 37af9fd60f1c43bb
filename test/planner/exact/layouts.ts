/** Which nodes a VM's vCPUs can be on, cell by cell: every way, but for vCPUs and cells that are interchangeable. */

import { type CellShape, LOCAL, MICRO, type Problem, rounded, type Vm } from './problem.js'

export interface Layout {
  readonly vm: Vm
  readonly cells: readonly CellShape[]
  /** By vCPU. */
  readonly cellOf: readonly number[]
  readonly nodeOf: readonly number[]
  /** Nodes with vCPUs, ascending; of the VM, and of each cell. */
  readonly nodes: readonly number[]
  readonly cellNodes: readonly (readonly number[])[]
  readonly firstNode: number
  /** By node. */
  readonly dedicatedOn: readonly number[]
  readonly sharedDemandOn: readonly number[]
  readonly demandOn: readonly number[]
  /** The terms that follow from it, in micro-vCPUs: `cells` and `device`. */
  readonly fixed: number
}

/** Whether the VM's vCPUs of a kind are interchangeable within a cell. */
export function isUniform({ request, current }: Vm): boolean {
  return request.traffic === null && current === null
}

/** Whether it matters on which node the VM begins. */
function firstMatters(vm: Vm): boolean {
  return vm.near.length > 0 || vm.threads > 0
}

/** The lowest vCPU of the first cell. */
function firstVcpu(cells: readonly CellShape[]): number {
  return Math.min(...cells[0]!.vcpus)
}

export function* layoutsOf(problem: Problem, vm: Vm): Generator<Layout> {
  for (const cells of vm.divisions) {
    for (const nodeOf of waysToDivide(problem, vm, cells)) {
      const layout = layoutOf(problem, vm, cells, nodeOf)
      if (meetsDevices(problem, layout)) yield layout
    }
  }
}

/** Every node for every vCPU, cell after cell; of interchangeable ones the later is on no lower node. */
function* waysToDivide(problem: Problem, vm: Vm, cells: readonly CellShape[]): Generator<number[]> {
  const nodeOf = new Array<number>(vm.request.vcpus).fill(-1)
  const order = cells.flatMap((cell, at) => cell.vcpus.map((vcpu) => ({ vcpu, cell: at })))
  const special = firstMatters(vm) ? firstVcpu(cells) : -1
  const before = order.map(({ vcpu, cell }, place) => {
    if (!isUniform(vm) || vcpu === special) return -1
    for (let at = place - 1; at >= 0 && order[at]!.cell === cell; at--) {
      const other = order[at]!.vcpu
      if (other !== special && vm.dedicated[other] === vm.dedicated[vcpu]) return other
    }
    return -1
  })
  const alike = cells.map(
    (cell, at) => at > 0 && isUniform(vm) && areAlike(vm, cells[at - 1]!, cell) && !(at === 1 && special >= 0),
  )
  const left = [...problem.usable]
  function* place(at: number): Generator<number[]> {
    if (at > 0 && (at === order.length || order[at]!.cell !== order[at - 1]!.cell)) {
      const cell = order[at - 1]!.cell
      if (alike[cell] && comesBefore(nodeOf, cells[cell]!, cells[cell - 1]!)) return
    }
    if (at === order.length) {
      yield [...nodeOf]
      return
    }
    const { vcpu, cell } = order[at]!
    const starts = at === 0 || order[at - 1]!.cell !== cell
    const fixed = starts || vm.request.span ? -1 : nodeOf[order[at - 1]!.vcpu]!
    for (let node = 0; node < left.length; node++) {
      if (fixed >= 0 && node !== fixed) continue
      if (before[at]! >= 0 && node < nodeOf[before[at]!]!) continue
      if (!vm.vcpusMay[node] || problem.usable[node] === 0) continue
      if (vm.dedicated[vcpu]) {
        if (left[node] === 0) continue
        left[node]!--
      }
      nodeOf[vcpu] = node
      yield* place(at + 1)
      if (vm.dedicated[vcpu]) left[node]!++
    }
  }
  yield* place(0)
}

/** Whether two cells may be exchanged: as many vCPUs, of the same kinds in the same order, and as much memory. */
function areAlike(vm: Vm, a: CellShape, b: CellShape): boolean {
  return (
    a.bytes === b.bytes &&
    a.vcpus.length === b.vcpus.length &&
    a.vcpus.every((vcpu, at) => vm.dedicated[vcpu] === vm.dedicated[b.vcpus[at]!])
  )
}

function comesBefore(nodeOf: readonly number[], a: CellShape, b: CellShape): boolean {
  for (const [at, vcpu] of a.vcpus.entries()) {
    const difference = nodeOf[vcpu]! - nodeOf[b.vcpus[at]!]!
    if (difference !== 0) return difference < 0
  }
  return false
}

function ascending(nodes: Iterable<number>): number[] {
  return [...new Set(nodes)].sort((a, b) => a - b)
}

function layoutOf(problem: Problem, vm: Vm, cells: readonly CellShape[], nodeOf: readonly number[]): Layout {
  const count = problem.nodeIds.length
  const dedicatedOn = new Array<number>(count).fill(0)
  const sharedDemandOn = new Array<number>(count).fill(0)
  const demandOn = new Array<number>(count).fill(0)
  for (const [vcpu, node] of nodeOf.entries()) {
    demandOn[node]! += vm.demand[vcpu]!
    if (vm.dedicated[vcpu]) dedicatedOn[node]!++
    else sharedDemandOn[node]! += vm.demand[vcpu]!
  }
  const cellOf = new Array<number>(nodeOf.length).fill(0)
  for (const [at, { vcpus }] of cells.entries()) for (const vcpu of vcpus) cellOf[vcpu] = at
  const nodes = ascending(nodeOf)
  return {
    vm,
    cells,
    cellOf,
    nodeOf,
    nodes,
    cellNodes: cells.map(({ vcpus }) => ascending(vcpus.map((vcpu) => nodeOf[vcpu]!))),
    firstNode: nodeOf[firstVcpu(cells)]!,
    dedicatedOn,
    sharedDemandOn,
    demandOn,
    fixed: cellsTerm(problem, vm, cells.length) + deviceTerm(problem, vm, nodes),
  }
}

function cellsTerm({ request: { model } }: Problem, { request }: Vm, cells: number): number {
  return rounded(request.weight * model.cells * MICRO * request.vcpus * (cells - 1))
}

function deviceTerm(
  { request: { model }, distance, nodeIds }: Problem,
  { request, demand }: Vm,
  nodes: readonly number[],
): number {
  let far = 0
  for (const device of request.devices) {
    if (device.strict) continue
    const to = nodeIds.indexOf(device.node)
    far += Math.min(...nodes.map((node) => distance[node]![to]!)) - LOCAL
  }
  const all = demand.reduce((sum, own) => sum + own, 0)
  return rounded((request.weight * model.device * all * far) / 10)
}

function meetsDevices({ nodeIds, usable, distance }: Problem, { vm, nodes }: Layout): boolean {
  return vm.request.devices.every(({ node, strict }) => {
    const to = nodeIds.indexOf(node)
    if (!strict || nodes.includes(to)) return true
    if (usable[to]! > 0) return false
    const reach = (from: number) => (usable[from]! > 0 ? distance[from]![to]! : Number.POSITIVE_INFINITY)
    const least = Math.min(...nodeIds.map((_, from) => reach(from)))
    return nodes.some((from) => reach(from) === least)
  })
}

/** Whether two VMs may be so beside each other, as far as their vCPUs' nodes tell. */
export function goTogether(a: Layout, b: Layout): boolean {
  if (a.vm.near.includes(b.vm.at) && a.firstNode !== b.firstNode) return false
  if (a.vm.apart.includes(b.vm.at) && a.nodes.some((node) => b.nodes.includes(node))) return false
  const areNamed = a.vm.request.trust !== null || b.vm.request.trust !== null
  if (a.vm.domain === b.vm.domain || !areNamed) return true
  return !a.sharedDemandOn.some((demand, node) => demand > 0 && b.sharedDemandOn[node]! > 0)
}
