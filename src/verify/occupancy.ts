/** Who is where, in the plan as a whole: the holders of each CPU and core, what is left to share, and who shares it. */

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

/** What the shared vCPUs of a node float over. */
export interface SharedCpus {
  /** Ascending. */
  readonly cpus: readonly CpuId[]
  /** The same as a cpulist. */
  readonly cpulist: string
  /** Mean, rounded down. */
  readonly capacity: number
}

export interface Occupancy {
  readonly ofVm: ReadonlyMap<PlacedVm, readonly Holder[]>
  readonly ofCpu: ReadonlyMap<CpuId, readonly Holder[]>
  readonly ofCore: ReadonlyMap<number | undefined, readonly Holder[]>
  /** The cores that have shared CPUs. */
  readonly sharedCores: ReadonlySet<number>
  /** The VMs with shared vCPUs on each node that has any. */
  readonly sharers: ReadonlyMap<NodeId, ReadonlySet<PlacedVm>>
  shared(node: NodeId): SharedCpus
}

const FASTEST = 1024
const NONE: SharedCpus = { cpus: [], cpulist: '', capacity: FASTEST }

export function occupancyOf(machine: Machine, vms: readonly PlacedVm[]): Occupancy {
  const holders = vms.flatMap((vm) => holdersOf(machine, vm))
  const ofCore = groupBy(holders, (holder) => holder.core)
  const isShared = (cpu: MachineCpu): boolean => cpu.usable && !cpu.isolated && !ofCore.has(cpu.core)
  const all = [...machine.cpus.values()].filter(isShared)
  const shared = new Map([...groupBy(all, (cpu) => cpu.node)].map(([node, cpus]) => [node, sharedCpus(cpus)]))
  return {
    ofVm: groupBy(holders, (holder) => holder.vm),
    ofCpu: groupBy(holders, (holder) => holder.cpu),
    ofCore,
    sharedCores: new Set(all.map(({ core }) => core)),
    sharers: sharersOf(vms),
    shared: (node) => shared.get(node) ?? NONE,
  }
}

function sharedCpus(members: readonly MachineCpu[]): SharedCpus {
  const cpus = members.map(({ id }) => id)
  const capacity = members.reduce((sum, cpu) => sum + cpu.capacity, 0)
  return { cpus, cpulist: formatCpulist(cpus), capacity: Math.floor(capacity / cpus.length) }
}

function sharersOf(vms: readonly PlacedVm[]): Map<NodeId, Set<PlacedVm>> {
  const sharers = new Map<NodeId, Set<PlacedVm>>()
  for (const vm of vms) {
    for (const { dedicated, node } of vm.vcpus) {
      if (!dedicated) sharers.set(node, (sharers.get(node) ?? new Set()).add(vm))
    }
  }
  return sharers
}

/** Of a thread that has several CPUs, which is a violation of its own, the first counts. */
function holdersOf(machine: Machine, vm: PlacedVm): Holder[] {
  const onFirst = (cpus: readonly CpuId[]) =>
    cpus.slice(0, 1).map((cpu) => ({ vm, cpu, core: machine.cpus.get(cpu)?.core }))
  const vcpus = vm.vcpus
    .filter((vcpu) => vcpu.dedicated)
    .flatMap(({ vcpu, cell, cpus }) =>
      onFirst(cpus).map((at) => ({ ...at, vcpu, cell, text: `vCPU ${vcpu} of ${vm.name}` })),
    )
  if (vm.request.emulator !== 'dedicated') return vcpus
  const threads = vmmThreads(vm).flatMap(({ text, cpus }) =>
    onFirst(cpus).map((at) => ({ ...at, text: `${text} of ${vm.name}` })),
  )
  return [...vcpus, ...threads]
}

/** The VMM's own threads: the emulator, then the I/O threads. */
export function vmmThreads(vm: PlacedVm): { readonly text: string; readonly cpus: readonly CpuId[] }[] {
  const iothreads = vm.iothreads.map((cpus, at) => ({ text: `I/O thread ${at}`, cpus }))
  return [{ text: 'the emulator', cpus: vm.emulator }, ...iothreads]
}
