/** What VMs that are not planned leave to the others: they stay where they are. */

import { parseCpulist } from '../../src/cpulist.js'
import type { CpuId, Host, HostCpu, NodeId } from '../../src/types.js'
import type { FoundThread, FoundVm } from './types.js'

/** The host without the cores of threads that are pinned to one CPU: these CPUs are not allowed. Memory that VMs have is not free anyway. */
export function withoutPinned(host: Host, vms: readonly FoundVm[]): Host {
  const kept = keepersOf(host, vms)
  return without(host, ({ id }) => kept.has(id))
}

/** By CPU, a VM with a thread that is pinned to a CPU of its core. */
export function keepersOf(host: Host, vms: readonly FoundVm[]): ReadonlyMap<CpuId, FoundVm> {
  const pinned = new Map(
    vms.flatMap((vm) => {
      const threads = [...vm.vcpus, ...vm.iothreads, ...vm.emulator]
      return threads.flatMap((thread) => pinnedTo(thread) ?? []).map((cpu) => [cpu, vm] as const)
    }),
  )
  const cores = new Map(
    host.cpus.flatMap((cpu) => {
      const vm = pinned.get(cpu.id)
      return vm === undefined ? [] : [[coreOf(cpu), vm] as const]
    }),
  )
  return new Map(
    host.cpus.flatMap((cpu) => {
      const vm = pinned.get(cpu.id) ?? cores.get(coreOf(cpu))
      return vm === undefined ? [] : [[cpu.id, vm] as const]
    }),
  )
}

/**
 * The host without CPUs for vCPUs that float: of each node as many as these have been busy since they began (rounded; a vCPU on several
 * nodes counts on each with its share). Whole cores first, and one CPU of a node at least is left.
 */
export function withoutBusy(host: Host, vms: readonly FoundVm[]): Host {
  const free = host.cpus.filter((cpu) => cpu.online && cpu.allowed)
  const taken = floatingOn(free, vms).flatMap(({ node, busy, cpus }) => {
    const left = free.filter((cpu) => cpu.node === node).length - 1
    const last = [...cpus].sort((a, b) => coreOf(b) - coreOf(a) || b.id - a.id)
    return last.slice(0, Math.min(Math.round(busy), left))
  })
  const ids = new Set(taken.map(({ id }) => id))
  return without(host, ({ id }) => ids.has(id))
}

function without(host: Host, isTaken: (cpu: HostCpu) => boolean): Host {
  return { ...host, cpus: host.cpus.map((cpu) => (isTaken(cpu) ? { ...cpu, allowed: false } : cpu)) }
}

/** A CPU of which it is not known is a core of its own. */
function coreOf({ core, id }: HostCpu): number {
  return core ?? -1 - id
}

function pinnedTo({ cpus }: FoundThread): CpuId | null {
  return /^\d+$/.test(cpus) ? Number(cpus) : null
}

interface Floating {
  readonly node: NodeId | null
  /** CPUs' worth. */
  busy: number
  /** That some of them may run on. */
  readonly cpus: Set<HostCpu>
}

function floatingOn(free: readonly HostCpu[], vms: readonly FoundVm[]): Floating[] {
  const byNode = new Map<NodeId | null, Floating>()
  for (const vcpu of vms.flatMap(({ vcpus }) => vcpus)) {
    if (pinnedTo(vcpu) !== null) continue
    const own = new Set(parseCpulist(vcpu.cpus, { allowEmpty: true }))
    const cpus = free.filter(({ id }) => own.has(id))
    for (const cpu of cpus) {
      const { node } = cpu
      const floating = byNode.get(node) ?? { node, busy: 0, cpus: new Set<HostCpu>() }
      byNode.set(node, floating)
      floating.busy += vcpu.load / cpus.length
      floating.cpus.add(cpu)
    }
  }
  return [...byNode.values()]
}
