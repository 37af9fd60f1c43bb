/** Where a plan has a VM that runs: by thread, and by range of its memory. */

import { canonicalCpulist } from '../../src/cpulist.js'
import type { PlanCell, PlanVm } from '../../src/types.js'
import { formatBytes } from '../../src/units.js'
import type { RunningVm } from '../found/as-request.js'
import type { FoundMapping } from '../found/types.js'
import type { Aim } from './draft.js'
import { spread, sumOf } from './spread.js'
import type { BytesByNode, Obstacle } from './types.js'

export interface Target {
  /** The thread of a vCPU. */
  threadOf(vcpu: number): number
  /** Where the ranges of a cell go that is to have its memory there, each alike. */
  memoryOf(cell: number, parts: BytesByNode): ReadonlyMap<number, BytesByNode>
  /** All of it, as the plan has it. */
  readonly final: Aim
  /** cpulist for threads that are begun from now on. */
  readonly newcomers: string
}

/** @returns why the plan is not one for this VM as it is */
export function targetOf({ name, vm, vcpus }: RunningVm, planned: PlanVm): Target | Obstacle {
  const unfit = (what: string, why: string): Obstacle => ({ vm: name, what, why, left: true })
  const isSame =
    planned.vcpus.length === vcpus.length && planned.vcpus.every((one) => one.cell === vcpus[one.vcpu]?.cell)
  if (!isSame)
    return unfit('its guest nodes', 'the plan divides its vCPUs otherwise, which a guest that runs cannot take')
  const rangesOf = rangesByCell(vm.mappings, planned.cells)
  if (rangesOf === null) {
    return unfit(
      'its memory',
      'which of it is of which guest node is not known, and the plan has them on different nodes',
    )
  }
  const odd = planned.cells.find(({ cell, pageSize }) => rangesOf(cell).some((range) => range.pageSize < pageSize))
  if (odd !== undefined) {
    return unfit(
      'its pages',
      `the plan wants pages of ${formatBytes(odd.pageSize)}, which a guest that runs cannot take`,
    )
  }
  const memoryOf = (cell: number, parts: BytesByNode) =>
    new Map(rangesOf(cell).map(({ start, pageSize, resident }) => [start, spread(sumOf(resident), pageSize, parts)]))
  const emulator = canonicalCpulist(planned.emulator)
  const threads = [
    ...vm.vcpus.map(({ tid, vcpu }) => [tid, canonicalCpulist(planned.vcpus[vcpu]!.cpus)] as const),
    // I/O threads that the plan has not heard of are like the emulator.
    ...vm.iothreads.map(({ tid }, at) => [tid, canonicalCpulist(planned.iothreads[at] ?? emulator)] as const),
    ...vm.emulator.map(({ tid }) => [tid, emulator] as const),
  ]
  const memory = planned.cells.flatMap(({ cell, memory: parts }) => [...memoryOf(cell, parts)])
  return {
    threadOf: (vcpu) => vm.vcpus[vcpu]!.tid,
    memoryOf,
    final: { threads: new Map(threads), memory: new Map(memory) },
    newcomers: emulator,
  }
}

/** `null`: memory of an unknown cell would have to go to one place or another. */
function rangesByCell(
  mappings: readonly FoundMapping[],
  cells: readonly PlanCell[],
): ((cell: number) => readonly FoundMapping[]) | null {
  if (cells.length === 1) return () => mappings
  const unknown = mappings.filter(({ cell }) => cell === null)
  const nodes = new Set(cells.flatMap(({ memory }) => memory.map(({ node }) => node)))
  if (unknown.length > 0 && nodes.size > 1) return null
  // On one node, it does not matter whose it is.
  return (cell) => mappings.filter((mapping) => mapping.cell === cell || (mapping.cell === null && cell === 0))
}
