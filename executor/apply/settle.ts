/** Drafts, as changes: without VMs that something stands in the way of, and with the cpusets that have to give way. */

import type { Draft } from './draft.js'
import { type Cpusets, obstaclesTo, withoutRoom } from './obstacles.js'
import type { ChangeStep, Changes, Obstacle } from './types.js'

/** A VM and what is to be done to it. */
export interface Drafted {
  readonly draft: Draft
  /** The user that it runs as. */
  readonly uid: number
  /** cpulist for threads that it begins from now on; `null`: they stay where they are. */
  readonly newcomers: string | null
  readonly cpusets: Cpusets
}

/** @param known obstacles of these VMs, or of others */
export function settle(drafted: readonly Drafted[], known: readonly Obstacle[], undoes: string | null = null): Changes {
  const obstacles = [...known]
  let steps: ChangeStep[] = []
  for (const { draft, uid, cpusets } of drafted) {
    const found = [...obstaclesTo(draft, uid), ...cpusets.obstacles]
    obstacles.push(...found)
    if (found.some(({ left }) => left)) continue
    draft.widen(cpusets.changes)
    steps.push(...draft.steps)
  }
  steps.sort((a, b) => a.step - b.step)
  for (let lacking = withoutRoom(steps); lacking !== null; lacking = withoutRoom(steps)) {
    const { pid, obstacle } = lacking
    obstacles.push(obstacle)
    steps = steps.filter((step) => step.pid !== pid)
  }
  const numbers = [...new Set(steps.map(({ step }) => step))]
  return {
    kind: 'Changes',
    vms: drafted
      .filter(({ draft }) => steps.some(({ pid }) => pid === draft.vm.pid))
      .map(({ draft, newcomers }) => draft.changed(newcomers)),
    steps: steps.map((step) => ({ ...step, step: numbers.indexOf(step.step) + 1 })),
    obstacles,
    bytes: steps.reduce((sum, { bytes }) => sum + bytes, 0),
    undoes,
  }
}
