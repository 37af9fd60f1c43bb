/** What runs, planned within what the rules allow. */

import { requireHost, requireInstance, requireObject } from '../../src/checks.js'
import type { Host, Plan } from '../../src/types.js'
import { requireFoundVms } from '../found/arguments.js'
import type { RunningRequest } from '../found/as-request.js'
import type { FoundVm } from '../found/types.js'
import type { Ruling } from './rulings.js'
import { type Circumstances, type Kept, Wishes } from './wishes.js'

/** A plan, and what the rules had to do with it. */
export interface PlannedWithin<Planned> {
  /** What was planned. */
  readonly asked: RunningRequest
  /** `null`: there is no VM that may move. */
  readonly planned: Planned | null
  /** Of the VMs that run, in their order. */
  readonly rulings: readonly Ruling[]
  /** VMs that run and are not in the plan because of the rules. */
  readonly kept: readonly Kept[]
  /** What rules say and this plan cannot do, as sentences. */
  readonly notes: readonly string[]
}

/**
 * A plan that keeps to the rules. VMs that may not move are left out of it: their memory stays taken, so do the cores
 * that they are pinned to, and as many CPUs as those that float are busy. For `memory: stay` a VM's memory is bound to the nodes where it is. Where a plan copies more for a VM than
 * its rules allow, or refuses such a VM, all is planned again: with its memory bound, and if that does not help, without it.
 * @param plan called once as a rule, at most twice more for each VM whose bytes are limited
 * @throws {InputError} with the place in `wishes`, or with the VM and the field for which rules ask what cannot be
 */
export async function planWithin<Planned extends Pick<Plan, 'moves' | 'refused'>>(
  vms: readonly FoundVm[],
  host: Host,
  circumstances: Circumstances,
  plan: (asked: RunningRequest) => Promise<Planned>,
): Promise<PlannedWithin<Planned>> {
  requireFoundVms('vms', vms)
  requireHost(host)
  requireObject('circumstances', circumstances)
  requireInstance('plan', plan, 'function', Function)
  const wishes = new Wishes(vms, host, circumstances)
  const { rulings } = wishes
  for (;;) {
    const { asked, notes } = wishes.ask()
    const result = { asked, rulings, kept: wishes.kept, notes }
    if ((asked.request as { readonly vms: readonly unknown[] }).vms.length === 0) return { ...result, planned: null }
    const planned = await plan(asked)
    const names = new Set(asked.running.map(({ name }) => name))
    const beyond = rulings.filter((ruling) => names.has(ruling.name) && isBeyond(planned, ruling))
    if (beyond.length === 0) return { ...result, planned }
    for (const { name } of beyond) wishes.hold(name)
  }
}

/** Whether a plan refuses a VM of which not all may be copied, or copies more for it. */
function isBeyond({ moves = [], refused }: Pick<Plan, 'moves' | 'refused'>, ruling: Ruling): boolean {
  const { name, memoryStays, maxBytes } = ruling
  const limit = memoryStays ? 0 : maxBytes
  if (limit === null) return false
  const copied = moves.filter(({ vm }) => vm === name).reduce((sum, { bytes }) => sum + bytes, 0)
  return copied > limit || refused.some((vm) => vm.name === name)
}

/** What of a plan the rules do not allow, as sentences: for one that was made without them, or at another time. */
export function notAllowed(plan: Pick<Plan, 'moves' | 'refused'>, rulings: readonly Ruling[]): string[] {
  return rulings
    .filter((ruling) => isBeyond(plan, ruling))
    .map(({ name }) => `${name}: more would be copied than the rules allow`)
}
