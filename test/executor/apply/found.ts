/** A guest of a test, found and planned for. The machine may run others. */

import { prepareChanges } from '../../../executor/apply/prepare.js'
import type { Changes } from '../../../executor/apply/types.js'
import { requestOf } from '../../../executor/found/as-request.js'
import { findVms } from '../../../executor/found/find.js'
import type { Found } from '../../../executor/found/types.js'
import { plan } from '../../../src/plan.js'
import { detectHost } from '../../../src/topology/index.js'
import type { VerifiedPlan } from '../../../src/types.js'
import { verifyPlan } from '../../../src/verify.js'

export async function foundOnly(...pids: readonly number[]): Promise<Found> {
  const { vms, missing } = await findVms({ deadlineMs: 20_000 })
  const own = vms.filter(({ pid }) => pids.includes(pid))
  if (own.length !== pids.length) throw new Error(`found ${own.length} of ${pids.length}`)
  return { vms: own, missing }
}

/** Each vCPU on a CPU of its own, as long as there are so many. */
export async function planOf(found: Found): Promise<VerifiedPlan> {
  const asked = requestOf(found.vms, await detectHost())
  return verifyPlan(asked.host, asked.request, await plan(asked.host, asked.request))
}

export async function changesFor(...pids: readonly number[]): Promise<{ plan: VerifiedPlan; changes: Changes }> {
  const found = await foundOnly(...pids)
  const verified = await planOf(found)
  return { plan: verified, changes: await prepareChanges(found, verified) }
}
