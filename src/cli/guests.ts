/** How many VMs run on this machine, in a line. */

import { findVms } from '../../executor/found/find.js'
import type { FoundVm } from '../../executor/found/types.js'
import { count } from './table.js'

const MOST_NAMED = 8

/** By procfs alone: quick, and nobody is asked. */
export async function runningGuests(): Promise<readonly FoundVm[]> {
  return (await findVms({ ask: false, memory: false })).vms
}

/** `2 VMs: db (8 vCPUs), web (4 vCPUs)`; `none`. */
export function guestsText(vms: readonly FoundVm[]): string {
  if (vms.length === 0) return 'none'
  const named = vms.slice(0, MOST_NAMED).map(({ name, vcpuCount }) => {
    return vcpuCount === null ? name.value : `${name.value} (${count(vcpuCount.value, 'vCPU')})`
  })
  const others = vms.length > named.length ? `, ${vms.length - named.length} more` : ''
  return `${count(vms.length, 'VM')}: ${named.join(', ')}${others}`
}
