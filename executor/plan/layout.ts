/**
 * How a planned VM's memory is laid out, and which vCPU works on which part of it. This is only arithmetic on the plan.
 * Offsets are bytes into the VM's memory, which is its cells one after another in the order of the plan.
 */

import { UnsupportedError } from '../../src/errors.js'
import type { PlanVcpu, PlanVm } from '../../src/types.js'
import { formatBytes } from '../../src/units.js'
import type { GuestShare } from '../guests/guest.js'
import { STRIDE } from '../guests/walk.js'

/** A part of a cell that the plan puts on one node. */
export interface MemoryRange {
  readonly node: number
  readonly offset: number
  readonly bytes: number
}

export interface CellLayout {
  readonly cell: number
  readonly pageSize: number
  readonly offset: number
  readonly bytes: number
  readonly ranges: readonly MemoryRange[]
  readonly vcpus: readonly PlanVcpu[]
}

export interface VmLayout {
  readonly name: string
  readonly bytes: number
  readonly cells: readonly CellLayout[]
  readonly vcpus: readonly PlanVcpu[]
}

/** Memory of one node alone: a cell without vCPUs. */
export function layoutRange(name: string, node: number, bytes: number, pageSize: number): VmLayout {
  const ranges = [{ node, offset: 0, bytes }]
  return { name, bytes, cells: [{ cell: 0, pageSize, offset: 0, bytes, ranges, vcpus: [] }], vcpus: [] }
}

export function layoutVm(vm: PlanVm): VmLayout {
  let offset = 0
  const cells = vm.cells.map((cell): CellLayout => {
    const start = offset
    const ranges: MemoryRange[] = []
    for (const { node, bytes } of cell.memory) {
      if (bytes > 0) ranges.push({ node, offset, bytes })
      offset += bytes
    }
    const vcpus = vm.vcpus.filter((vcpu) => vcpu.cell === cell.cell)
    return { cell: cell.cell, pageSize: cell.pageSize, offset: start, bytes: offset - start, ranges, vcpus }
  })
  return { name: vm.name, bytes: offset, cells, vcpus: vm.vcpus }
}

/**
 * The part of its cell's memory that each vCPU works on, in the order of `layout.vcpus`: equal parts but for a page.
 * @param reserved bytes at the start of the VM's memory that hold the guest's code and page tables
 * @throws {UnsupportedError} where a cell is too small to give each of its vCPUs a page
 */
export function shareMemory(layout: VmLayout, reserved: number): GuestShare[] {
  const shares = new Map<PlanVcpu, GuestShare>()
  for (const [i, cell] of layout.cells.entries()) {
    const start = i === 0 ? cell.offset + reserved : cell.offset
    const pages = Math.floor((cell.offset + cell.bytes - start) / STRIDE)
    if (pages < cell.vcpus.length || pages < 0) {
      throw new UnsupportedError(
        'guest',
        `cell ${cell.cell} of VM "${layout.name}" has ${formatBytes(cell.bytes)}; the guest program needs a page for ` +
          `each of the cell's ${cell.vcpus.length} vCPUs${i === 0 ? ` and ${formatBytes(reserved)} for itself` : ''}`,
      )
    }
    cell.vcpus.forEach((vcpu, at) => {
      const pageAt = (k: number) => start + Math.floor((pages * k) / cell.vcpus.length) * STRIDE
      shares.set(vcpu, { vcpu: vcpu.vcpu, start: pageAt(at), end: pageAt(at + 1) })
    })
  }
  return layout.vcpus.map((vcpu) => shares.get(vcpu)!)
}
