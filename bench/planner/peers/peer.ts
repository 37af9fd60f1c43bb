/** A solver that is not homenode's: cases in, its placements out. */

import type { CpuId, RequestVm } from '../../../src/types.js'
import type { Machine } from '../../../src/verify/machine.js'
import type { Case } from '../cases.js'
import { cellCounts, cellShares } from '../cells.js'
import type { Placement } from '../placement.js'

export interface Answer {
  /** VMs that are not in it are refused. */
  readonly placements: readonly Placement[]
  readonly milliseconds: number
}

export interface Peer {
  readonly name: string
  /** Why it cannot take part here; undefined if it can. */
  readonly missing: string | undefined
  /** In the order of the cases. */
  solve(cases: readonly Case[]): Answer[]
}

/**
 * A placement of vCPUs that says nothing of cells: where the request leaves their number open, the fewest with which each
 * is on one node; memory is where the constraints want it.
 */
export function placementOf(machine: Machine, vm: RequestVm, cpus: readonly CpuId[]): Placement {
  const nodeOf = (vcpu: number) => machine.cpus.get(cpus[vcpu]!)!.node
  const divided = cellCounts(vm).map((count) => cellShares(vm, count, machine.pageSizes[0]!))
  const onOneNode = divided.find((cells) => cells.every(({ vcpus }) => new Set(vcpus.map(nodeOf)).size === 1))
  return {
    name: vm.name,
    cells: (onOneNode ?? divided[0]!).map(({ vcpus, bytes }) => ({
      vcpus: vcpus.map((vcpu) => ({ vcpu, node: nodeOf(vcpu), cpu: cpus[vcpu]! })),
      memoryNode: machine.memoryNodes(vm, nodeOf(vcpus[0]!))[0]!,
      bytes,
    })),
  }
}

export function timed(solve: () => Placement[]): Answer {
  const start = performance.now()
  const placements = solve()
  return { placements, milliseconds: performance.now() - start }
}
