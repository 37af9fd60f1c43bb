/** The VMs that run on this machine, as far as files show them. */

import type { FoundVm } from '../../../executor/found/types.js'
import { guestsText } from '../guests.js'
import { type Check, ok, warning } from './check.js'

export function checkGuests(vms: readonly FoundVm[]): Check {
  const found = guestsText(vms)
  if (vms.length === 0) return ok('guests', found, 'No VM runs here, or none that this user can see.')
  const dark = vms.filter(({ vcpus }) => vcpus.length === 0)
  if (dark.length === 0) return ok('guests', found, '`homenode ps` shows where they are and what that costs.')
  const names = dark.map(({ name }) => name.value).join(', ')
  return warning(
    'guests',
    found,
    `Of ${names} files do not show which threads run the vCPUs.`,
    'Start QEMU with -name NAME,debug-threads=on, or as root: mount -t debugfs none /sys/kernel/debug. `homenode ps` asks QEMU, too.',
  )
}
