/** The running VM that is meant by a name or a pid. */

import { nameIn } from '../../executor/found/as-request.js'
import { findVms } from '../../executor/found/find.js'
import type { FoundVm } from '../../executor/found/types.js'
import { InputError, show } from '../errors.js'

/** @throws {InputError} where there is none, or more than one */
export async function findOne(name: string, connect: string | undefined): Promise<FoundVm> {
  const { vms } = await findVms(connect === undefined ? {} : { connect })
  const meant = vms.filter((vm) => [vm.name.value, nameIn(vms, vm), String(vm.pid)].includes(name))
  const [only] = meant
  if (only !== undefined && meant.length === 1) return only
  if (meant.length > 1) {
    const pids = meant.map(({ pid }) => pid).join(' or ')
    throw new InputError('VM', `one VM: give its pid (${pids})`, `${show(name)}, which ${meant.length} are called`)
  }
  const names = vms.map((vm) => nameIn(vms, vm)).join(', ')
  throw new InputError('VM', `the name or the pid of a VM that runs here (${names || 'there is none'})`, show(name))
}
