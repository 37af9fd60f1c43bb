/** A verified plan for VMs that run, as changes. Nothing is touched. */

import { InputError } from '../../src/errors.js'
import type { Move, VerifiedPlan } from '../../src/types.js'
import { isVerified } from '../../src/verified.js'
import { requireFound } from '../found/arguments.js'
import { nameIn, type RunningVm, runningOf } from '../found/as-request.js'
import type { Found } from '../found/types.js'
import { requireStateOptions } from './arguments.js'
import { domainOf, NO_CPUSETS } from './domains.js'
import { type Aim, type Draft, draftOf } from './draft.js'
import { numbersOf } from './look.js'
import { cpusetsFor } from './obstacles.js'
import { type Drafted, settle } from './settle.js'
import { type Target, targetOf } from './target.js'
import type { Changes, DedicatedVcpus, Obstacle, StateOptions } from './types.js'

interface Planned {
  readonly running: RunningVm
  readonly target: Target
  readonly draft: Draft
}

/**
 * What has to be done so that the VMs that run are as a plan has them: each move in its order, and at the end what moves do not say: the
 * CPUs of emulators and I/O threads, and those that shared vCPUs float over. VMs of the plan that do not run are not looked at. VMs with
 * an obstacle that says so are left as they are.
 * @param found as `findVms` has just returned it; its VMs have the names that `requestOf` gave them
 * @throws {InputError} for a plan that `verifyPlan` has not made
 */
export async function prepareChanges(found: Found, plan: VerifiedPlan, options: StateOptions = {}): Promise<Changes> {
  requireFound(found)
  requireStateOptions(options)
  if (!isVerified(plan)) throw new InputError('plan', 'a plan that verifyPlan returned', 'another one')
  const { running, left } = runningOf(found.vms, numbersOf('cpu'))
  const byName = new Map(running.map((one) => [one.name, one]))
  const named = new Set([...plan.vms, ...plan.refused].map(({ name }) => name))
  const obstacles = left.flatMap(({ vm, why }): Obstacle[] => {
    const name = nameIn(found.vms, vm)
    return named.has(name) ? [{ vm: name, what: 'all of it', why, left: true }] : []
  })
  const planned: Planned[] = []
  for (const vm of plan.vms) {
    const one = byName.get(vm.name)
    if (one === undefined) continue
    const target = targetOf(one, vm)
    if ('what' in target) obstacles.push(target)
    else {
      const draft = draftOf(one.vm, one.name)
      if (draft === null) obstacles.push({ vm: vm.name, what: 'all of it', why: 'it has ended', left: true })
      else planned.push({ running: one, target, draft })
    }
  }
  for (const { name, because } of plan.refused) {
    const why = `the plan has no place for it: ${because[0]?.text ?? 'it does not say why'}`
    if (byName.has(name)) obstacles.push({ vm: name, what: 'all of it', why, left: true })
  }
  return changesOf(planned, plan, obstacles, options.connect)
}

async function changesOf(
  planned: readonly Planned[],
  plan: VerifiedPlan,
  obstacles: Obstacle[],
  connect: string | undefined,
): Promise<Changes> {
  const moves = plan.moves ?? []
  const last = moves.at(-1)?.step ?? 0
  for (const [at, { running, target, draft }] of planned.entries()) {
    const own = moves.filter(({ vm }) => vm === running.name)
    for (const step of new Set(own.map((move) => move.step))) {
      draft.add(
        step,
        aimOf(
          target,
          own.filter((move) => move.step === step),
        ),
      )
    }
    const before = draft.steps.length
    draft.add(last + 1 + at, target.final)
    const [spare] = plan.spare ?? []
    if (spare === undefined || draft.steps.length === before) continue
    draft.steps.pop()
    obstacles.push({ vm: running.name, what: 'the rest of it', why: `it has to wait: ${spare.text}`, left: false })
  }
  const drafted: Drafted[] = []
  for (const { running, target, draft } of planned) {
    const { vm } = running
    const domain = await domainOf(vm, draft, connect)
    const cpusets = domain === null ? cpusetsFor(vm, draft) : NO_CPUSETS
    drafted.push({ draft, uid: vm.uid, newcomers: target.newcomers, cpusets, domain })
  }
  return settle(drafted, {
    obstacles,
    dedicated: planned.flatMap(({ running, target }) => dedicatedOf(running, target, plan)),
  })
}

/** vCPUs that the plan gives a CPU each. */
function dedicatedOf({ name, vm }: RunningVm, target: Target, { vms }: VerifiedPlan): DedicatedVcpus[] {
  const own = vms.find((one) => one.name === name)!.vcpus.filter(({ dedicated }) => dedicated)
  const threads = own.map(({ vcpu, cpus }) => ({ tid: target.threadOf(vcpu), cpus }))
  return threads.length === 0 ? [] : [{ vm: name, pid: vm.pid, threads }]
}

/** What a step's moves of one VM say. */
function aimOf(target: Target, moves: readonly Move[]): Aim {
  const threads = moves.flatMap(({ vcpus }) => vcpus.map(({ vcpu, cpus }) => [target.threadOf(vcpu), cpus] as const))
  const memory = moves.flatMap(({ cell, memory: parts }) =>
    parts.length === 0 ? [] : [...target.memoryOf(cell, parts)],
  )
  return { threads: new Map(threads), memory: new Map(memory) }
}
