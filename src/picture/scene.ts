/** What a picture shows: a host, and what is on it. A plan and what runs are put into this form. */

import type { CostTerms, CpuId, Host, NodeId } from '../types.js'

/** A vCPU where it is. */
export interface SceneVcpu {
  readonly vcpu: number
  /** Ascending. */
  readonly cpus: readonly CpuId[]
  /** It is drawn in its CPU; else it floats, and is drawn beside those that float over the same CPUs. */
  readonly pinned: boolean
}

export interface SceneVm {
  readonly name: string
  /** `null`: it has no price. */
  readonly lost: number | null
  /** Those that are not zero. */
  readonly terms: Partial<CostTerms>
  readonly vcpus: readonly SceneVcpu[]
  readonly memory: readonly { readonly node: NodeId; readonly pageSize: number; readonly bytes: number }[]
  /** Of the VMM's own threads. */
  readonly emulator: readonly CpuId[]
  readonly iothreads: readonly (readonly CpuId[])[]
}

/** A cell goes from somewhere to somewhere. */
export interface SceneMove {
  readonly step: number
  readonly vm: string
  /** All of it in words. */
  readonly text: string
  /** CPUs of its first vCPU that changes them; `null`: only memory moves. */
  readonly cpus: { readonly from: readonly CpuId[]; readonly to: readonly CpuId[] } | null
  /** Nodes of its memory, the one with most of it; `null`: it stays. */
  readonly memory: { readonly from: NodeId; readonly to: NodeId } | null
}

export interface Scene {
  /** The heading, and lines below it. */
  readonly title: string
  readonly facts: readonly string[]
  readonly host: Host
  readonly reserve: {
    readonly cpus: ReadonlySet<CpuId>
    /** Bytes of each node. */
    readonly memory: number
    /** Nodes whose memory no VM gets. */
    readonly nodes: ReadonlySet<NodeId>
  }
  readonly vms: readonly SceneVm[]
  readonly refused: readonly { readonly name: string; readonly reason: string }[]
  readonly moves: readonly SceneMove[]
}
