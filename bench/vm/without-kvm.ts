/** What a bench says that needs KVM, where there is none. */

import { kvmStatus } from '../../executor/run/probe.js'
import { type Bench, hostFacts } from '../bench.js'

/** The whole result, without rows; `null` where KVM is usable. */
export function kvmMissing(name: string): Bench | null {
  const status = kvmStatus()
  if (status.usable) return null
  const why = status.hint === '' ? status.text : `${status.text} (${status.hint})`
  return { kind: 'Bench', name, host: hostFacts(), rows: [], notes: [`nothing ran: KVM is not usable: ${why}`] }
}
