/** Calls of planner.wasm at random: from a seed, any function in any order, with numbers that make sense and numbers that do not. */

import { MAX } from '../../src/planner/generated/abi.js'
import { type Call, type Parameter, type Signature, signatures } from './abi-table.js'

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Random = () => number

function below(random: Random, count: number): number {
  return Math.floor(random() * count)
}

function pick<T>(random: Random, list: readonly T[]): T {
  const value = list[below(random, list.length)]
  if (value === undefined) throw new RangeError('pick: an empty list')
  return value
}

const LIMITS = Object.values(MAX).flatMap((limit) => [limit - 1, limit, limit + 1])
const HOSTILE = [
  ...[Number.NaN, Infinity, -Infinity, -0, 0, 0.5, -0.5, 5e-324, 1e300, -1e300, 1, -1, -2, 1024, 65535, 1e9],
  ...[2 ** 24, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 32 + 1, 2 ** 52, 2 ** 53, -(2 ** 53), 2 ** 63, 2 ** 64],
  ...LIMITS,
]

/** More steps than these are the caller's own choice of how long to wait. */
const MOST_STEPS = 20

/** Numbers that a caller would give, by the parameter's name; for other names small ones. */
const SANE: Readonly<Record<string, (random: Random) => number>> = {
  vm: (random) => pick(random, [0, 0, 0, 1, 1, 2, 3, 7]),
  other: (random) => below(random, 8),
  away: (random) => below(random, 2),
  node: (random) => below(random, 4),
  from: (random) => below(random, 4),
  to: (random) => below(random, 4),
  id: (random) => below(random, 64),
  cpu: (random) => below(random, 16),
  vcpu: (random) => pick(random, [0, 0, 1, 2, 5]),
  cell: (random) => pick(random, [0, 0, 1, 2]),
  thread: (random) => pick(random, [0, 0, 1]),
  part: (random) => pick(random, [0, 0, 1]),
  cpus: (random) => pick(random, [1, 1, 2, 0]),
  core: (random) => below(random, 12),
  vcpus: (random) => pick(random, [1, 1, 2, 2, 3, 4, 8]),
  pages: (random) => pick(random, [1, 7, 100, 512, 1024, 5000]),
  free: (random) => pick(random, [0, 3, 512, 2 ** 14, 2 ** 18]),
  shift: (random) => pick(random, [0, 12, 12, 21, 34]),
  distance: (random) => 10 + below(random, 40),
  capacity: (random) => pick(random, [1024, 1024, 512, 1]),
  bytes: (random) => pick(random, [0, 1, 1e9, 4e9]),
  use: (random) => below(random, 4),
  relaxed: (random) => below(random, 2 ** 15),
  maxSteps: (random) => pick(random, [0, 0, 1, 1, 2, 4, MOST_STEPS]),
  seed: (random) => below(random, 2 ** 31),
}

function sane(random: Random, { name, type }: Parameter): number {
  const known = SANE[name]
  if (known !== undefined) return known(random)
  return type === 'f64' ? pick(random, [0, 0.1, 0.37, 0.5, 1, 1, 2.5, 100]) : below(random, 4)
}

function argument(random: Random, parameter: Parameter, hostility: number): number {
  const number = random() >= hostility ? sane(random, parameter) : pick(random, HOSTILE)
  // What the module gets is the number modulo 2^32.
  return parameter.name === 'maxSteps' && (number | 0) > MOST_STEPS ? MOST_STEPS : number
}

function callOf(random: Random, { name, parameters }: Signature, hostility: number): Call {
  return [name, ...parameters.map((parameter) => argument(random, parameter, hostility))]
}

/** Calls that build a host: mostly one that makes sense, some of up to 4 nodes and 24 CPUs, one in 20 larger. */
function hostCalls(random: Random): Call[] {
  const large = random() < 0.05
  const nodes = 1 + below(random, large ? 12 : 4)
  const cpus = 1 + below(random, large ? 160 : 24)
  const threads = pick(random, [1, 2, 2, 4])
  const llc = pick(random, [1, 2, 4, 16])
  const calls: Call[] = []
  for (let node = 0; node < nodes; node++) calls.push(['addNode', node, random() < 0.85 ? 1 : 0])
  for (let node = 0; node < nodes; node++) {
    calls.push(['setPages', node, 12, pick(random, [0, 100, 2 ** 12, 2 ** 14, 2 ** 16, 2 ** 18])])
    if (random() < 0.4) calls.push(['setPages', node, 21, pick(random, [0, 1, 16, 100])])
    if (random() < 0.1) calls.push(['setLimit', 12, pick(random, [100, 2 ** 14])])
    if (random() < 0.3) calls.push(['setBandwidth', node, pick(random, [1, 1e9, 1e10])])
    for (let to = 0; to < nodes; to++) if (random() < 0.5) calls.push(['setDistance', node, to, 10 + below(random, 30)])
    if (random() < 0.1) calls.push(['setHop', node, below(random, nodes), 10 + below(random, 30)])
  }
  for (let cpu = 0; cpu < cpus; cpu++) {
    const capacity = random() < 0.8 ? 1024 : 1 + below(random, 1024)
    const node = Math.floor((cpu * nodes) / cpus)
    calls.push([
      'addCpu',
      cpu,
      node,
      Math.floor(cpu / llc),
      Math.floor(cpu / threads),
      capacity,
      pick(random, [1, 1, 1, 1, 1, 1, 2, 3, 0]),
    ])
  }
  return calls
}

/** Functions that are called more often than others, that there are VMs and plans, and room for more. */
const OFTEN = ['addVm', 'addVm', 'solve', 'removeVm']

/** What chance hardly ever does: cells that add up to their VM, threads with CPUs of their own in a plan, a VM that is where it was. */
const OPENINGS: readonly (readonly Call[])[] = [
  [
    ['addVm', 3, 1000],
    ['addVmCell', 0, 2, 600],
    ['addVmCell', 0, 1, 400],
  ],
  [
    ['addVm', 2, 100],
    ['setVmThreadCpus', 0, 2],
    ['solve', 1, 1],
    ['threadCpuId', 0, 1],
  ],
  [
    ['addVm', 2, 100],
    ['addVmCurrentCpu', 0, 0, 1],
    ['addVmCurrentCpu', 0, 1, 0],
    ['addVmCurrentMemory', 0, 0, 0, 100 * 4096],
    ['setVmCurrentPageSize', 0, 0, 12],
    ['placeCurrent', 0],
    ['setVmPageSize', 0, 12],
    ['setVmThreadCpus', 0, 1],
  ],
]

/** Calls of one problem, from reset() on. */
export function problemCalls(seed: number): Call[] {
  const random = generator(seed)
  const hostility = pick(random, [0.01, 0.02, 0.1, 0.4])
  // Each problem leaves some functions out, so that what one of them makes impossible is reached in others.
  const free = signatures.filter(({ name }) => name !== 'reset' && random() < (name === 'addVmCell' ? 0.2 : 0.6))
  const often = OFTEN.flatMap((name) => signatures.filter((signature) => signature.name === name))
  const anything = () => callOf(random, pick(random, [...free, ...often]), hostility)
  const host = hostCalls(random).flatMap((call) => (random() < 0.05 ? [anything(), call] : [call]))
  // What is taken away from a host leaves others that do not make sense.
  const built = host.filter(() => random() > hostility / 10)
  const first = random() < 0.4 ? pick(random, OPENINGS) : []
  return [['reset'], ...built, ...first, ...Array.from({ length: 50 + below(random, 400) }, anything)]
}
