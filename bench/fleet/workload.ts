/**
 * VMs that come and go, the same for every rule. Sizes: most have few cores and little memory, as in Azure (Cortez et al., "Resource Central", SOSP
 * 2017). The shares are this file's.
 */

import { randomFrom } from '../planner/random.js'

export interface Arrival {
  readonly at: number
  readonly until: number
  readonly vm: { readonly name: string; readonly vcpus: number; readonly memory: string; readonly trust: string }
}

/** vCPUs and GiB of 20 VMs. */
const SIZES: readonly (readonly [vcpus: number, gibibytes: number])[] = [
  ...Array.from({ length: 9 }, () => [1, 2] as const),
  ...Array.from({ length: 5 }, () => [2, 3] as const),
  [2, 4],
  [2, 8],
  [4, 16],
  [4, 16],
  [8, 32],
  [16, 64],
]

/** Mean vCPUs of the sizes. */
const MEAN = SIZES.reduce((sum, [vcpus]) => sum + vcpus, 0) / SIZES.length

/** Exponential with this mean, from whole numbers, so that it is the same everywhere. */
function exponential(uniform: number, mean: number): number {
  return -mean * Math.log((uniform + 1) / 1_000_001)
}

/**
 * @param cpus of all hosts
 * @param load vCPUs asked for by those that would run at a time, of the CPUs
 * @param count how many come
 */
export function arrivalsFor(cpus: number, load: number, count: number, seed: number): Arrival[] {
  const random = randomFrom(seed)
  const life = 1
  const gap = (life * MEAN) / (cpus * load)
  let at = 0
  return Array.from({ length: count }, (_, number) => {
    const [vcpus, gibibytes] = random.pick(SIZES)
    at += exponential(random.between(0, 999_999), gap)
    const until = at + exponential(random.between(0, 999_999), life)
    return { at, until, vm: { name: `vm${number}`, vcpus, memory: `${gibibytes}GiB`, trust: 'all' } }
  })
}

/** Sizes that are hard to find room for, as VMs still to come. */
export const FLAVOURS = [
  { vcpus: 4, memory: '16GiB', trust: 'all' },
  { vcpus: 8, memory: '32GiB', trust: 'all' },
  { vcpus: 16, memory: '64GiB', trust: 'all' },
]
