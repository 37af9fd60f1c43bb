/** What a block of code may need of the system. */

import { availableParallelism } from 'node:os'
import { kvmStatus, probeMbind } from '../../executor/index.js'
import { detectHost } from '../../src/topology/index.js'

const { nodes } = await detectHost()
const kvm = kvmStatus()
const mbind = probeMbind()

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
