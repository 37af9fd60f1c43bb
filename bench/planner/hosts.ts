/** The hosts of the comparison: random uneven ones, fixed large ones, and recorded machines. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { detectHost, parseHost, syntheticHost } from '../../src/topology/index.js'
import type { Host } from '../../src/types.js'
import type { Random } from './random.js'

const GIB = 2 ** 30

export type HostSize = 'small' | 'medium'

interface Shape {
  readonly nodes: number
  readonly llcs: number
  readonly cores: number
  readonly threads: number
}

/** Small: at most 32 CPUs on up to 4 nodes. Medium: at most 128 on up to 8. */
const SHAPES: Readonly<Record<HostSize, (random: Random) => Shape>> = {
  small: (random) => ({
    nodes: random.between(1, 4),
    llcs: random.between(1, 2),
    cores: random.between(2, 4),
    threads: random.between(1, 2),
  }),
  medium: (random) => ({
    nodes: random.pick([2, 4, 8]),
    llcs: random.between(1, 2),
    cores: random.between(3, 4),
    threads: random.between(1, 2),
  }),
}

/**
 * A host of a random shape with what makes hosts uneven: memory that differs by node, ids with gaps, siblings numbered
 * last, offline CPUs, a slow LLC, a node without CPUs, a node without memory.
 */
export function randomHost(random: Random, size: HostSize): Host {
  const shape = SHAPES[size](random)
  const { nodes, llcs, cores, threads } = shape
  const total = nodes * llcs * cores
  const siblingsLast = random.chance(0.5)
  const sparse = random.chance(0.3) ? random.between(2, 7) : 1
  const slowLlc = random.chance(0.2) ? random.between(0, nodes * llcs - 1) : -1
  const offline = random.chance(0.25) ? random.between(5, 9) : 0
  const cpus = Array.from({ length: total * threads }, (_, id) => {
    const core = siblingsLast ? id % total : Math.floor(id / threads)
    const thread = siblingsLast ? Math.floor(id / total) : id % threads
    const llc = Math.floor(core / cores)
    const node = Math.floor(llc / llcs) * sparse
    const nothing = { node: null, package: null, llc: null, core: null, thread: null, capacity: null }
    const online = offline === 0 || id === 0 || id % offline !== 0
    const place = { node, package: node, llc, core, thread, capacity: llc === slowLlc ? 614 : 1024 }
    return { id, ...(online ? place : nothing), online, allowed: true, isolated: false }
  })
  const extra = random.chance(0.2) ? 1 : 0
  const memoryless = nodes > 1 && random.chance(0.15) ? random.between(0, nodes - 1) : -1
  const ids = Array.from({ length: nodes + extra }, (_, at) => at * sparse)
  const perNode = llcs * cores * threads
  return parseHost({
    schemaVersion: 1,
    kind: 'Host',
    nodes: ids.map((id, at) => nodeOf(id, at === memoryless ? 0 : perNode * random.pick([1, 2, 2, 3]))),
    distances: distances(random, ids.length),
    cpus,
  })
}

function nodeOf(id: number, gibibytes: number) {
  const bytes = gibibytes * GIB
  return { id, memory: { total: bytes, free: bytes }, pages: [{ size: 4096, total: bytes / 4096, free: bytes / 4096 }] }
}

/** Pairs of nodes in a package are nearer than others, as on AMD's machines; some pairs are farther still. */
function distances(random: Random, count: number): number[][] {
  const [near, far] = random.pick([
    [16, 22],
    [12, 21],
    [20, 32],
    [21, 31],
    [20, 20],
  ] as const)
  const uneven = random.chance(0.3)
  return Array.from({ length: count }, (_, from) =>
    Array.from({ length: count }, (_, to) => {
      if (from === to) return 10
      if (from >> 1 === to >> 1) return near
      return uneven && (from + to) % 3 === 0 ? far + 7 : far
    }),
  )
}

/** With distance to every other node `distance`. */
export function evenHost(description: string, distance: number): Host {
  const host = syntheticHost(description)
  return { ...host, distances: host.distances.map((row, from) => row.map((_, to) => (from === to ? 10 : distance))) }
}

/** As in CONTRIBUTING.md: recordings are no part of this repository. */
export const RECORDINGS =
  process.env.HOMENODE_TOPOLOGIES ?? fileURLToPath(new URL('../../../shared/topologies', import.meta.url))

/**
 * The recorded machines; empty where there are none. All of a machine's CPUs and nodes are open to guests, whatever
 * cpuset it was recorded in; nodes of which the recording does not know the memory have 2 GiB a CPU free.
 */
export async function recordedHosts(): Promise<{ readonly name: string; readonly host: Host }[]> {
  if (!existsSync(RECORDINGS)) return []
  const scratch = mkdtempSync(join(tmpdir(), 'homenode-bench-recorded-'))
  try {
    const hosts = []
    for (const name of readdirSync(RECORDINGS).sort()) {
      const archive = join(RECORDINGS, name, 'tree.tar.xz')
      if (!existsSync(archive)) continue
      execFileSync('tar', ['xJf', archive, '-C', scratch])
      hosts.push({ name, host: opened(await detectHost({ root: join(scratch, name) })) })
    }
    return hosts
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

function opened(host: Host): Host {
  return {
    ...host,
    nodes: host.nodes.map(({ id, memory, bandwidth, pages }) => {
      const cpus = host.cpus.filter(({ node }) => node === id).length
      const base = pages[0]?.size ?? 4096
      const bytes = memory.total ?? Math.max(1, cpus) * 2 * GIB
      const free = Math.floor((bytes * 0.9) / base) * base
      return {
        id,
        memory: { total: bytes, free },
        pages: [{ size: base, total: Math.floor(bytes / base), free: free / base }],
        ...(bandwidth === undefined ? {} : { bandwidth }),
      }
    }),
    cpus: host.cpus.map((cpu) => ({ ...cpu, allowed: cpu.online })),
  }
}
