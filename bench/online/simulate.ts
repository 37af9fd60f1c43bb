/** A session through the events. */

import { Session, type SessionOptions } from '../../src/session.js'
import type { Host } from '../../src/types.js'
import type { Event } from './workload.js'

export interface Outcome {
  readonly arrivals: number
  readonly askedVcpus: number
  readonly acceptedVcpus: number
  /** VMs that had a place and got another one, each time. */
  readonly moved: number
  /** Mean over arrivals of lost vCPUs, of the vCPUs that are there. */
  readonly lostShare: number
  readonly cpuMs: number
}

export async function simulate(host: Host, events: readonly Event[], options: SessionOptions): Promise<Outcome> {
  const session = await Session.open(host, { vms: [] }, options)
  const there = new Map<string, number>()
  const sums = { arrivals: 0, askedVcpus: 0, acceptedVcpus: 0, moved: 0, lost: 0, used: 0 }
  const begun = process.cpuUsage()
  for (const event of events) {
    if (event.kind === 'go') {
      if (there.delete(event.name)) session.remove(event.name)
      continue
    }
    const { name, vcpus } = event.vm
    sums.arrivals++
    sums.askedVcpus += vcpus
    const { plan } = session.add(event.vm)
    if (plan === null) continue
    there.set(name, vcpus)
    sums.acceptedVcpus += vcpus
    sums.moved += new Set((plan.moves ?? []).map(({ vm }) => vm)).size
    sums.lost += plan.cost.lostVcpus - plan.cost.terms.migration
    sums.used += [...there.values()].reduce((sum, one) => sum + one, 0)
  }
  const { user, system } = process.cpuUsage(begun)
  const { arrivals, askedVcpus, acceptedVcpus, moved } = sums
  const lostShare = sums.used === 0 ? 0 : sums.lost / sums.used
  return { arrivals, askedVcpus, acceptedVcpus, moved, lostShare, cpuMs: (user + system) / 1000 }
}
