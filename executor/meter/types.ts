/**
 * Counters of running VMs and of the host's nodes. `null` is what nothing measures, never 0. Times are in nanoseconds,
 * sizes in bytes.
 */

import type { FoundVm, Missing } from '../found/types.js'

/** All counters at one time. Two of them make rates: `ratesBetween`. */
export interface Reading {
  /** On the clock of `performance.now()`. */
  readonly at: number
  /** The whole host. */
  readonly host: HostReading
  /** Ascending by pid. */
  readonly vms: readonly VmReading[]
  /** What keeps VMs from being found, and what of these figures nobody may read here. */
  readonly missing: readonly Missing[]
}

/** What is dear to read is read by turns, and so comes with the time before. */
export interface Rationed<Value> {
  /** When it was read, on the clock of `performance.now()`. */
  readonly at: number
  /** What was read. */
  readonly value: Value
  /** The time before; `null` at the first. */
  readonly before: { readonly at: number; readonly value: Value } | null
}

/** Counters of a VM. */
export interface VmReading {
  /** As it was last found; its `mappings` are empty. */
  readonly vm: FoundVm
  /** Of the vCPUs whose threads are known, ascending by vCPU. */
  readonly threads: readonly ThreadReading[]
  /** CPU time of all threads of the process, those that have ended, too; in ticks of 10 ms. */
  readonly processNs: number | null
  /** Where its memory was when that was last looked at. */
  readonly memory: MemoryReading | null
  /** KVM's counters, all vCPUs together. */
  readonly kvm: Rationed<KvmCounters> | null
}

/** Counters of a thread that runs a vCPU, since it began. */
export interface ThreadReading {
  /** The vCPU's number in its VM. */
  readonly vcpu: number
  /** The kernel's number for the thread. */
  readonly tid: number
  /** Time that it ran; by ticks of 10 ms where the kernel has no scheduler statistics. */
  readonly onCpuNs: number | null
  /** Time that it was runnable and did not run. */
  readonly delayNs: number | null
  /** What is dear to read. */
  readonly details: Rationed<ThreadDetails> | null
}

/** More counters of a thread that runs a vCPU. */
export interface ThreadDetails {
  /** The CPU that it ran on last. */
  readonly lastCpu: number | null
  /** How often it went to another CPU. */
  readonly migrations: number | null
  /**
   * Accesses that NUMA balancing has sampled, by the node of the memory; old ones fade. `null` where it has seen none, or the
   * kernel was built without it.
   */
  readonly faults: readonly NodeFaults[] | null
  /** KVM's counters of this vCPU. */
  readonly kvm: KvmCounters | null
}

/** Sampled accesses to the memory of a node. */
export interface NodeFaults {
  /** The node. */
  readonly node: number
  /** How many, faded. */
  readonly count: number
}

/** Memory of a process by node, without files that it only reads. Walking through it is rationed, so that it may be old. */
export interface MemoryReading {
  /** When that was. */
  readonly at: number
  /** How long it took the kernel. */
  readonly tookNs: number
  /** Those that have some, ascending. */
  readonly nodes: readonly { readonly node: number; readonly bytes: number }[]
}

/** KVM's counters by its own names: `exits`, `halt_exits`, `halt_wait_ns`, ... since the VM began. */
export type KvmCounters = Readonly<Record<string, number>>

/** Counters of the host. */
export interface HostReading {
  /** Ascending. */
  readonly nodes: readonly NodeReading[]
  /** How long tasks waited for something. */
  readonly pressure: Readonly<Record<Resource, PressureReading | null>>
  /** Pages that the kernel has moved to another place, for whatever reason. */
  readonly migratedPages: number | null
  /** What NUMA balancing has sampled of the whole host. */
  readonly hintFaults: { readonly all: number; readonly local: number } | null
}

/** What pressure is measured of. */
export type Resource = 'cpu' | 'memory' | 'io'

/** Time that tasks waited for a resource. Source: Documentation/accounting/psi.rst */
export interface PressureReading {
  /** At least one waited. */
  readonly someNs: number
  /** All waited. */
  readonly fullNs: number | null
}

/** Counters of a node. */
export interface NodeReading {
  /** Its number. */
  readonly node: number
  /** Those that are online, ascending. */
  readonly cpus: readonly number[]
  /** Time that its CPUs were busy, in the sum; time that a hypervisor took from them counts as busy. Ticks of 10 ms. */
  readonly busyNs: number | null
  /** Time that they were idle or waited for I/O. */
  readonly idleNs: number | null
  /** Bytes that it has. */
  readonly total: number | null
  /** Bytes that are free. */
  readonly free: number | null
  /** Bytes that the kernel can give beyond that. */
  readonly reclaimable: number | null
  /** Pages that were taken of it since the start of the system. */
  readonly allocations: Allocations | null
  /** Bytes that its CPUs have read and written, of all nodes and of their own, where resctrl is mounted and counts them. */
  readonly traffic: { readonly all: number; readonly local: number | null } | null
}

/** Pages. Source: Documentation/admin-guide/numastat.rst */
export interface Allocations {
  /** Wanted of this node, and got. */
  readonly hit: number
  /** Wanted of another node that had none. */
  readonly miss: number
  /** Wanted of this node, and got from another. */
  readonly foreign: number
  /** Taken by a process on this node. */
  readonly local: number
  /** Taken by a process on another node. */
  readonly other: number
}
