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
  readonly total: number | null
  readonly free: number | null
}

export interface HostNode {
  readonly id: NodeId
  /** Bytes; `free` counts pages of the base size only. 0 in total: a node without memory. `null`: unknown. */
  readonly memory: { readonly total: number | null; readonly free: number | null }
  /** Ascending by size; the first is the base page, larger ones are reserved huge pages. */
  readonly pages: readonly PagePool[]
  /** `false` where the cpuset keeps this process from the node's memory (free counts are 0 then); absent otherwise. */
  readonly allowed?: boolean
  /** Bytes a second that the node's memory gives, where known (HMAT, or given). */
  readonly bandwidth?: number
}

export interface HostCpu {
  readonly id: CpuId
  readonly node: NodeId | null
  /** Physical package (socket) by the kernel's number. */
  readonly package: number | null
  /** Last-level cache domain: host-wide number from 0, by lowest CPU; the node where caches are unknown. */
  readonly llc: number | null
  /** Core: host-wide number from 0, by lowest CPU. */
  readonly core: number | null
  /** Index among the online SMT siblings of its core, from 0. */
  readonly thread: number | null
  readonly online: boolean
  /** In the cpuset of this process. */
  readonly allowed: boolean
  /** Kept from the kernel's scheduler (`isolcpus`). */
  readonly isolated: boolean
  /** Relative speed; 1024 = the host's fastest kind of core. */
  readonly capacity: number | null
}

export interface Host {
  readonly schemaVersion: 1
  readonly kind: 'Host'
  /** Ascending by id. */
  readonly nodes: readonly HostNode[]
  /** SLIT units (local = 10), row = from, in the order of `nodes`. Source: ACPI 6.5, 5.2.17. */
  readonly distances: readonly (readonly number[])[]
  /** Ascending by id. */
  readonly cpus: readonly HostCpu[]
}

// ------------------------------------------------------------------------------------------------- Request

export type CpuPolicy = 'dedicated' | 'shared' | 'mixed'
export type ThreadPolicy = 'prefer' | 'require' | 'isolate' | 'spread'
export type MemoryPolicy = 'strict' | 'preferred' | 'interleave'
export type EmulatorPolicy = 'housekeeping' | 'dedicated'
export type Strategy = 'pack' | 'spread'

/** Coefficients of the cost (model.md, "Cost"). */
export interface CostModel {
  /** Share of a vCPU's accesses that go to its own cell's memory. */
  readonly home: number
  /** Lost vCPUs per vCPU for traffic at distance 10 outside of the LLC. */
  readonly communication: number
  /** Lost vCPUs per busy SMT sibling. */
  readonly smt: number
  /** Lost vCPUs per vCPU for each 10 units of distance from a device. */
  readonly device: number
  readonly copyBytesPerSecond: number
  readonly horizonSeconds: number
}

/** A guest NUMA node as the request gives it. */
export interface RequestCell {
  readonly vcpus: readonly VcpuId[]
  /** Bytes. */
  readonly memory: number
}

/** Where a VM is now, for a re-plan: the parts of a plan's VM that can move. */
export type CurrentPlacement = Pick<PlanVm, 'cells' | 'vcpus'>

/** One VM of a request, complete: sizes in bytes, sets as ascending arrays, every default filled in. */
export interface RequestVm {
  readonly name: string
  readonly vcpus: number
  readonly memory: number
  readonly cells: 'auto' | number | readonly RequestCell[]
  readonly span: boolean
  readonly cpuPolicy: CpuPolicy
  /** With `mixed`: the dedicated ones. Empty otherwise. */
  readonly dedicatedVcpus: readonly VcpuId[]
  readonly threadPolicy: ThreadPolicy
  readonly memoryPolicy: MemoryPolicy
  /** Bytes of a page, or `any`. */
  readonly pageSize: number | 'any'
  readonly demand: number
  readonly devices: readonly { readonly node: NodeId; readonly strict: boolean }[]
  readonly trust: string
  readonly separateFrom: readonly string[]
  readonly near: readonly string[]
  readonly emulator: EmulatorPolicy
  readonly iothreads: number
  readonly weight: number
  /** vCPUs x vCPUs, non-negative; `null`: every pair alike. */
  readonly traffic: readonly (readonly number[])[] | null
  readonly memoryBound: number
  /** Bytes a second. */
  readonly bandwidth: number
  readonly current: CurrentPlacement | null
}

export interface Request {
  readonly reserve: {
    /** Ascending. A request is read without its host: where it says `all`, these are the CPUs that are not reserved. */
    readonly cpus: readonly CpuId[] | { readonly allBut: readonly CpuId[] }
    /** Bytes, on every node. */
    readonly memory: number
  }
  readonly overcommit: number
  readonly strategy: Strategy
  readonly model: CostModel
  readonly vms: readonly RequestVm[]
}

// ---------------------------------------------------------------------------------------------------- Plan

export const COST_TERMS = [
  'remoteMemory',
  'communication',
  'smt',
  'capacity',
  'device',
  'overcommit',
  'bandwidth',
  'migration',
] as const
export type CostTerm = (typeof COST_TERMS)[number]
/** Lost vCPUs by cause. */
export type CostTerms = Readonly<Record<CostTerm, number>>

export type PlanStatus = 'optimal' | 'feasible' | 'partial' | 'infeasible'

export interface PlanCell {
  readonly cell: number
  /** Bytes of a page. */
  readonly pageSize: number
  readonly memory: readonly { readonly node: NodeId; readonly bytes: number }[]
}

export interface PlanVcpu {
  readonly vcpu: VcpuId
  readonly cell: number
  readonly node: NodeId
  /** cpulist: one CPU where `dedicated`, else all that it may float over. */
  readonly cpus: string
  readonly dedicated: boolean
}

export interface PlanVm {
  readonly name: string
  /** Only the terms that are not zero are listed. */
  readonly cost: { readonly lostVcpus: number; readonly terms: Partial<CostTerms> }
  readonly cells: readonly PlanCell[]
  readonly vcpus: readonly PlanVcpu[]
  /** cpulist of the VMM's own threads. */
  readonly emulator: string
  /** cpulist of each I/O thread. */
  readonly iothreads: readonly string[]
}

export interface Refusal {
  readonly name: string
  /** The constraints that clash, with the numbers per node. */
  readonly because: readonly { readonly constraint: string; readonly text: string }[]
  /** Single changes that would make it fit, each planned, cheapest first. */
  readonly nearest: readonly { readonly change: string; readonly lostVcpus: number }[]
}

/** A cell of a VM goes to its next place; its memory and its vCPUs go together. */
export interface Move {
  /** From 1, ascending. Moves of one step are made together: between them nothing has to hold. */
  readonly step: number
  readonly vm: string
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
  readonly cpus: number
  readonly bytes: number
  readonly text: string
}

export interface Plan {
  readonly schemaVersion: 1
  readonly kind: 'Plan'
  readonly status: PlanStatus
  /** `lostVcpus` = the sum of `terms`; all are whole millionths. */
  readonly cost: {
    readonly lostVcpus: number
    readonly lowerBound: number
    readonly gap: number
    readonly terms: CostTerms
  }
  readonly vms: readonly PlanVm[]
  readonly refused: readonly Refusal[]
  /** How to get here from `current`, in order. In a plan for a request where some VM has `current`, and in no other. */
  readonly moves?: readonly Move[]
  /** Only where `moves` do not get all the way: what else would have to be free. */
  readonly spare?: readonly Spare[]
  readonly solver: { readonly planner: string; readonly seed: number; readonly steps: number }
}

/** How many more VMs like one of a request fit. */
export interface Capacity {
  readonly schemaVersion: 1
  readonly kind: 'Capacity'
  /** The VM that the others are like. */
  readonly vm: string
  readonly more: number
  /** Of the plan with all of them. */
  readonly lostVcpus: number
  /** What stops the next one. */
  readonly because: Refusal['because']
}

declare const verified: unique symbol
/** A plan that `verifyPlan` has checked against its host and request; nothing else makes one, and it is frozen. */
export type VerifiedPlan = Plan & { readonly [verified]: true }

// -------------------------------------------------------------------------------------------------- Report

export type Backend = 'kvm' | 'threads'

export interface RunVcpu {
  readonly vm: string
  readonly vcpu: VcpuId
  /** cpulist, from the plan. */
  readonly planned: string
  /** cpulist, read back from the kernel while it ran. */
  readonly affinity: string
  /** The CPU that it was last seen on. */
  readonly lastCpu: CpuId
  /** Exits from the guest to user space; with `threads`, walks over the memory. */
  readonly exits: number
  readonly exitsPerSecond: number
  readonly exitReasons: Readonly<Record<string, number>>
  /** Time that it was runnable and did not run. */
  readonly runDelayNs: number
}

export interface RunMemory {
  readonly vm: string
  readonly cell: number
  /** The node where the plan puts it. */
  readonly node: NodeId
  readonly bytes: number
  /** Bytes found on each node, page by page, by the node's number. */
  readonly residentBytes: Readonly<Record<string, number>>
}

export interface RunReport {
  readonly schemaVersion: 1
  readonly kind: 'RunReport'
  readonly backend: Backend
  /** Why no guest ran; only with `threads`. */
  readonly noGuest?: string
  /** Wall-clock time from the first vCPU's start to the stop. */
  readonly seconds: number
  readonly plan: Plan
  readonly vcpus: readonly RunVcpu[]
  readonly memory: readonly RunMemory[]
  readonly verified: boolean
  readonly findings: readonly Finding[]
}
