/** Judges the VMs that run here: what they lose where they are, what they would lose if placed well, and what to do for that. */

import { type RunningVm, requestOf } from '../../executor/found/as-request.js'
import type { Found, FoundVm } from '../../executor/found/types.js'
import { formatCpulist, parseCpulist } from '../cpulist.js'
import { parseRequest } from '../request.js'
import type { Host, Plan, PlanVm } from '../types.js'
import { formatBytes } from '../units.js'
import { type AsIsCost, costAsIs } from '../verify.js'
import { planVerified } from './verified-plan.js'

/** What there is to do for a VM. */
export interface Advice {
  /** cpulist that its vCPUs go to; `null`: they are well where they are. */
  readonly pin: string | null
  /** Bytes to copy. */
  readonly bytes: number
  /** The same in a sentence. */
  readonly text: string
}

export interface Judgement {
  /** Lost vCPUs where it is, and by cause. */
  readonly now: number
  readonly terms: AsIsCost['vms'][number]['cost']['terms']
  /** Lost vCPUs if all were placed well and nothing moved any more; `null`: it would not be placed. */
  readonly placed: number | null
  /** Share of its accesses that leave the node of the vCPU. */
  readonly remote: number
  readonly advice: Advice
}

export interface RunningVms {
  /** In the order in which they were found; with `null` those of which too little is known. */
  readonly vms: readonly { readonly vm: FoundVm; readonly judgement: Judgement | null; readonly why: string | null }[]
  /** Lost vCPUs of all that are judged; `placed` is `null` where not all have a place. */
  readonly lost: { readonly now: number; readonly placed: number | null; readonly overcommit: number }
  readonly missing: Found['missing']
}

/** Less than this is not worth a word. */
const WORTHWHILE = 0.005

export async function judge({ vms, missing }: Found, host: Host): Promise<RunningVms> {
  const asked = requestOf(vms, host)
  const { running, left } = asked
  if (running.length === 0) {
    const unjudged = left.map(({ vm, why }) => ({ vm, judgement: null, why }))
    return { vms: unjudged, lost: { now: 0, placed: null, overcommit: 0 }, missing }
  }
  const request = parseRequest(asked.request)
  const now = costAsIs(asked.host, request, running)
  const plan = await planVerified(asked.host, request, 'what runs here')
  const judged = new Map(running.map((one, at) => [one.vm, judgementOf(one, now.vms[at]!, plan)] as const))
  return {
    vms: vms.map((vm) => {
      const why = left.find((one) => one.vm === vm)?.why ?? null
      return { vm, judgement: judged.get(vm) ?? null, why }
    }),
    lost: {
      now: now.lostVcpus,
      placed: plan.refused.length > 0 ? null : withoutMigration(plan.cost),
      overcommit: now.terms.overcommit,
    },
    missing,
  }
}

function withoutMigration({ lostVcpus, terms }: PlanVm['cost']): number {
  // Whole millionths.
  return Math.round((lostVcpus - (terms.migration ?? 0)) * 1e6) / 1e6
}

function judgementOf(running: RunningVm, cost: AsIsCost['vms'][number], plan: Plan): Judgement {
  const placedVm = plan.vms.find(({ name }) => name === running.name)
  const placed = placedVm === undefined ? null : withoutMigration(placedVm.cost)
  const { lostVcpus: now, terms } = cost.cost
  const because = plan.refused.find(({ name }) => name === running.name)?.because[0]?.text
  const advice =
    placedVm === undefined
      ? { pin: null, bytes: 0, text: `there is no place for it: ${because ?? 'the planner found none'}` }
      : adviceOf(running, placedVm, now - placed!)
  return { now, terms, placed, remote: cost.remote, advice }
}

function adviceOf({ vcpus, cells }: RunningVm, planned: PlanVm, gain: number): Advice {
  const isPinned = planned.vcpus.every(({ vcpu, cpus }) => vcpus[vcpu]?.cpus === cpus)
  const cpus = formatCpulist(planned.vcpus.flatMap((vcpu) => parseCpulist(vcpu.cpus, { allowEmpty: true })))
  const moved = planned.cells.flatMap(({ cell, memory }) => {
    const there = new Map(memory.map(({ node, bytes }) => [node, bytes]))
    return (cells[cell]?.memory ?? []).map(({ node, bytes }) => Math.max(0, bytes - (there.get(node) ?? 0)))
  })
  const bytes = moved.reduce((sum, part) => sum + part, 0)
  if (gain < WORTHWHILE) return { pin: null, bytes: 0, text: 'nothing: it is well where it is' }
  const nodes = formatCpulist(planned.cells.flatMap(({ memory }) => memory.map(({ node }) => node)))
  const parts = [
    ...(isPinned ? [] : [`pin its vCPUs to CPUs ${cpus}`]),
    ...(bytes === 0 ? [] : [`move ${formatBytes(bytes)} to node ${nodes}`]),
  ]
  return { pin: isPinned ? null : cpus, bytes, text: parts.join(', ') }
}
