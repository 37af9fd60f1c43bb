/**
 * The objects at homenode's doors, as they are in its JSON files: Host, Request, Plan, RunReport.
 * Sizes are bytes and integers unless a name says otherwise.
 */

import type { Finding } from './errors.js'

/** A number that stands for one kind of thing; plain numbers are accepted, another kind's are not. */
type Id<Kind extends string> = number & { readonly __id?: Kind }

/** A logical processor, by the number that the operating system gives it. */
export type CpuId = Id<'cpu'>
/** A NUMA node, by the number that the operating system gives it. */
export type NodeId = Id<'node'>
/** A virtual CPU, by its number in its VM. */
export type VcpuId = Id<'vcpu'>

// ---------------------------------------------------------------------------------------------------- Host

/** Pages of one size on one node. `null`: the kernel does not say. */
export interface PagePool {
  /** Bytes of one page. */
  readonly size: number
  /** Pages that the node has of this size. */
  readonly total: number | null
  /** Of these, pages that nobody has. */
  readonly free: number | null
}

/** A NUMA node: memory, and the CPUs that are nearest to it; it may have no CPU or no memory. */
export interface HostNode {
  /** The operating system's number. */
  readonly id: NodeId
  /** In pages of the base size. */
  readonly memory: {
    /** Bytes that the node has. 0: a node without memory. `null`: unknown. */
    readonly total: number | null
    /** Bytes that nobody has now. */
    readonly free: number | null
    /**
     * Bytes that the kernel can give on top of `free`, when they are asked for: file pages and reclaimable slab, less
     * what it keeps, an estimate by the formula of MemAvailable (Linux, mm/show_mem.c) for the node. Absent: unknown.
     */
    readonly reclaimable?: number
  }
  /** Ascending by size; the first is the base page, larger ones are reserved huge pages. */
  readonly pages: readonly PagePool[]
  /** `false` where the cpuset keeps this process from the node's memory (what is free or reclaimable is 0 then); absent otherwise. */
  readonly allowed?: boolean
  /** Bytes a second that the node's memory gives, where known (HMAT, or given). */
  readonly bandwidth?: number
}

/** A logical processor (hwloc: PU), one that is offline too. `null`: the kernel does not say. */
export interface HostCpu {
  /** The operating system's number. */
  readonly id: CpuId
  /** The node that it belongs to: the lowest of those that list it. `null` too where that node is offline. */
  readonly node: NodeId | null
  /** Physical package (socket), by the kernel's number where no other package has the same. */
  readonly package: number | null
  /** Last-level cache domain: host-wide number from 0, by lowest CPU; the node where caches are unknown. */
  readonly llc: number | null
  /** Core: host-wide number from 0, by lowest CPU. */
  readonly core: number | null
  /** Index among the online SMT siblings of its core, from 0. */
  readonly thread: number | null
  /** Switched on; only such a CPU runs anything. */
  readonly online: boolean
  /** In the cpuset of this process. */
  readonly allowed: boolean
  /** The kernel's scheduler moves no threads to it or from it (`isolcpus`, isolated partitions of cgroups). */
  readonly isolated: boolean
  /** Relative speed; 1024 = the host's fastest kind of core. */
  readonly capacity: number | null
}

/**
 * Most pages of one size that can be had now, on all nodes together: less than they have free (and reclaimable, of base
 * pages), since a cgroup of this process limits them, or since others have reserved them.
 */
export interface HostLimit {
  /** Bytes of one page. */
  readonly size: number
  /** How many pages. */
  readonly pages: number
  /** What limits them: a file of a cgroup (`memory.max of /pod`, below the mount of its hierarchy) or `resv_hugepages`. */
  readonly cause: string
}

/** A figure for each pair of nodes, in the order of `nodes`. `null`: not known. */
export type NodeMatrix = readonly (readonly (number | null)[])[]

/** How long a value takes from the CPU that writes it to one that waits for it, in ns. `null`: not known, or there are no such CPUs. */
export interface HandOver {
  /** Between SMT siblings. */
  readonly core: number | null
  /** Between cores that share a last-level cache. */
  readonly llc: number | null
  /** Between last-level caches of one node. */
  readonly node: number | null
  /** Between CPUs of two nodes. Of a node with itself nothing is given. */
  readonly nodes: NodeMatrix
}

/** What was measured on a host (`homenode calibrate`): medians. */
export interface Measures {
  /** ns that a load takes from a CPU of the row's node to the memory of the column's, each load waiting for the one before. */
  readonly latencies?: NodeMatrix
  /** Bytes a second that the CPUs of the row's node read, all together, from the memory of the column's. */
  readonly bandwidths?: NodeMatrix
  /** Between CPUs. */
  readonly hops?: HandOver
  /** What two busy SMT siblings get done, one of them alone being 1. */
  readonly smt?: number | null
}

/** A machine, as `homenode topo --json` prints it. */
export interface Host extends Measures {
  /** Of this format. */
  readonly schemaVersion: 1
  /** What this object is. */
  readonly kind: 'Host'
  /** Ascending by id. */
  readonly nodes: readonly HostNode[]
  /** SLIT units (local = 10), row = from, in the order of `nodes`. Source: ACPI 6.5, 5.2.17. */
  readonly distances: readonly (readonly number[])[]
  /** How far the measures are to be trusted: of each, the distance between its quartiles as a share of its median. */
  readonly spread?: Measures
  /** Ascending by id. */
  readonly cpus: readonly HostCpu[]
  /** Ascending by size, of each the tightest; absent where all that the nodes have free can be had. */
  readonly limits?: readonly HostLimit[]
}

// ------------------------------------------------------------------------------------------------- Request

/** `dedicated`: each vCPU has a CPU of its own; `shared`: they float over the shared CPUs of their node; `mixed`: some are dedicated. */
export type CpuPolicy = 'dedicated' | 'shared' | 'mixed'
/** SMT, for dedicated vCPUs: `prefer` whole cores; `require` them; `isolate`: one vCPU a core and nobody beside it; `spread`: one a core where possible. */
export type ThreadPolicy = 'prefer' | 'require' | 'isolate' | 'spread'
/** `strict`: a cell's memory is on the memory node of its vCPUs; `preferred`: it may spill to others, nearest first; `interleave`: evenly over the VM's nodes. */
export type MemoryPolicy = 'strict' | 'preferred' | 'interleave'
/** Where the VMM's own threads run: on the host's `housekeeping` CPUs, or on CPUs `dedicated` to them. */
export type EmulatorPolicy = 'housekeeping' | 'dedicated'
/** Between plans of equal cost: `pack` VMs on few nodes, or `spread` them. */
export type Strategy = 'pack' | 'spread'

/** Coefficients of the cost (model.md, "Cost"). */
export interface CostModel {
  /** Share of a vCPU's accesses that go to its own cell's memory. */
  readonly home: number
  /** Lost vCPUs per vCPU for traffic at distance 10 outside of the LLC. */
  readonly communication: number
  /** Lost vCPUs per busy SMT sibling. Absent: what the host measured (`Host.smt`), else 0.38. */
  readonly smt?: number
  /** Lost vCPUs per vCPU for each cell beyond the first. */
  readonly cells: number
  /** Lost vCPUs per vCPU for each 10 units of distance from a device. */
  readonly device: number
  /** How fast memory is moved to another node, in a re-plan. */
  readonly copyBytesPerSecond: number
  /** For how long a re-plan has to be worth its moves. */
  readonly horizonSeconds: number
}

/** A guest NUMA node as the request gives it. */
export interface RequestCell {
  /** Ascending. */
  readonly vcpus: readonly VcpuId[]
  /** Bytes. */
  readonly memory: number
}

/** Where a VM is now, for a re-plan: the parts of a plan's VM that can move. */
export type CurrentPlacement = Pick<PlanVm, 'cells' | 'vcpus'>

/** One VM of a request, complete: sizes in bytes, sets as ascending arrays, every default filled in. */
export interface RequestVm {
  /** Unique in its request. */
  readonly name: string
  /** How many it has; they are numbered from 0. */
  readonly vcpus: number
  /** Bytes. */
  readonly memory: number
  /** How many cells it has, `auto` where the plan decides, or each of them. */
  readonly cells: 'auto' | number | readonly RequestCell[]
  /** A cell's vCPUs and memory may lie on several nodes. */
  readonly span: boolean
  /** Whether its vCPUs have CPUs of their own. */
  readonly cpuPolicy: CpuPolicy
  /** With `mixed`: the dedicated ones. Empty otherwise. */
  readonly dedicatedVcpus: readonly VcpuId[]
  /** What its dedicated vCPUs want of SMT siblings. */
  readonly threadPolicy: ThreadPolicy
  /** Where its memory may be. */
  readonly memoryPolicy: MemoryPolicy
  /** Bytes of a page, or `any`. */
  readonly pageSize: number | 'any'
  /** Mean load of a shared vCPU, above 0 up to 1. */
  readonly demand: number
  /** Nodes that its memory may be on, ascending; `null`: any. */
  readonly memoryNodes: readonly NodeId[] | null
  /** It has neither vCPUs nor memory on the request's `deviceNodes`. */
  readonly avoidDeviceNodes: boolean
  /** Devices that it uses: `strict` ones have one of its cells on their node (or nearest to it), others cost where none is. */
  readonly devices: readonly { readonly node: NodeId; readonly strict: boolean }[]
  /** Trust domain: VMs of different ones never share a core. `null`: one of its own, without a name (model.md, `trust`). */
  readonly trust: string | null
  /** Names of VMs that it shares no node with. */
  readonly separateFrom: readonly string[]
  /** Names of VMs whose first node is its own. */
  readonly near: readonly string[]
  /** CPUs for the VMM's own threads. */
  readonly emulator: EmulatorPolicy
  /** How many I/O threads it has; each gets a CPU where `emulator` is `dedicated`. */
  readonly iothreads: number
  /** How much its loss counts, above 0. */
  readonly weight: number
  /** vCPUs x vCPUs, non-negative; `null`: every pair alike. */
  readonly traffic: readonly (readonly number[])[] | null
  /** Share of the time that a vCPU waits for memory when all of it is local, 0 to 1. */
  readonly memoryBound: number
  /** Bytes a second. */
  readonly bandwidth: number
  /** Where it is now; `null`: nowhere. */
  readonly current: CurrentPlacement | null
}

/** VMs of a size that may come later: for them a plan keeps room where that costs nothing (model.md, "Room for those to come"). */
export interface ExpectedVm {
  /** How many one of them has. */
  readonly vcpus: number
  /** Bytes. */
  readonly memory: number
  /** How many of them to how many of the other sizes; above 0. */
  readonly share: number
}

/** VMs that are to be placed together on a host, complete, as `parseRequest` returns it. */
export interface Request {
  /** What is kept for the host. */
  readonly reserve: {
    /** Ascending. A request is read without its host: where it says `all`, these are the CPUs that are not reserved. */
    readonly cpus: readonly CpuId[] | { readonly allBut: readonly CpuId[] }
    /** Bytes, on every node. */
    readonly memory: number
    /** Nodes whose memory no VM gets, ascending. */
    readonly nodes: readonly NodeId[]
  }
  /** Memory counts only where it is free now: what could be reclaimed stays where it is. */
  readonly freeMemoryOnly: boolean
  /** Nodes that have devices, ascending: VMs with `avoidDeviceNodes` keep off. */
  readonly deviceNodes: readonly NodeId[]
  /** Most demand of shared vCPUs for each shared CPU of a node. */
  readonly overcommit: number
  /** Decides between plans of equal cost. */
  readonly strategy: Strategy
  /** What the cost is reckoned with. */
  readonly model: CostModel
  /** Sizes of VMs that may come, no two of them the same; mostly none. */
  readonly expect: readonly ExpectedVm[]
  /** In the order in which they were given. */
  readonly vms: readonly RequestVm[]
}

// ---------------------------------------------------------------------------------------------------- Plan

/** The causes of lost vCPUs, in the order in which they are printed. */
export const COST_TERMS = [
  'remoteMemory',
  'communication',
  'smt',
  'capacity',
  'cells',
  'device',
  'overcommit',
  'bandwidth',
  'migration',
] as const
/**
 * A cause of lost vCPUs.
 * @useDeclaredType
 */
export type CostTerm = (typeof COST_TERMS)[number]
/** Lost vCPUs by cause. */
export type CostTerms = Readonly<Record<CostTerm, number>>

/** `optimal`: nothing is cheaper; `feasible`: all VMs are placed; `partial`: some are; `infeasible`: none is. */
export type PlanStatus = 'optimal' | 'feasible' | 'partial' | 'infeasible'

/** A guest's NUMA node, placed. */
export interface PlanCell {
  /** Its number in its VM, from 0. */
  readonly cell: number
  /** Bytes of a page. */
  readonly pageSize: number
  /** Where its bytes are, node by node. */
  readonly memory: readonly { readonly node: NodeId; readonly bytes: number }[]
}

/** A vCPU, placed. */
export interface PlanVcpu {
  /** Its number in its VM. */
  readonly vcpu: VcpuId
  /** The cell that it belongs to. */
  readonly cell: number
  /** The node of its CPUs. */
  readonly node: NodeId
  /** cpulist: one CPU where `dedicated`, else all that it may float over. */
  readonly cpus: string
  /** It has its CPU to itself. */
  readonly dedicated: boolean
}

/** A VM, placed. */
export interface PlanVm {
  /** As in the request. */
  readonly name: string
  /** Only the terms that are not zero are listed. */
  readonly cost: { readonly lostVcpus: number; readonly terms: Partial<CostTerms> }
  /** Ascending by number. */
  readonly cells: readonly PlanCell[]
  /** Ascending by number. */
  readonly vcpus: readonly PlanVcpu[]
  /** cpulist of the VMM's own threads. */
  readonly emulator: string
  /** cpulist of each I/O thread. */
  readonly iothreads: readonly string[]
}

/** A VM that does not fit, and why. */
export interface Refusal {
  /** As in the request. */
  readonly name: string
  /** It is known that no plan places more weight, or that it fits nowhere, not even alone; `false`: the search ended before. */
  readonly proven: boolean
  /** The constraints that clash, with the numbers per node. */
  readonly because: readonly { readonly constraint: string; readonly text: string }[]
  /** Single changes that would make it fit, each planned, cheapest first. */
  readonly nearest: readonly { readonly change: string; readonly lostVcpus: number }[]
}

/** A cell of a VM goes to its next place; its memory and its vCPUs go together. */
export interface Move {
  /** From 1, ascending. Moves of one step are made together: between them nothing has to hold. */
  readonly step: number
  /** The name of the VM. */
  readonly vm: string
  /** The number of the cell, as the plan has it. */
  readonly cell: number
  /** The step divides the VM into the cells of the plan, where `current` has others: it has a move for each of them. */
  readonly redivides?: true
  /** The cell's vCPUs that get another CPU or node, or become dedicated or shared, as they are after the step. */
  readonly vcpus: readonly Omit<PlanVcpu, 'cell'>[]
  /** Bytes of a page, afterwards. */
  readonly pageSize: number
  /** All of the cell's memory, as it is afterwards; empty where it stays as it is. */
  readonly memory: PlanCell['memory']
  /** Bytes that are copied: what the cell has on a node beyond what it had there; all, where the page size changes. */
  readonly bytes: number
}

/** What would have to be free, beyond what is, for the rest of the moves. */
export interface Spare {
  /** `null`: any node on which the VMs that are named may be. */
  readonly node: NodeId | null
  /** How many CPUs. */
  readonly cpus: number
  /** How much memory. */
  readonly bytes: number
  /** The same as a sentence, with the VMs that wait for it. */
  readonly text: string
}

/** Where the VMs of a request go, what that costs, and what does not fit. */
export interface Plan {
  /** Of this format. */
  readonly schemaVersion: 1
  /** What this object is. */
  readonly kind: 'Plan'
  /** How good it is. */
  readonly status: PlanStatus
  /** `lostVcpus` = the sum of `terms`; all are whole millionths. */
  readonly cost: {
    readonly lostVcpus: number
    readonly lowerBound: number
    readonly gap: number
    readonly terms: CostTerms
  }
  /** Those that are placed. */
  readonly vms: readonly PlanVm[]
  /** Those that are not. */
  readonly refused: readonly Refusal[]
  /** How to get here from `current`, in order. In a plan for a request where some VM has `current`, and in no other. */
  readonly moves?: readonly Move[]
  /** Only where `moves` do not get all the way: what else would have to be free. */
  readonly spare?: readonly Spare[]
  /** Which planner made it, and with what: the same again gives the same plan. */
  readonly solver: { readonly planner: string; readonly seed: number; readonly steps: number }
}

/** How many more VMs like one of a request fit. */
export interface Capacity {
  /** Of this format. */
  readonly schemaVersion: 1
  /** What this object is. */
  readonly kind: 'Capacity'
  /** The VM that the others are like. */
  readonly vm: string
  /** How many more fit beside what is there. */
  readonly more: number
  /** Of the plan with all of them. */
  readonly lostVcpus: number
  /** What stops the next one. */
  readonly because: Refusal['because']
}

/** How many more VMs of the sizes that a request expects fit beside its plan. */
export interface ExpectedCapacity {
  /** Of this format. */
  readonly schemaVersion: 1
  /** What this object is. */
  readonly kind: 'ExpectedCapacity'
  /** Of the plan. */
  readonly lostVcpus: number
  /** Names of the VMs that the plan refuses: where there are some, what is left is room for smaller ones. */
  readonly refused: readonly string[]
  /** The mean of the sizes' `room`, by their shares (model.md, "Room for those to come"). */
  readonly room: number
  /** In the order of the request. */
  readonly sizes: readonly (ExpectedVm & {
    /** As many as are counted, free CPUs and pages of each node taken for themselves. */
    readonly room: number
    /** As many as were placed one after the other, while all VMs of the plan stay where they are, and no VM of another size comes. */
    readonly more: number
  })[]
}

declare const verified: unique symbol
/** A plan that `verifyPlan` has checked against its host and request; nothing else makes one, and it is frozen. */
export type VerifiedPlan = Plan & { readonly [verified]: true }

// -------------------------------------------------------------------------------------------------- Report

/** `kvm`: guests; `threads`: pinned threads that walk over the bound memory, where there is no KVM. */
export type Backend = 'kvm' | 'threads'

/** What a vCPU did. */
export interface RunVcpu {
  /** The name of its VM. */
  readonly vm: string
  /** Its number in its VM. */
  readonly vcpu: VcpuId
  /** cpulist, from the plan. */
  readonly planned: string
  /** cpulist, read back from the kernel while it ran. */
  readonly affinity: string
  /** The CPU that it was last seen on. */
  readonly lastCpu: CpuId
  /** Exits from the guest to user space; with `threads`, walks over the memory. */
  readonly exits: number
  /** `exits` by wall-clock time. */
  readonly exitsPerSecond: number
  /** `exits` by reason: KVM's names, in lower case. */
  readonly exitReasons: Readonly<Record<string, number>>
  /** Time that it was runnable and did not run. */
  readonly runDelayNs: number
  /** How often it went to another CPU, counted by the kernel; `null` where that does not say (no CONFIG_SCHED_DEBUG before Linux 6.15). */
  readonly migrations: number | null
}

/** How closely a run was watched: between two looks only the kernel's counters tell what happened. */
export interface RunWatch {
  /** How often each thread was looked at while it ran. */
  readonly threadLooks: number
  /** How often it was read back where the memory is: at the end, and after each tick in which pages of this host were migrated, once a second at most. */
  readonly memoryLooks: number
  /** Pages that were migrated on the whole host meanwhile, whoever's they are; 0: this memory stayed where it was. `null`: the kernel does not count them. */
  readonly pagesMigrated: number | null
}

/** Where the kernel has the memory of a cell that the plan puts on one node. */
export interface RunMemory {
  /** The name of its VM. */
  readonly vm: string
  /** Its number in its VM. */
  readonly cell: number
  /** The node where the plan puts it. */
  readonly node: NodeId
  /** Planned there. */
  readonly bytes: number
  /** Bytes found on each node, page by page, by the node's number. */
  readonly residentBytes: Readonly<Record<string, number>>
}

/**
 * CPUs that nobody else runs on, a partition of cgroup v2's cpusets. `root`: the kernel balances the load among them; `isolated`: each
 * thread stays where it is put.
 */
export type PartitionKind = 'root' | 'isolated'

/** The partition that a run had for its dedicated vCPUs. */
export interface RunPartition {
  /** cpulist. */
  readonly cpus: string
  /** As the kernel had it. */
  readonly kind: PartitionKind
  /** The directory of its cgroup, which is gone when the run has ended. */
  readonly cgroup: string
  /** At each look it was valid, and its threads were in it. */
  readonly held: boolean
}

/** What a run did, read back from the kernel. */
export interface RunReport {
  /** Of this format. */
  readonly schemaVersion: 1
  /** What this object is. */
  readonly kind: 'RunReport'
  /** What ran. */
  readonly backend: Backend
  /** Why no guest ran; only with `threads`. */
  readonly noGuest?: string
  /** Wall-clock time from the first vCPU's start to the stop. */
  readonly seconds: number
  /** What it is held against. */
  readonly plan: Plan
  /** In the order of the plan. */
  readonly vcpus: readonly RunVcpu[]
  /** In the order of the plan. */
  readonly memory: readonly RunMemory[]
  /** The CPUs that its dedicated vCPUs had to themselves; only where that was asked for, and could be had. */
  readonly partition?: RunPartition
  /** How closely it was watched. */
  readonly watched: RunWatch
  /**
   * There are no findings: in no look did anything differ from the plan, and no vCPU with one CPU has ever left it, as far as the kernel
   * counts migrations. Of a vCPU with several CPUs, and of memory where `watched.pagesMigrated` is not 0, nothing is known but the looks.
   */
  readonly verified: boolean
  /** What differs from the plan. */
  readonly findings: readonly Finding[]
}
