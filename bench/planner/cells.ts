/** How a VM's vCPUs and memory are divided among cells (docs/model.md, "Cells"): the same for every solver. */

import type { RequestVm } from '../../src/types.js'

export interface CellShare {
  readonly vcpus: readonly number[]
  readonly bytes: number
}

/**
 * The cells of a VM that has `count` of them; its own where the request lists them.
 * @param basePage bytes; the granule where the VM takes pages of any size
 */
export function cellShares(vm: RequestVm, count: number, basePage: number): CellShare[] {
  if (typeof vm.cells === 'object') return vm.cells.map(({ vcpus, memory }) => ({ vcpus, bytes: memory }))
  const granule = vm.pageSize === 'any' ? basePage : vm.pageSize
  const pages = Math.floor(vm.memory / granule)
  const sizes = Array.from({ length: count }, (_, at) => Math.floor(vm.vcpus / count) + (at < vm.vcpus % count ? 1 : 0))
  // Products of pages and vCPUs can pass 2^53.
  const portions = sizes.map((size) => Number((BigInt(pages) * BigInt(size)) / BigInt(vm.vcpus)))
  const left = pages - portions.reduce((sum, portion) => sum + portion, 0)
  let first = 0
  return sizes.map((size, at) => {
    const vcpus = Array.from({ length: size }, (_, index) => first + index)
    first += size
    return { vcpus, bytes: (portions[at]! + (at < left ? 1 : 0)) * granule }
  })
}

/** The numbers of cells that a request leaves open. */
export function cellCounts(vm: RequestVm): number[] {
  if (vm.cells === 'auto') return Array.from({ length: vm.vcpus }, (_, at) => at + 1)
  return [typeof vm.cells === 'number' ? vm.cells : vm.cells.length]
}
