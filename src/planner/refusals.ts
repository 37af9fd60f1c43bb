/** The refused VMs, with the reasons. VMs that ask for the same are refused for the same reasons, so these are found only once. */

import type { Refusal, RequestVm } from '../types.js'
import { nearestOf, smallestPlaced } from './nearest.js'
import type { Problem } from './problem.js'
import { isPlaced } from './read.js'
import { becauseOf, type Telling } from './refusal.js'

/** Work, as the planner counts it, for the changes that would let VMs in. When it is used up, none are tried for VMs later in the request. */
const MOST_WORK = 9_000_000

/** The refusals. Takes the refused VMs out of the problem, so it comes after everything else is read. */
export function readRefusals(problem: Problem): Refusal[] {
  const { wasm, request, handles } = problem
  const telling: Telling = { ...problem, told: new Map() }
  const reasons = new Map<string, Pick<Refusal, 'proven' | 'because'>>()
  const refused = request.vms.flatMap((vm, at) => {
    const handle = handles[at] ?? -1
    if (isPlaced(problem, handle)) return []
    const kind = kindOf(problem, vm)
    const known = reasons.get(kind)
    const reason = known ?? { proven: wasm.refusalProven(handle) === 1, because: becauseOf(telling, vm, handle) }
    reasons.set(kind, reason)
    return [{ vm, handle, kind, reason }]
  })
  // The last first: then what the planner keeps of the others is not moved each time.
  for (const { handle } of [...refused].reverse()) wasm.removeVm(handle)
  const others = smallestPlaced(problem)
  const end = wasm.work() + MOST_WORK
  const nearest = new Map<string, Refusal['nearest']>()
  return refused.map(({ vm, kind, reason: { proven, because } }) => {
    const found = nearest.get(kind) ?? nearestOf(problem, vm, others, () => wasm.work() < end)
    nearest.set(kind, found)
    return { name: vm.name, proven, because, nearest: found }
  })
}

/** Equal for VMs that ask for the same, of the host and of the placed VMs. */
function kindOf(problem: Problem, vm: RequestVm): string {
  const { peers, handleOf } = problem
  const placed = (names: Iterable<string> = []) =>
    [...names].filter((name) => isPlaced(problem, handleOf.get(name) ?? -1)).sort()
  const { separate, near } = peers.get(vm.name) ?? {}
  return JSON.stringify({ ...vm, name: '', separateFrom: placed(separate), near: placed(near) })
}
