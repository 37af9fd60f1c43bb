/** Who is where, in the plan as a whole: the holders of each CPU and core, and what is left to share. */

import { formatCpulist } from '../cpulist.js'
import type { CpuId, NodeId } from '../types.js'
import { groupBy, type Machine, type MachineCpu } from './machine.js'
import type { PlacedVm } from './placement.js'

/** A thread with a CPU of its own: a dedicated vCPU, or an emulator or I/O thread of a VM that asked for that. */
export interface Holder {
  readonly vm: PlacedVm
  readonly cpu: CpuId
  /** Its core; `undefined` for a CPU that the host does not have online. */
  readonly core: number | undefined
  /** Absent for emulator and I/O threads. */
  readonly vcpu?: number
  readonly cell?: number
  /** `vCPU 3 of db`. */
  readonly text: string
}

export interface Occupancy {
  readonly ofVm: ReadonlyMap<PlacedVm, readonly Holder[]>
  readonly ofCpu: ReadonlyMap<CpuId, readonly Holder[]>
  readonly ofCore: ReadonlyMap<number | undefined, readonly Holder[]>
  /** Usable CPUs of the node that shared vCPUs float over, ascending. */
  sharedCpus(node: NodeId): readonly MachineCpu[]
  /** The same as a cpulist. */
  sharedCpulist(node: NodeId): string
}

export function occupancyOf(machine: Machine, vms: readonly PlacedVm[]): Occupancy {
  const holders = vms.flatMap((vm) => holdersOf(machine, vm))
  const ofCpu = groupBy(holders, (holder) => holder.cpu)
  const ofCore = groupBy(holders, (holder) => holder.core)
  const isShared = (cpu: MachineCpu): boolean =>
    cpu.usable && !ofCpu.has(cpu.id) && !(ofCore.get(cpu.core) ?? []).some((holder) => holder.vcpu !== undefined)
  const shared = groupBy([...machine.cpus.values()].filter(isShared), (cpu) => cpu.node)
  const cpulists = new Map([...shared].map(([node, cpus]) => [node, formatCpulist(cpus.map((cpu) => cpu.id))]))
  return {
    ofVm: groupBy(holders, (holder) => holder.vm),
    ofCpu,
    ofCore,
    sharedCpus: (node) => shared.get(node) ?? [],
    sharedCpulist: (node) => cpulists.get(node) ?? '',
  }
}

function holdersOf(machine: Machine, vm: PlacedVm): Holder[] {
  const core = (cpu: CpuId): number | undefined => machine.cpus.get(cpu)?.core
  const vcpus = vm.vcpus
    .filter((vcpu) => vcpu.dedicated)
    .flatMap(({ vcpu, cell, cpus }) =>
      cpus.map((cpu) => ({ vm, cpu, core: core(cpu), vcpu, cell, text: `vCPU ${vcpu} of ${vm.name}` })),
    )
  if (vm.request.emulator !== 'dedicated') return vcpus
  const threads = vmmThreads(vm).flatMap(({ text, cpus }) =>
    cpus.map((cpu) => ({ vm, cpu, core: core(cpu), text: `${text} of ${vm.name}` })),
  )
  return [...vcpus, ...threads]
}

/** The VMM's own threads: the emulator, then the I/O threads. */
export function vmmThreads(vm: PlacedVm): { readonly text: string; readonly cpus: readonly CpuId[] }[] {
  const iothreads = vm.iothreads.map((cpus, at) => ({ text: `I/O thread ${at}`, cpus }))
  return [{ text: 'the emulator', cpus: vm.emulator }, ...iothreads]
}
