/** Which backend a run has, and why no guest runs where none does. */

import { InputError, show, UnsupportedError } from '../../src/errors.js'
import type { Backend } from '../../src/types.js'
import { kvmStatus } from './probe.js'

const INSTEAD = 'no guest ran; instead, threads pinned as the plan says walked over the memory bound as it says'

/**
 * @param wanted without it: `kvm` where it is usable, else `threads`
 * @throws {InputError} for another name
 * @throws {UnsupportedError} where `kvm` is wanted and is not usable
 */
export function chooseBackend(wanted: Backend | undefined): { backend: Backend; noGuest: string | null } {
  if (wanted === 'threads') return { backend: 'threads', noGuest: `the backend "threads" was asked for: ${INSTEAD}` }
  if (wanted !== undefined && wanted !== 'kvm') throw new InputError('backend', '"kvm" or "threads"', show(wanted))
  const status = kvmStatus()
  if (status.usable) return { backend: 'kvm', noGuest: null }
  const why = status.hint === '' ? status.text : `${status.text} (${status.hint})`
  if (wanted === 'kvm') throw new UnsupportedError('KVM', why)
  return { backend: 'threads', noGuest: `KVM is not usable: ${why}: ${INSTEAD}` }
}
