/** A placement that is given, for those who are there now: where threads float follows from who else is there. */

import { parseCpulist } from '../cpulist.js'
import type { Host, PlanVm, Request, RequestVm } from '../types.js'
import { onlineCpus } from './host.js'
import { householdOf, type Tenant } from './housekeeping.js'

/** The VMs of the request that are placed, in its order, with the CPUs of shared vCPUs and of housekeeping threads computed anew. */
export function floatAnew(host: Host, request: Request, vms: readonly PlanVm[]): PlanVm[] {
  const given = new Map(vms.map((vm) => [vm.name, vm]))
  const cpus = onlineCpus(host, request)
  const known = new Set(cpus.map(({ id }) => id))
  const placed = request.vms.flatMap((vm) => {
    const plan = given.get(vm.name)
    return plan === undefined ? [] : [{ plan, tenant: tenantOf(vm, plan, known) }]
  })
  const household = householdOf(
    cpus,
    placed.map(({ tenant }) => tenant),
  )
  return placed.map(({ plan, tenant }): PlanVm => {
    const floating = tenant.vm.emulator === 'housekeeping' ? household.housekeeping(tenant) : null
    return {
      ...plan,
      vcpus: plan.vcpus.map((vcpu) => (vcpu.dedicated ? vcpu : { ...vcpu, cpus: household.shared(vcpu.node) })),
      emulator: floating ?? plan.emulator,
      iothreads: plan.iothreads.map((cpus) => floating ?? cpus),
    }
  })
}

/** Without CPUs that are not there: those are for the verifier to name. */
function tenantOf(vm: RequestVm, { vcpus, emulator, iothreads }: PlanVm, known: ReadonlySet<number>): Tenant {
  const threads = vm.emulator === 'dedicated' ? [emulator, ...iothreads] : []
  const cpusOf = (cpulist: string) => parseCpulist(cpulist, { allowEmpty: true }).filter((cpu) => known.has(cpu))
  return {
    vm,
    vcpus: vcpus.flatMap(({ node, cpus, dedicated }) => {
      return (dedicated ? cpusOf(cpus) : [null]).map((cpu) => ({ node, cpu }))
    }),
    threads: threads.flatMap(cpusOf),
  }
}
