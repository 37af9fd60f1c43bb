/** The term `smt` as it is: how many siblings of dedicated vCPUs are busy, as is to be expected. */

import { groupBy, type Machine } from '../machine.js'
import type { PlacedResident, PlacedThread } from './residents.js'
import { sum } from './sums.js'

/** vCPUs that are to be expected on each core, and on each of its CPUs. */
type Load = ReadonlyMap<number, { readonly cpus: ReadonlyMap<number, number> }>

/** Pairs of vCPUs on other CPUs of one core; under `prefer` and `require` also cores beyond the fewest that hold a cell. */
export function busySiblings(machine: Machine, vms: readonly PlacedResident[], vm: PlacedResident): number {
  const own = vm.threads.filter(({ dedicated }) => dedicated)
  if (own.length === 0) return 0
  const others = vms.filter((other) => other !== vm).flatMap(({ threads }) => threads.filter((one) => one.dedicated))
  const beside = pairs(loadOf(own), loadOf(others))
  const { threadPolicy } = vm.request
  if (threadPolicy === 'isolate' || threadPolicy === 'spread') return beside + pairsWithin(own)
  const cells = [...groupBy(own, ({ cell }) => cell).values()]
  const excess = cells.map((threads) => touchedCores(threads) - Math.ceil(threads.length / machine.widestCore))
  return beside + sum(excess.map((count) => Math.max(0, count)))
}

function loadOf(threads: readonly PlacedThread[]): Load {
  const load = new Map<number, { cpus: Map<number, number> }>()
  for (const [cpus, members] of groupBy(threads, (thread) => thread.cpus)) {
    for (const { id, core } of cpus) {
      const onCore = load.get(core) ?? { cpus: new Map<number, number>() }
      load.set(core, onCore)
      onCore.cpus.set(id, (onCore.cpus.get(id) ?? 0) + members.length / cpus.length)
    }
  }
  return load
}

/** One on a CPU and the other on another CPU of the core: two on one CPU take turns, which `overcommit` counts. */
function pairs(some: Load, others: Load): number {
  let count = 0
  for (const [core, { cpus }] of some) {
    const there = others.get(core)
    if (there === undefined) continue
    for (const [a, first] of cpus) for (const [b, second] of there.cpus) if (a !== b) count += first * second
  }
  return count
}

/** The same among the threads themselves: nobody is a sibling of its own. */
function pairsWithin(threads: readonly PlacedThread[]): number {
  const all = loadOf(threads)
  const alone = groupBy(threads, (thread) => thread.cpus)
  const own = [...alone.values()].map((members) => members.length * pairs(loadOf([members[0]!]), loadOf([members[0]!])))
  return pairs(all, all) - sum(own)
}

/** How many cores have one of the threads, as is to be expected where each chooses by itself. */
function touchedCores(threads: readonly PlacedThread[]): number {
  const idle = new Map<number, number>()
  for (const { cores } of threads)
    for (const [core, share] of cores) idle.set(core, (idle.get(core) ?? 1) * (1 - share))
  return sum([...idle.values()].map((chance) => 1 - chance))
}
