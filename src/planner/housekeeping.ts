/** Where floating threads run, once all VMs are placed: which VMs are on which core, and what that leaves to the threads. */

import { formatCpulist } from '../cpulist.js'
import type { CpuId, NodeId, RequestVm } from '../types.js'
import { CPU } from './generated/abi.js'
import type { OnlineCpu } from './host.js'

/** A placed VM, as far as its threads go. */
export interface Tenant {
  readonly vm: RequestVm
  /** `cpu`: null where shared. */
  readonly vcpus: readonly { readonly node: NodeId; readonly cpu: CpuId | null }[]
  /** CPUs of the emulator and the I/O threads, where they have their own. */
  readonly threads: readonly CpuId[]
}

export interface Household {
  /** The CPUs that shared vCPUs of a node float over, as a cpulist. */
  shared(node: NodeId): string
  /** The same for the VMM's threads of a VM that keeps house (docs/model.md, `emulator`). */
  housekeeping(tenant: Tenant): string
}

/** The shared CPUs of a node, and the trust domain of the threads that float there. `undefined`: none do. */
interface Pool {
  readonly cpus: CpuId[]
  domain: string | null | undefined
}

/** Of the threads of a core: VMs with dedicated threads, those of them whose vCPUs keep others off, and what else floats there. */
interface Residents {
  readonly dedicated: RequestVm[]
  readonly keepers: RequestVm[]
  readonly pools: Pool[]
}

export function householdOf(cpus: readonly OnlineCpu[], tenants: readonly Tenant[]): Household {
  const cores = new Map<number, Residents>()
  for (const { core } of cpus) cores.set(core, { dedicated: [], keepers: [], pools: [] })
  const coreOf = new Map(cpus.map(({ id, core }) => [id, cores.get(core)!]))
  for (const { vm, vcpus, threads } of tenants) {
    for (const { cpu } of vcpus) {
      if (cpu === null) continue
      coreOf.get(cpu)!.dedicated.push(vm)
      if (vm.threadPolicy === 'isolate' || vm.threadPolicy === 'require') coreOf.get(cpu)!.keepers.push(vm)
    }
    for (const cpu of threads) coreOf.get(cpu)!.dedicated.push(vm)
  }
  const pools = poolsOf(cpus, tenants, coreOf)
  const lists = new Map([...pools].map(([node, pool]) => [node, formatCpulist(pool.cpus)]))
  const reserved = cpus.filter(({ use, keepsHouse }) => use === CPU.HOST && keepsHouse)
  return {
    shared: (node) => lists.get(node) ?? '',
    housekeeping: ({ vm, vcpus }) => {
      const nodes = new Set(vcpus.map(({ node }) => node))
      const open = reserved.filter(({ id }) => mayKeepHouse(vm, coreOf.get(id)!))
      const near = open.filter(({ node }) => nodes.has(node))
      if (open.length > 0) return formatCpulist((near.length > 0 ? near : open).map(({ id }) => id))
      const shared = [...nodes].filter((node) => pools.has(node) && mayFloat(vm, pools.get(node)!))
      if (shared.length === 1) return lists.get(shared[0]!)!
      if (shared.length > 0) return formatCpulist(shared.flatMap((node) => pools.get(node)!.cpus))
      return formatCpulist(vcpus.flatMap(({ cpu }) => (cpu === null ? [] : [cpu])))
    },
  }
}

/** By node; only of nodes that have shared CPUs. Enters them at their cores, too. */
function poolsOf(
  cpus: readonly OnlineCpu[],
  tenants: readonly Tenant[],
  coreOf: ReadonlyMap<CpuId, Residents>,
): Map<NodeId, Pool> {
  const pools = new Map<NodeId, Pool>()
  for (const { id, node, use } of cpus) {
    const core = coreOf.get(id)!
    if (use !== CPU.GUESTS || core.dedicated.length > 0) continue
    const pool = pools.get(node) ?? { cpus: [], domain: undefined }
    pools.set(node, pool)
    pool.cpus.push(id)
    core.pools.push(pool)
  }
  for (const { vm, vcpus } of tenants) {
    for (const { node, cpu } of vcpus) {
      const pool = cpu === null ? pools.get(node) : undefined
      if (pool !== undefined) pool.domain = vm.trust
    }
  }
  return pools
}

/** Whether threads of the VM may float beside those of the pool: without names, or in one domain. */
function mayFloat(vm: RequestVm, { domain }: Pool): boolean {
  return domain === undefined || domain === vm.trust
}

/** Whether housekeeping threads of the VM may be on a core beside these. */
function mayKeepHouse(vm: RequestVm, { dedicated, keepers, pools }: Residents): boolean {
  for (const other of dedicated) if (other !== vm && (vm.trust === null || other.trust !== vm.trust)) return false
  for (const other of keepers) if (other.threadPolicy === 'isolate' || other !== vm) return false
  for (const pool of pools) if (!mayFloat(vm, pool)) return false
  return true
}
