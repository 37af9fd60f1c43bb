/** Hosts, VMs that come and go, and a rule that picks the host; the place on the host is homenode's for every rule. */

import { NOTHING, placedRequest, withoutVm } from '../../src/fleet/placed.js'
import { rank } from '../../src/fleet/rank.js'
import type { Host, Request } from '../../src/types.js'
import { costAsIs } from '../../src/verify.js'
import type { Rule } from './rules.js'
import type { Arrival } from './workload.js'

export interface Site {
  readonly name: string
  readonly host: Host
  placed: Request
}

export interface Outcome {
  readonly accepted: number
  readonly acceptedVcpus: number
  /** Mean over time of lost vCPUs, of the vCPUs that run. */
  readonly lostShare: number
  /** Mean over time of vCPUs that run, of the CPUs. */
  readonly used: number
}

export async function simulate(
  hosts: readonly { readonly name: string; readonly host: Host }[],
  arrivals: readonly Arrival[],
  rule: Rule,
): Promise<Outcome> {
  const sites: Site[] = hosts.map((one) => ({ ...one, placed: NOTHING }))
  const cpus = hosts.reduce((sum, { host }) => sum + host.cpus.length, 0)
  const lost = new Map<Site, number>()
  const running: { readonly until: number; readonly site: Site; readonly name: string; readonly vcpus: number }[] = []
  const sums = { accepted: 0, acceptedVcpus: 0, lost: 0, used: 0 }
  let now = 0
  const passTo = (time: number) => {
    const used = running.reduce((sum, { vcpus }) => sum + vcpus, 0)
    sums.used += used * (time - now)
    sums.lost += [...lost.values()].reduce((sum, one) => sum + one, 0) * (time - now)
    now = time
  }
  const change = (site: Site, placed: Request) => {
    site.placed = placed
    lost.set(site, lostOn(site))
  }
  for (const { at, until, vm } of arrivals) {
    running.sort((a, b) => b.until - a.until)
    for (let next = running.at(-1); next !== undefined && next.until <= at; next = running.at(-1)) {
      passTo(next.until)
      running.pop()
      change(next.site, withoutVm(next.site.placed, next.name))
    }
    passTo(at)
    for (const site of await rule(sites, vm)) {
      const [one] = await rank([site], { [site.name]: site.placed }, vm, { moves: false })
      if (one!.plan === null) continue
      change(site, placedRequest(one!.request!, one!.plan))
      running.push({ until, site, name: vm.name, vcpus: vm.vcpus })
      sums.accepted++
      sums.acceptedVcpus += vm.vcpus
      break
    }
  }
  return {
    accepted: sums.accepted,
    acceptedVcpus: sums.acceptedVcpus,
    lostShare: sums.lost / sums.used,
    used: sums.used / now / cpus,
  }
}

function lostOn({ host, placed }: Site): number {
  if (placed.vms.length === 0) return 0
  const residents = placed.vms.map(({ name, current }) => ({ name, ...current! }))
  return costAsIs(host, placed, residents).lostVcpus
}
