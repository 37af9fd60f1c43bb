/**
 * The mark of a verified plan. The executor asks `isVerified`; only verify.ts calls `sealPlan`. The mark is the object's
 * identity, so that neither a copy nor a plan from a file has it.
 */

import { freezeDeep } from './freeze.js'
import type { Host, HostCpu, HostNode, MemoryPolicy, Plan, Request, VerifiedPlan } from './types.js'

/** What a plan was verified against and does not say itself. */
export interface Grounds {
  /** The host's CPUs; empty where they are not known. */
  readonly cpus: readonly HostCpu[]
  /** The host's nodes, and how far they are from each other; empty where they are not known. */
  readonly nodes: readonly HostNode[]
  readonly distances: readonly (readonly number[])[]
  /** By the VM's name. */
  readonly vms: Readonly<
    Record<string, { readonly memoryPolicy: MemoryPolicy; readonly trust: string | null } | undefined>
  >
}

const UNKNOWN = { cpus: [], nodes: [], distances: [] } as const

const sealed = new WeakMap<object, Grounds>()

/** A deeply frozen copy of `plan` that `isVerified` knows. */
export function sealPlan(plan: Plan, against?: { readonly host: Host; readonly request: Request }): VerifiedPlan {
  const copy = freezeDeep(structuredClone(plan)) as VerifiedPlan
  const { host, request } = against ?? { host: UNKNOWN, request: { vms: [] } }
  const vms = request.vms.map(({ name, memoryPolicy, trust }) => [name, { memoryPolicy, trust }])
  sealed.set(
    copy,
    structuredClone({ cpus: host.cpus, nodes: host.nodes, distances: host.distances, vms: Object.fromEntries(vms) }),
  )
  return copy
}

/** Whether `verifyPlan` returned this very object. */
export function isVerified(value: unknown): value is VerifiedPlan {
  return typeof value === 'object' && value !== null && sealed.has(value)
}

export function groundsOf(plan: VerifiedPlan): Grounds {
  return sealed.get(plan) ?? { ...UNKNOWN, vms: {} }
}
