/** The single changes that would let a refused VM in, each tried by planning it. */

import type { Refusal, RequestVm } from '../types.js'
import { addVm, type Problem, relateVm } from './problem.js'
import { isPlaced, MICRO } from './read.js'

/** Up to so many numbers of cells are tried one by one. If there are more: those near the one asked for, and the planner's own choice. */
const MANY_COUNTS = 8
/** How many other VMs are tried, the smallest first, and how many are named that would have to leave the host. */
const MOST_OTHERS = 32
const MOST_AWAY = 3

type Nearest = Refusal['nearest'][number]

interface Change {
  /** How it is told, of the VM as it was placed. */
  readonly tell: (cells: number) => string
  readonly vm: RequestVm
}

/** Numbers of cells to try if `asked` do not fit: all if there are few, else those near it, its half and its double. */
function otherCounts(asked: number, most: number): number[] {
  const all = Array.from({ length: most }, (_, at) => at + 1).filter((cells) => cells !== asked)
  if (most <= MANY_COUNTS) return all
  const isNear = (cells: number) =>
    Math.abs(cells - asked) <= 2 || cells === Math.ceil(asked / 2) || cells === 2 * asked
  return all.filter((cells) => cells === 1 || isNear(cells))
}

/** Single changes of the VM itself worth trying; those to what it already asks for are left out. */
function changesOf(vm: RequestVm, nodes: number): Change[] {
  const changes: Change[] = []
  const add = (change: string, changed: Partial<RequestVm>) => {
    changes.push({ tell: () => change, vm: { ...vm, ...changed } })
  }
  if (vm.cells !== 'auto') {
    const asked = typeof vm.cells === 'number' ? vm.cells : vm.cells.length
    changes.push({ tell: (cells) => `cells: ${cells}`, vm: { ...vm, cells: 'auto' } })
    for (const cells of otherCounts(asked, Math.min(vm.vcpus, 2 * nodes))) add(`cells: ${cells}`, { cells })
  }
  if (!vm.span) add('span: true', { span: true })
  if (vm.memoryPolicy !== 'preferred') add('memoryPolicy: "preferred"', { memoryPolicy: 'preferred' })
  if (vm.memoryNodes !== null) add('memoryNodes: any', { memoryNodes: null })
  if (vm.avoidDeviceNodes) add('avoidDeviceNodes: false', { avoidDeviceNodes: false })
  if (vm.pageSize !== 'any') add('pageSize: "any"', { pageSize: 'any' })
  if (vm.emulator === 'dedicated') add('emulator: "housekeeping"', { emulator: 'housekeeping' })
  if (vm.cpuPolicy !== 'shared') {
    if (vm.threadPolicy !== 'prefer') add('threadPolicy: "prefer"', { threadPolicy: 'prefer' })
    add('cpuPolicy: "shared"', { cpuPolicy: 'shared', dedicatedVcpus: [] })
  }
  for (const [at, { strict }] of vm.devices.entries()) {
    if (!strict) continue
    const devices = vm.devices.map((device, index) => (index === at ? { ...device, strict: false } : device))
    add(`devices[${at}].strict: false`, { devices })
  }
  return changes
}

/** Puts a VM in the place of the refused one, for as long as `use` takes. */
function instead<Result>(problem: Problem, refused: RequestVm, vm: RequestVm, use: (handle: number) => Result): Result {
  const { wasm, request, handleOf } = problem
  const handle = addVm(problem, vm, request.vms.indexOf(refused))
  relateVm(problem, handle, refused, (name) => {
    const other = handleOf.get(name) ?? -1
    return isPlaced(problem, other) ? other : undefined
  })
  try {
    return use(handle)
  } finally {
    wasm.removeVm(handle)
  }
}

function changed(problem: Problem, refused: RequestVm, goesOn: () => boolean): Nearest[] {
  const { wasm, host } = problem
  const before = wasm.planCost()
  /** The cheapest of the changes that are told alike. */
  const found = new Map<string, number>()
  for (const { tell, vm } of changesOf(refused, host.nodes.length)) {
    if (!goesOn()) break
    instead(problem, refused, vm, (handle) => {
      if (wasm.placeAlone(handle) !== 1) return
      const change = tell(wasm.cellCount(handle))
      const lost = wasm.planCost() - before
      found.set(change, Math.min(lost, found.get(change) ?? lost))
    })
  }
  return [...found].map(([change, lost]) => ({ change, lostVcpus: lost / MICRO }))
}

/** All that a VM's vCPUs do, in millionths of a vCPU: what is lost to a host that it leaves. */
function workOf(vm: RequestVm): number {
  const dedicated = vm.cpuPolicy === 'dedicated' ? vm.vcpus : vm.dedicatedVcpus.length
  return Math.round(vm.weight * (dedicated + (vm.vcpus - dedicated) * vm.demand) * MICRO)
}

interface Other {
  readonly name: string
  readonly handle: number
  readonly work: number
}

/** The placed VMs that are moved to let another in: the smallest. */
export function smallestPlaced(problem: Problem): Other[] {
  const { request, handles } = problem
  return request.vms
    .map((vm, at) => ({ name: vm.name, handle: handles[at] ?? -1, work: workOf(vm) }))
    .filter(({ handle }) => isPlaced(problem, handle))
    .sort((a, b) => a.work - b.work)
    .slice(0, MOST_OTHERS)
}

/** One other VM moved: elsewhere on the host, or where that does not do, away from it. */
function moved(problem: Problem, refused: RequestVm, others: readonly Other[], goesOn: () => boolean): Nearest[] {
  const { wasm } = problem
  const before = wasm.planCost()
  const near: Nearest[] = []
  const away: Nearest[] = []
  instead(problem, refused, refused, (handle) => {
    for (const { name, handle: other, work } of others) {
      if (!goesOn()) break
      const cost = wasm.costIfMoved(handle, other, 0)
      if (cost >= 0) near.push({ change: `move: "${name}"`, lostVcpus: (cost - before) / MICRO })
      if (cost >= 0 || away.length === MOST_AWAY) continue
      const without = wasm.costIfMoved(handle, other, 1)
      if (without < 0) continue
      away.push({ change: `move: "${name}" to another host`, lostVcpus: (without + work - before) / MICRO })
    }
  })
  return [...near, ...away]
}

/**
 * What would let the VM in beside the placed VMs, cheapest first, each with what the plan then loses more, if anything; a VM that leaves the host loses all
 * its work there. The refused VMs must have been taken out of the problem.
 * @param goesOn is asked before each change is tried
 */
export function nearestOf(
  problem: Problem,
  refused: RequestVm,
  others: readonly Other[],
  goesOn: () => boolean,
): Refusal['nearest'] {
  if (!goesOn()) return []
  const nearest = [...changed(problem, refused, goesOn), ...moved(problem, refused, others, goesOn)]
  // A VM that moves may make others lose less than this one loses.
  return nearest
    .map(({ change, lostVcpus }) => ({ change, lostVcpus: Math.max(0, lostVcpus) }))
    .sort((a, b) => a.lostVcpus - b.lostVcpus)
}
