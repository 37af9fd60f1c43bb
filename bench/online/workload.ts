/** VMs that come to one host and go again, the same for every rule. */

import { randomFrom } from '../planner/random.js'

/** vCPUs and GiB, each as often as the others. The shares are this file's. */
const SIZES: readonly (readonly [vcpus: number, gibibytes: number])[] = [
  [1, 2],
  [2, 4],
  [2, 8],
  [4, 16],
  [8, 32],
  [16, 64],
]
const MEAN = SIZES.reduce((sum, [vcpus]) => sum + vcpus, 0) / SIZES.length

export type Event =
  | { readonly kind: 'come'; readonly at: number; readonly vm: { readonly name: string; readonly vcpus: number } }
  | { readonly kind: 'go'; readonly at: number; readonly name: string }

/** Exponential with this mean, from whole numbers, so that it is the same everywhere. */
function exponential(uniform: number, mean: number): number {
  return -mean * Math.log((uniform + 1) / 1_000_001)
}

/**
 * The first events, in their order. Each VM is on one node: with several cells nearly all would fit while there is a CPU.
 * @param load vCPUs of those that would be there at a time, of the CPUs
 */
export function eventsFor(cpus: number, load: number, count: number, seed: number): Event[] {
  const random = randomFrom(seed)
  const gap = MEAN / (cpus * load)
  const events: Event[] = []
  let at = 0
  for (let number = 0; number < count; number++) {
    const [vcpus, gibibytes] = random.pick(SIZES)
    const vm = { name: `vm${number}`, vcpus, memory: `${gibibytes}GiB`, cells: 1, trust: 'all' }
    at += exponential(random.between(0, 999_999), gap)
    events.push({ kind: 'come', at, vm })
    events.push({ kind: 'go', at: at + exponential(random.between(0, 999_999), 1), name: vm.name })
  }
  return events.sort((a, b) => a.at - b.at).slice(0, count)
}

/** vCPUs that a host would accept whose CPUs were all on one node, and those that are asked for. */
export function possible(
  cpus: number,
  events: readonly Event[],
): { readonly accepted: number; readonly asked: number } {
  const there = new Map<string, number>()
  let [used, accepted, asked] = [0, 0, 0]
  for (const event of events) {
    if (event.kind === 'go') {
      used -= there.get(event.name) ?? 0
      there.delete(event.name)
      continue
    }
    const { name, vcpus } = event.vm
    asked += vcpus
    if (used + vcpus > cpus) continue
    there.set(name, vcpus)
    used += vcpus
    accepted += vcpus
  }
  return { accepted, asked }
}
