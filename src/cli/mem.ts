/** `homenode mem`: guest memory of one running VM to another node by hand, as `migratepages` does for a process. */

import { parseCpulist } from '../cpulist.js'
import { InputError, show } from '../errors.js'
import { formatBytes } from '../units.js'
import { type CarryOutOptions, carryOutByHand } from './carry-out.js'
import { byNodeText } from './changes-view.js'
import { findOne } from './one-vm.js'
import { print, printJson } from './output.js'

interface MemOptions extends CarryOutOptions {
  readonly from?: string
  readonly to?: string
}

export async function mem(options: MemOptions, name: string): Promise<void> {
  const { from, to } = options
  if (from !== undefined) parseCpulist(from, { where: '--from' })
  if (from !== undefined && to === undefined) throw new InputError('--to', 'the node to move memory to', 'nothing')
  if (to !== undefined && !/^\d{1,6}$/.test(to)) throw new InputError('--to', 'the number of a node', show(to))
  const vm = await findOne(name, options.connect)
  if (to === undefined) {
    const { mappings } = vm
    if (options.json) printJson({ schemaVersion: 1, kind: 'Memory', vm: vm.name.value, pid: vm.pid, mappings })
    else if (mappings.length === 0) print(`${vm.name.value}: where its memory is is not known ("homenode ps" says why)`)
    else {
      const bytes = mappings.reduce((sum, mapping) => sum + mapping.bytes, 0)
      print(`${vm.name.value}: ${formatBytes(bytes)}, ${byNodeText(mappings.map(({ resident }) => resident))}`)
    }
    return
  }
  const { prepareMemory } = await import('../../executor/apply/by-hand.js')
  const nodes = { to: Number(to), ...(from === undefined ? {} : { from }) }
  await carryOutByHand(await prepareMemory(vm, nodes, options), options)
}
