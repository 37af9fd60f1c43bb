/** Where VMs are between two steps of a re-plan. */

import type { CurrentPlacement, Move, Plan, PlanCell, PlanVcpu, Request } from '../types.js'
import { groupBy, type Machine } from './machine.js'
import { type Occupancy, occupancyOf } from './occupancy.js'
import { cpulistReader, type PlacedVm, placedVm } from './placement.js'

/** By VM; of shared vCPUs only the node counts, their CPUs follow from who else is there. */
export type State = ReadonlyMap<string, CurrentPlacement>

/** The VMs that are there already and stay: where they are, and where the plan has them. */
export function ends(request: Request, plan: Plan): { readonly start: State; readonly end: State } {
  const planned = new Map(plan.vms.map((vm) => [vm.name, vm]))
  const start = new Map<string, CurrentPlacement>()
  const end = new Map<string, CurrentPlacement>()
  for (const { name, current } of request.vms) {
    const vm = planned.get(name)
    if (current === null || vm === undefined) continue
    start.set(name, current)
    end.set(name, vm)
  }
  return { start, end }
}

/** The state after a step that fits `state`. */
export function applied(state: State, end: State, step: readonly Move[]): State {
  const next = new Map(state)
  for (const [name, moves] of groupBy(step, (move) => move.vm)) {
    const from = state.get(name)!
    const redivides = moves.some((move) => move.redivides)
    const ofCell = new Map(moves.map((move) => [move.cell, move]))
    const ofVcpu = new Map(moves.flatMap((move) => move.vcpus.map((vcpu) => [vcpu.vcpu, vcpu])))
    const division = redivides ? end.get(name)! : from
    next.set(name, {
      cells: division.cells.map((_, cell) => {
        const move = ofCell.get(cell)
        if (move === undefined || move.memory.length === 0) return from.cells[cell]!
        return { cell, pageSize: move.pageSize, memory: move.memory }
      }),
      vcpus: from.vcpus.map((vcpu, at) => ({ ...vcpu, ...ofVcpu.get(at), cell: division.vcpus[at]!.cell })),
    })
  }
  return next
}

/** A state as the checks of a plan read it. */
export interface Placed {
  readonly placed: readonly PlacedVm[]
  readonly occupancy: Occupancy
}

/** Reads states; VMs that are where they were in the one before are not read again. */
export function stateReader(machine: Machine, request: Request): (state: State) => Placed {
  const readDedicated = vmReader(request)
  const readFloating = vmReader(request)
  const all = (state: State, read: ReturnType<typeof vmReader>, cpusOf: (vcpu: PlanVcpu) => string): Placed => {
    const placed = [...state].map(([name, placement]) => read(name, placement, cpusOf))
    return { placed, occupancy: occupancyOf(machine, placed) }
  }
  return (state) => {
    const dedicated = all(state, readDedicated, () => '')
    if ([...state.values()].every(({ vcpus }) => vcpus.every((vcpu) => vcpu.dedicated))) return dedicated
    return all(state, readFloating, ({ node }) => dedicated.occupancy.shared(node).cpulist)
  }
}

function vmReader(request: Request) {
  const asked = new Map(request.vms.map((vm) => [vm.name, vm]))
  const cpulists = cpulistReader()
  const known = new WeakMap<CurrentPlacement, { readonly floating: string; readonly vm: PlacedVm }>()
  return (name: string, placement: CurrentPlacement, cpusOf: (vcpu: PlanVcpu) => string): PlacedVm => {
    const { cells, vcpus } = placement
    const floating = vcpus.map((vcpu) => (vcpu.dedicated ? '' : cpusOf(vcpu))).join(' ')
    const before = known.get(placement)
    if (before?.floating === floating && before.vm.name === name) return before.vm
    const seats = vcpus.map((vcpu) => (vcpu.dedicated ? vcpu : { ...vcpu, cpus: cpusOf(vcpu) }))
    const whole = { name, cost: { lostVcpus: 0, terms: {} }, cells, vcpus: seats, emulator: '', iothreads: [] }
    const vm = placedVm(asked.get(name)!, whole, cpulists)
    known.set(placement, { floating, vm })
    return vm
  }
}

/** `from`, with these cells as they are in `to`; both are divided alike. */
export function withCells(from: CurrentPlacement, to: CurrentPlacement, cells: readonly number[]): CurrentPlacement {
  return {
    cells: from.cells.map((cell, at) => (cells.includes(at) ? to.cells[at]! : cell)),
    vcpus: from.vcpus.map((vcpu, at) => (cells.includes(vcpu.cell) ? to.vcpus[at]! : vcpu)),
  }
}

/** The cells of `to` that `from` has not, with the same vCPUs and memory at the same places. */
export function changedCells(from: CurrentPlacement, to: CurrentPlacement): number[] {
  const all = [...to.cells.keys()]
  if (!isDividedAlike(from, to)) return all
  const moved = new Set(to.vcpus.filter((vcpu, at) => !isSameSeat(from.vcpus[at]!, vcpu)).map(({ cell }) => cell))
  return all.filter((cell) => moved.has(cell) || !isSameMemory(from.cells[cell], to.cells[cell]!))
}

export function isDividedAlike(from: CurrentPlacement, to: CurrentPlacement): boolean {
  return from.cells.length === to.cells.length && from.vcpus.every(({ cell }, at) => cell === to.vcpus[at]!.cell)
}

export function isSameSeat(a: Omit<PlanVcpu, 'cell'>, b: Omit<PlanVcpu, 'cell'>): boolean {
  return a.node === b.node && a.dedicated === b.dedicated && (!a.dedicated || a.cpus === b.cpus)
}

export function isSameMemory(a: PlanCell | undefined, b: Omit<PlanCell, 'cell'>): boolean {
  if (a?.pageSize !== b.pageSize || a.memory.length !== b.memory.length) return false
  return b.memory.every(({ node, bytes }) => bytesOn(a, node) === bytes)
}

/** What is copied to get a cell's memory from `a` to `b`. */
export function copiedBytes(a: PlanCell | undefined, b: Omit<PlanCell, 'cell'>): number {
  const kept = a?.pageSize === b.pageSize ? a : undefined
  return b.memory.reduce((sum, { node, bytes }) => sum + Math.max(0, bytes - bytesOn(kept, node)), 0)
}

function bytesOn(cell: PlanCell | undefined, node: number): number {
  return cell?.memory.find((part) => part.node === node)?.bytes ?? 0
}
