/** VMs that run here, with what can be done to them. */

import type { VerifiedPlan } from '../../src/types.js'
import * as found from '../found/find.js'
import type { Found } from '../found/types.js'
import { applyChanges } from './apply.js'
import { prepareChanges } from './prepare.js'
import type { Applied, ApplyOptions } from './types.js'

/** What was found, and what can be done with it. */
export interface FoundVms extends Found {
  /**
   * Carries a plan out on these VMs: `prepareChanges` and `applyChanges` in one.
   * @throws {InputError} for a plan that `verifyPlan` has not made
   * @throws {BusyError} where another process changes VMs
   */
  place(plan: VerifiedPlan, options?: ApplyOptions): Promise<Applied>
}

/**
 * The VMs that run here: QEMU, Cloud Hypervisor, Firecracker, crosvm, kvmtool, and whatever else has a VM of KVM. A process that
 * ends meanwhile is not among them. As an ordinary user less is known of others' VMs: each says in `missing` what. Nothing is changed
 * before `place` is called.
 * @throws {UnsupportedError} where `connect` was given, and libvirt is not installed or refuses
 * @example
 * ```ts
 * import { findVms } from 'homenode/executor'
 *
 * const { vms } = await findVms()
 * for (const { name, vmm, vcpus } of vms) {
 *   console.log(name.value, vmm.value, vcpus.map(({ vcpu, tid, cpus }) => `${vcpu}: thread ${tid} on ${cpus}`))
 * }
 * ```
 */
export async function findVms(options: found.FindOptions = {}): Promise<FoundVms> {
  const all = await found.findVms(options)
  return { ...all, place: async (plan, how = {}) => applyChanges(await prepareChanges(all, plan, how), how) }
}
