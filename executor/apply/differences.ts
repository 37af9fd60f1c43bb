/** What differs now from a plan: on what runs, read from the kernel. */

import type { Plan } from '../../src/types.js'
import { requireFound } from '../found/arguments.js'
import { nameIn, runningOf } from '../found/as-request.js'
import type { Found } from '../found/types.js'
import { requirePlacedVms } from './arguments.js'
import { compare, type Wanted } from './compare.js'
import { draftOf } from './draft.js'
import { numbersOf } from './look.js'
import { targetOf } from './target.js'
import type { Difference } from './types.js'

/**
 * What differs from a plan. Of each range of memory, 1 % may be elsewhere: guests touch memory all the time. VMs of the plan that do not
 * run are not looked at.
 * @param found as `findVms` has just returned it; its VMs have the names that `requestOf` gave them
 * @param plan it need not hold any more, and is only compared
 */
export function differencesFrom(found: Found, plan: Pick<Plan, 'vms'>): Difference[] {
  requireFound(found)
  requirePlacedVms(plan)
  const { running, left } = runningOf(found.vms, numbersOf('cpu'))
  const differences: Difference[] = []
  for (const planned of plan.vms) {
    const unknown = left.find(({ vm }) => nameIn(found.vms, vm) === planned.name)
    if (unknown !== undefined) {
      differences.push({
        vm: planned.name,
        what: 'all of it',
        wanted: 'as planned',
        found: `not known: ${unknown.why}`,
      })
    }
    const one = running.find(({ name }) => name === planned.name)
    if (one === undefined) continue
    const target = targetOf(one, planned)
    if ('what' in target) {
      const { vm, what, why } = target
      differences.push({ vm, what, wanted: 'as planned', found: why })
      continue
    }
    const { vm } = one
    const { threads = [] } = draftOf(vm, one.name)?.vm ?? {}
    const wanted: Wanted = {
      vm: one.name,
      pid: vm.pid,
      startTime: vm.startTime,
      threads: threads.map((thread) => ({ ...thread, cpus: target.final.threads.get(thread.tid) ?? thread.cpus })),
      memory: vm.mappings.map(({ start, bytes, pageSize, resident }) => {
        return { start, bytes, pageSize, to: target.final.memory.get(start) ?? resident }
      }),
    }
    differences.push(...compare([wanted]))
  }
  return differences
}
