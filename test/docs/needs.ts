/** What a block of code may need of the system. */

import { availableParallelism } from 'node:os'
import { kvmStatus, probeMbind } from '../../executor/index.js'
import { detectHost } from '../../src/topology/index.js'
import type { Fence } from './fences.js'

const { nodes } = await detectHost()
const kvm = kvmStatus()
const mbind = probeMbind()

/** Calls that need more than a Node.js, so that not every block has to say it. */
const CALLS: readonly (readonly [RegExp, string])[] = [
  [/\baccel\.init\(/, 'kvm'],
  [/\b(setupNumaMemory|allocateMemory|allocateMemoryNumaAware|allocateBatch)\(/, 'mbind'],
]

/** What a block needs: what it is marked with, and what its calls do. */
export function needsOf({ code, marks }: Fence): string[] {
  const isElsewhere = /\bplatform\b/.test(code)
  const calls = isElsewhere ? [] : CALLS.filter(([call]) => call.test(code)).map(([, need]) => need)
  return [...marks.needs, ...calls]
}

/** What is missing here of what is needed; `null`: nothing. */
export function missing(needs: readonly string[]): string | null {
  const lacking = needs.filter((need) => !has(need))
  return lacking.length === 0 ? null : `this system lacks: ${lacking.join(', ')}`
}

function has(need: string): boolean {
  const [, count, what] = /^(\d+) (nodes|CPUs)$/.exec(need) ?? []
  if (what === 'nodes') return nodes.length >= Number(count)
  if (what === 'CPUs') return availableParallelism() >= Number(count)
  switch (need) {
    case 'kvm':
      return kvm.usable
    case 'mbind':
      return mbind.usable
    case 'root':
      return process.getuid?.() === 0
    default:
      throw new Error(`unknown need "${need}"`)
  }
}
