/** The page's worker: plans, so that the page stays at hand. */

import { capacity } from '../capacity.js'
import { plan } from '../plan.js'
import { verifyPlan } from '../verify.js'
import type { Answer, Job } from './messages.js'
import { movedPlan } from './moved.js'
import { problemOf } from './problem.js'
import type { State } from './state.js'

const scope = globalThis as unknown as {
  postMessage(answer: Answer): void
  onmessage: (event: { readonly data: Job }) => void
}

const FIRST_STEPS = 100

/** Answers what the page asks for. */
export function serveJobs(): void {
  scope.onmessage = async ({ data }) => {
    try {
      await work(data)
    } catch (error) {
      scope.postMessage({ kind: 'error', text: error instanceof Error ? error.message : String(error) })
    }
  }
}

async function work(job: Job): Promise<void> {
  if (job.kind === 'plan') return search(job.state)
  const { host, request } = problemOf(job.state)
  if (job.kind === 'move') {
    scope.postMessage({ kind: 'moved', moved: movedPlan(host, request, job.plan, job.step) })
    return
  }
  const { steps, seed } = job.state
  scope.postMessage({ kind: 'capacity', capacity: await capacity(host, request, job.vm, { steps, seed }) })
}

/** Each time with twice as many steps, from the beginning: what is shown meanwhile are plans that these steps give. */
async function search(state: State): Promise<void> {
  const { host, request } = problemOf(state)
  for (let steps = 0; ; steps = Math.max(FIRST_STEPS, 2 * steps)) {
    const now = Math.min(steps, state.steps)
    const candidate = await plan(host, request, { steps: now, seed: state.seed })
    verifyPlan(host, request, candidate)
    const isLast = now === state.steps
    scope.postMessage({ kind: 'plan', plan: candidate, steps: now, isLast })
    if (isLast) return
  }
}
