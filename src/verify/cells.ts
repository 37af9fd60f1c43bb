/** How a VM's vCPUs and memory are divided among its cells (docs/model.md, "Cells"). */

import { formatCpulist } from '../cpulist.js'
import type { Finding } from '../errors.js'
import type { RequestVm } from '../types.js'
import type { Machine } from './machine.js'
import type { PlacedVm } from './placement.js'

interface Share {
  readonly vcpus: readonly number[]
  readonly bytes: number
}

/** Cells that are not the ones that the request gives or that its numbers lead to. */
export function checkCells(machine: Machine, vm: PlacedVm): Finding[] {
  const asked = vm.request.cells
  const count = vm.cells.length
  const wanted = typeof asked === 'number' ? asked : asked === 'auto' ? count : asked.length
  if (count !== wanted || count > vm.request.vcpus) {
    const text = `${vm.name}: ${count} cells, ${asked === 'auto' ? `at most ${vm.request.vcpus}` : wanted} asked for`
    return [{ constraint: 'cells', vm: vm.name, text }]
  }
  const granule = vm.request.pageSize === 'any' ? machine.pageSizes[0]! : vm.request.pageSize
  if (vm.request.memory % granule !== 0) {
    const text = `${vm.name}: its memory, ${vm.request.memory} bytes, is no whole number of pages of ${granule} bytes`
    return [{ constraint: 'page-size', vm: vm.name, text }]
  }
  const given = typeof asked === 'object' ? asked.map((cell) => ({ vcpus: cell.vcpus, bytes: cell.memory })) : undefined
  return (given ?? evenShares(vm.request, count, granule)).flatMap((share, at) => checkShare(vm, at, share))
}

function checkShare(vm: PlacedVm, at: number, share: Share): Finding[] {
  const cell = vm.cells[at]!
  const findings: Finding[] = []
  const add = (text: string) =>
    findings.push({ constraint: 'cells', vm: vm.name, cell: at, text: `${vm.name}: cell ${at} ${text}` })
  const vcpus = formatCpulist(cell.vcpus.map(({ vcpu }) => vcpu))
  const expected = formatCpulist(share.vcpus)
  if (vcpus !== expected) add(`has vCPUs ${vcpus || 'none'}, its share is ${expected}`)
  if (cell.bytes !== share.bytes) add(`has ${cell.bytes} bytes, its share is ${share.bytes}`)
  return findings
}

/** Contiguous vCPUs, the larger cells first; whole pages in proportion, those left over one each to the first cells. */
function evenShares(vm: RequestVm, count: number, granule: number): Share[] {
  const sizes = Array.from({ length: count }, (_, at) => Math.floor(vm.vcpus / count) + (at < vm.vcpus % count ? 1 : 0))
  const pages = Math.floor(vm.memory / granule)
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
