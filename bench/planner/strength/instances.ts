/**
 * Hosts and requests that are hard to plan well: nearly full, with VMs that do not go into LLCs and nodes evenly. The same name
 * is the same instance in every run.
 */

import { parseRequest } from '../../../src/request.js'
import { parseHost } from '../../../src/topology/index.js'
import type { Host, Request } from '../../../src/types.js'
import { type Random, randomFrom } from '../random.js'

export interface Instance {
  /** `medium/odd/3`. */
  readonly name: string
  readonly host: Host
  readonly request: Request
}

const GIB = 2 ** 30

export interface Shape {
  readonly nodes: number
  /** Of each node. */
  readonly llcs: number
  /** Of each LLC. */
  readonly cores: number
  readonly threads: number
  /** Of two nodes, by their indices. */
  readonly distance: (from: number, to: number) => number
}

/** A host all of whose nodes are alike, with 2 GiB a CPU. */
export function hostOf({ nodes, llcs, cores, threads, distance }: Shape): Host {
  const perNode = llcs * cores * threads
  const ids = Array.from({ length: nodes }, (_, at) => at)
  const bytes = perNode * 2 * GIB
  return parseHost({
    schemaVersion: 1,
    kind: 'Host',
    nodes: ids.map((id) => ({
      id,
      memory: { total: bytes, free: bytes },
      pages: [{ size: 4096, total: bytes / 4096, free: bytes / 4096 }],
    })),
    distances: ids.map((from) => ids.map((to) => (from === to ? 10 : distance(from, to)))),
    cpus: Array.from({ length: nodes * perNode }, (_, id) => {
      const core = Math.floor(id / threads)
      const llc = Math.floor(core / cores)
      const node = Math.floor(llc / llcs)
      const place = { node, package: node, llc, core, thread: id % threads }
      return { id, ...place, capacity: 1024, online: true, allowed: true, isolated: false }
    }),
  })
}

/** Every pair of nodes the same; nodes in packages; packages in halves. */
function distances(random: Random, nodes: number): Shape['distance'] {
  const level = random.between(0, nodes >= 8 ? 2 : nodes >= 4 ? 1 : 0)
  const inPackage = nodes >= 8 ? random.pick([2, 4]) : 2
  const [near, far, farthest] = random.pick([
    [12, 32, 40],
    [16, 22, 28],
    [11, 21, 31],
  ] as const)
  if (level === 0) return () => 21
  return (from, to) => {
    if (Math.floor(from / inPackage) === Math.floor(to / inPackage)) return near
    const isFarthest = level === 2 && Math.floor((2 * from) / nodes) !== Math.floor((2 * to) / nodes)
    return isFarthest ? farthest : far
  }
}

export const MIXES = ['small', 'powers', 'odd', 'large', 'all'] as const
export type Mix = (typeof MIXES)[number]

/** vCPUs of the next VM; `llc` and `node`: the CPUs of one. */
const SIZES: Readonly<Record<Mix, (random: Random, llc: number, node: number) => number>> = {
  small: (random) => random.pick([2, 3, 4, 5, 5, 6, 7]),
  powers: (random) => random.pick([2, 4, 8, 8, 16, 16]),
  odd: (random) => random.pick([5, 6, 7, 9, 10, 13, 14]),
  large: (random, llc, node) => random.between(Math.ceil(llc / 2), Math.min(node, 2 * llc)),
  all: (random, llc) => random.pick([1, 2, 3, 4, 6, 8, 10, 12, 16, 20, llc, llc + 2]),
}

/** VMs that take so much of a host's cores, whole ones each, if every VM has whole cores. */
function sizesFor(random: Random, mix: Mix, { nodes, llcs, cores, threads }: Shape, fill: number): number[] {
  const sizes: number[] = []
  for (let left = Math.floor(nodes * llcs * cores * fill); left > 0; ) {
    const wanted = SIZES[mix](random, cores * threads, llcs * cores * threads)
    const vcpus = Math.min(wanted, left * threads)
    left -= Math.ceil(vcpus / threads)
    sizes.push(vcpus)
  }
  return sizes
}

/** Of every 5 instances: plain ones, VMs of one trust domain, little memory, devices. */
function requestOf(random: Random, sizes: readonly number[], shape: Shape, at: number): Request {
  const kind = at % 5
  const share = kind === 3 ? [256, 1792, 1792] : [512, 1024]
  return parseRequest({
    vms: sizes.map((vcpus, vm) => ({
      name: `vm${vm}`,
      vcpus,
      memory: `${vcpus * random.pick(share)}MiB`,
      ...(kind === 2 ? { trust: 'all' } : {}),
      ...(kind === 4 && random.chance(0.25)
        ? { devices: [{ node: random.between(0, shape.nodes - 1), strict: false }] }
        : {}),
    })),
  })
}

/** 64 to 512 CPUs on 2 to 16 nodes, 85 to 100 % full. */
export function mediumInstances(perMix: number): Instance[] {
  return MIXES.flatMap((mix, row) =>
    Array.from({ length: perMix }, (_, at) => {
      const random = randomFrom(5_000_000 + row * 10_000 + at)
      const nodes = random.pick([2, 4, 8, 16])
      const llcs = random.pick([1, 2, 4])
      const cores = random.pick([3, 4, 6, 8, 12, 16].filter((count) => isMedium(nodes * llcs * count * 2)))
      const shape = { nodes, llcs, cores, threads: 2, distance: distances(random, nodes) }
      const sizes = sizesFor(random, mix, shape, random.pick([85, 90, 95, 98, 100, 100]) / 100)
      return { name: `medium/${mix}/${at}`, host: hostOf(shape), request: requestOf(random, sizes, shape, at) }
    }),
  )
}

function isMedium(cpus: number): boolean {
  return cpus >= 64 && cpus <= 512
}

/** Up to 32 CPUs, 60 to 100 % full, of all the kinds above and what else the exact solver knows. */
export function tinyInstances(count: number): Instance[] {
  return Array.from({ length: count }, (_, at) => {
    const random = randomFrom(6_000_000 + at)
    const nodes = random.between(1, 4)
    const shape = {
      nodes,
      llcs: random.between(1, 2),
      cores: random.between(2, 4),
      threads: nodes === 4 ? 1 : random.between(1, 2),
      distance: distances(random, nodes),
    }
    const sizes = sizesFor(random, random.pick(MIXES), shape, random.between(60, 100) / 100)
    return { name: `tiny/${at}`, host: hostOf(shape), request: tinyRequest(random, sizes, shape) }
  })
}

function tinyRequest(random: Random, sizes: readonly number[], { nodes }: Shape): Request {
  return parseRequest({
    vms: sizes.map((vcpus, vm) => ({
      name: `vm${vm}`,
      vcpus,
      memory: `${vcpus * random.pick([256, 1024, 1792])}MiB`,
      threadPolicy: random.pick(['prefer', 'prefer', 'prefer', 'require', 'isolate', 'spread']),
      weight: random.pick([1, 1, 1, 2]),
      memoryBound: random.pick([0.3, 0.3, 0.6]),
      ...(random.chance(0.15) ? { devices: [{ node: random.between(0, nodes - 1), strict: random.chance(0.3) }] } : {}),
      ...(random.chance(0.1) ? { cpuPolicy: 'shared', demand: 0.5 } : {}),
    })),
  })
}

/** Hosts that VMs of odd sizes fill, some of which must be divided: a search that moves whole VMs stays above the least, however long it goes on. */
export function stallingInstances(): (Instance & { readonly least: number })[] {
  const first = [7, 9, 11, 11, 5, 5, 3, 11, 7, 3, 11, 3, 15, 11, 3, 13, 3, 7, 7, 11, 3, 12]
  const second = [13, 3, 5, 3, 5, 11, 7, 9, 3, 9, 11, 15, 15, 13, 11, 15, 13, 7, 6]
  const third = [13, 11, 5, 9, 5, 3, 13, 13, 9, 11, 5, 7, 12]
  return [
    { llcs: 4, cores: 6, sizes: first, least: 0.714286 },
    { llcs: 4, cores: 6, sizes: second, least: 2.142858 },
    { llcs: 2, cores: 8, sizes: third, least: 0.6 },
  ].map(({ llcs, cores, sizes, least }, at) => ({
    name: `stalling/${at}`,
    host: hostOf({ nodes: 4, llcs, cores, threads: 2, distance: () => 21 }),
    request: parseRequest({
      vms: sizes.map((vcpus, vm) => ({ name: `vm${vm}`, vcpus, memory: `${vcpus * 64}MiB` })),
    }),
    least,
  }))
}
