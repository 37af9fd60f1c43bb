/** The sets of vCPUs in a VM, as numbers. They are read once its number of vCPUs is known: that is what `all` stands for. */

import { parseCpulist } from '../cpulist.js'
import type { VcpuId } from '../types.js'
import type { ParsedVm } from './schema.js'

export type VmWithSets = Omit<ParsedVm, 'cells' | 'dedicatedVcpus'> & {
  readonly cells: 'auto' | number | readonly { readonly vcpus: readonly VcpuId[]; readonly memory: number }[]
  readonly dedicatedVcpus: readonly VcpuId[] | undefined
}

/** @throws {InputError} at a set, below `where`, that is no cpulist or is empty */
export function readVcpuSets(vm: ParsedVm, where: string): VmWithSets {
  const { cells, dedicatedVcpus } = vm
  const all = Array.from({ length: vm.vcpus }, (_, at) => at)
  const read = (text: string, field: string) => parseCpulist(text, { where: `${where}.${field}`, all })
  return {
    ...vm,
    cells:
      typeof cells === 'object'
        ? cells.map((cell, at) => ({ ...cell, vcpus: read(cell.vcpus, `cells[${at}].vcpus`) }))
        : cells,
    dedicatedVcpus: dedicatedVcpus === undefined ? undefined : read(dedicatedVcpus, 'dedicatedVcpus'),
  }
}
