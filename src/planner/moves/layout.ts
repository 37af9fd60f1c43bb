/** Where one VM is: its cells' memory and the seat of each vCPU. Layouts are values: a change makes a new one. */

import { parseCpulist } from '../../cpulist.js'
import type { CpuId, CurrentPlacement, NodeId, PlanCell, VcpuId } from '../../types.js'

export interface Seat {
  readonly vcpu: VcpuId
  readonly cell: number
  readonly node: NodeId
  /** Empty where shared: those float over what their node has to share. */
  readonly cpus: readonly CpuId[]
  readonly dedicated: boolean
}

export interface Layout {
  readonly cells: readonly PlanCell[]
  readonly seats: readonly Seat[]
}

export function layoutOf({ cells, vcpus }: CurrentPlacement): Layout {
  return {
    cells,
    seats: vcpus.map(({ vcpu, cell, node, cpus, dedicated }) => {
      return { vcpu, cell, node, dedicated, cpus: dedicated ? parseCpulist(cpus, { allowEmpty: true }) : [] }
    }),
  }
}

export function isSameSeat(a: Seat, b: Seat): boolean {
  return (
    a.node === b.node &&
    a.dedicated === b.dedicated &&
    a.cpus.length === b.cpus.length &&
    a.cpus.every((cpu, at) => cpu === b.cpus[at])
  )
}

export function isSameCell(a: PlanCell | undefined, b: PlanCell): boolean {
  return (
    a !== undefined &&
    a.pageSize === b.pageSize &&
    a.memory.length === b.memory.length &&
    b.memory.every(({ node, bytes }) => bytesOn(a, node) === bytes)
  )
}

/** Have both the same cells, with the same vCPUs in each. */
export function isDividedAlike(a: Layout, b: Layout): boolean {
  return a.cells.length === b.cells.length && a.seats.every(({ cell }, vcpu) => cell === b.seats[vcpu]?.cell)
}

/** Does any of the cell's vCPUs or its memory differ. */
export function isCellMoved(from: Layout, to: Layout, cell: number): boolean {
  return (
    !isSameCell(from.cells[cell], to.cells[cell]!) ||
    to.seats.some((seat, at) => seat.cell === cell && !isSameSeat(from.seats[at]!, seat))
  )
}

/** `from`, with these cells as they are in `to`; both are divided alike. */
export function withCells(from: Layout, to: Layout, cells: ReadonlySet<number>): Layout {
  return {
    cells: from.cells.map((cell, at) => (cells.has(at) ? to.cells[at]! : cell)),
    seats: from.seats.map((seat, at) => (cells.has(seat.cell) ? to.seats[at]! : seat)),
  }
}

/** The node of the lowest vCPU of the first cell. */
export function firstNode({ seats }: Layout): NodeId {
  return (seats.find(({ cell }) => cell === 0) ?? seats[0]!).node
}

export function bytesOf({ memory }: PlanCell): number {
  return memory.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Bytes to copy from one place of a cell to another. */
export function copiedBytes(from: PlanCell | undefined, to: PlanCell): number {
  if (from === undefined || from.pageSize !== to.pageSize) return bytesOf(to)
  return to.memory.reduce((sum, { node, bytes }) => sum + Math.max(0, bytes - bytesOn(from, node)), 0)
}

function bytesOn({ memory }: PlanCell, node: NodeId): number {
  return memory.find((part) => part.node === node)?.bytes ?? 0
}
