/** Drafts, as changes: without VMs that something stands in the way of, and with the cpusets that have to give way. */

import type { DomainDraft } from './domains.js'
import type { Draft } from './draft.js'
import { type Cpusets, obstaclesTo, withoutRoom } from './obstacles.js'
import type { ChangeStep, Changes } from './types.js'

/** A VM and what is to be done to it. */
export interface Drafted {
  readonly draft: Draft
  /** The user that it runs as. */
  readonly uid: number
  /** cpulist for threads that it begins from now on; `null`: they stay where they are. */
  readonly newcomers: string | null
  readonly cpusets: Cpusets
  /** Through whom it changes; `null`: it is no domain of libvirt. */
  readonly domain: DomainDraft | null
}

/** @param rest what is known of the changes beside the drafts; obstacles of these VMs, or of others */
export function settle(drafted: readonly Drafted[], rest: Partial<Changes> = {}): Changes {
  const { obstacles: known = [], undoes = null, dedicated = [], partitions = [], waiting: others = [] } = rest
  const obstacles = [...known]
  const waiting = [...others]
  let steps: ChangeStep[] = []
  for (const { draft, uid, cpusets, domain } of drafted) {
    const found = [...obstaclesTo(draft, uid), ...cpusets.obstacles, ...(domain?.obstacles ?? [])]
    obstacles.push(...found)
    if (found.some(({ left }) => left)) {
      waiting.push(draft.vm.pid)
      continue
    }
    draft.widen(cpusets.changes)
    steps.push(...draft.finished())
  }
  steps.sort((a, b) => a.step - b.step)
  for (let lacking = withoutRoom(steps); lacking !== null; lacking = withoutRoom(steps)) {
    const { pid, obstacle } = lacking
    obstacles.push(obstacle)
    waiting.push(pid)
    steps = steps.filter((step) => step.pid !== pid)
  }
  const numbers = [...new Set(steps.map(({ step }) => step))]
  return {
    kind: 'Changes',
    vms: drafted
      .filter(({ draft }) => steps.some(({ pid }) => pid === draft.vm.pid))
      .map(({ draft, newcomers, domain }) => draft.changed(newcomers, domain?.domain ?? null)),
    steps: steps.map((step) => ({ ...step, step: numbers.indexOf(step.step) + 1 })),
    obstacles,
    dedicated,
    partitions,
    bytes: steps.reduce((sum, { bytes }) => sum + bytes, 0),
    waiting,
    undoes,
  }
}
