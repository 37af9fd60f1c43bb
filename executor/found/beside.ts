/** What VMs that are not planned leave to the others: they stay where they are. */

import { parseCpulist } from '../../src/cpulist.js'
import type { CpuId, Host, HostCpu, NodeId } from '../../src/types.js'
import type { FoundThread, FoundVm } from './types.js'

/**
 * The host with CPUs that are not allowed because VMs have them: the cores of threads that are pinned to one CPU; and of
 * each node, for vCPUs that float over it, as many as these have been busy since they began (rounded, a vCPU on several nodes counting on
 * each with its share), whole cores first, and one CPU of a node at least is left. Memory that they have is not free anyway.
 */
export function hostBeside(host: Host, vms: readonly FoundVm[]): Host {
  const threads = vms.flatMap(({ vcpus, iothreads, emulator }) => [...vcpus, ...iothreads, ...emulator])
  const pinned = new Set(threads.flatMap((thread) => pinnedTo(thread) ?? []))
  const coreOf = new Map(host.cpus.map((cpu) => [cpu.id, cpu.core ?? -1 - cpu.id]))
  const cores = new Set([...pinned].map((id) => coreOf.get(id)))
  const taken = new Set(host.cpus.filter(({ id }) => cores.has(coreOf.get(id))).map(({ id }) => id))
  const free = host.cpus.filter((cpu) => cpu.online && cpu.allowed && !taken.has(cpu.id))
  for (const { node, busy, cpus } of floatingOn(free, vms)) {
    const left = free.filter((cpu) => cpu.node === node).length - 1
    const last = [...cpus].sort((a, b) => coreOf.get(b)! - coreOf.get(a)! || b - a)
    for (const id of last.slice(0, Math.min(Math.round(busy), left))) taken.add(id)
  }
  return { ...host, cpus: host.cpus.map((cpu) => (taken.has(cpu.id) ? { ...cpu, allowed: false } : cpu)) }
}

function pinnedTo({ cpus }: FoundThread): CpuId | null {
  return /^\d+$/.test(cpus) ? Number(cpus) : null
}

interface Floating {
  readonly node: NodeId | null
  /** CPUs' worth. */
  busy: number
  /** That some of them may run on. */
  readonly cpus: Set<CpuId>
}

function floatingOn(free: readonly HostCpu[], vms: readonly FoundVm[]): Floating[] {
  const byNode = new Map<NodeId | null, Floating>()
  for (const vcpu of vms.flatMap(({ vcpus }) => vcpus)) {
    if (pinnedTo(vcpu) !== null) continue
    const own = new Set(parseCpulist(vcpu.cpus, { allowEmpty: true }))
    const cpus = free.filter(({ id }) => own.has(id))
    for (const { id, node } of cpus) {
      const floating = byNode.get(node) ?? { node, busy: 0, cpus: new Set<CpuId>() }
      byNode.set(node, floating)
      floating.busy += vcpu.load / cpus.length
      floating.cpus.add(id)
    }
  }
  return [...byNode.values()]
}
