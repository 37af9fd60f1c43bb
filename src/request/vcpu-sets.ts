/** The sets of vCPUs in a VM, as numbers. They are read once its number of vCPUs is known: that is what `all` stands for. */

import { parseCpulist } from '../cpulist.js'
import type { VcpuId } from '../types.js'
import { checkRange } from './rules.js'
import type { ParsedVm } from './schema.js'

export type VmWithSets = Omit<ParsedVm, 'cells' | 'dedicatedVcpus'> & {
  readonly cells: 'auto' | number | readonly { readonly vcpus: readonly VcpuId[]; readonly memory: number }[]
  readonly dedicatedVcpus: readonly VcpuId[] | undefined
}

/**
 * @throws {InputError} at a set, below `where`, that is no cpulist, is empty, or has numbers that no vCPU has. Of cells that have
 *   vCPUs in common no more are read than show that: rules.ts refuses them
 */
export function readVcpuSets(vm: ParsedVm, where: string): VmWithSets {
  const { cells, dedicatedVcpus } = vm
  const all = Array.from({ length: vm.vcpus }, (_, at) => at)
  const read = (text: string, field: string) => {
    const ids = parseCpulist(text, { where: `${where}.${field}`, all })
    checkRange(ids, vm.vcpus, `${where}.${field}`)
    return ids
  }
  let count = 0
  const readCell = (text: string, field: string) => {
    if (count > vm.vcpus) return []
    const ids = read(text, field)
    count += ids.length
    return ids
  }
  return {
    ...vm,
    cells:
      typeof cells === 'object'
        ? cells.map((cell, at) => ({ ...cell, vcpus: readCell(cell.vcpus, `cells[${at}].vcpus`) }))
        : cells,
    dedicatedVcpus: dedicatedVcpus === undefined ? undefined : read(dedicatedVcpus, 'dedicatedVcpus'),
  }
}
