/** The boxes of a host: packages > nodes > last-level caches > cores > CPUs. */

import { formatCpulist } from '../cpulist.js'
import type { HostCpu } from '../types.js'
import { type Block, flow, grid, stack } from './block.js'
import { bandBlocks, cpuBlock } from './cpu.js'
import { frame } from './frame.js'
import { groupsBy } from './groups.js'
import { memoryBlock } from './memory.js'
import type { Pool } from './occupancy.js'
import type { Pen } from './pen.js'
import { poolBlock } from './pool.js'
import { widthOf } from './text.js'

const FULL_SPEED = 1024
/** A memory bar that can be read. */
const LEAST_NODE = 230
const MOST_THREADS_BESIDE = 4
const GAP = 6
const SEVERAL = 'several'

/** Packages that have a node in common are one: the node is drawn once. */
interface Island {
  readonly packages: readonly number[]
  readonly cpus: readonly HostCpu[]
}

export function hostBlock(pen: Pen): Block {
  const { host, reserve } = pen.scene
  const islands = islandsOf(host.cpus)
  const withCpus = new Set(host.cpus.map(({ node }) => node))
  const pools = poolsOf(pen)
  const alone = host.nodes.filter(({ id }) => !withCpus.has(id))
  const main = flow(
    islands.map((island) => islandBlock(island, pools, pen)),
    1.5,
    10,
  )
  const beside = stack(
    alone.map((node) => {
      const content = memoryBlock(node, LEAST_NODE, pen)
      const heading = `Node ${node.id}: no CPUs${reserve.nodes.has(node.id) ? ', reserved' : ''}`
      return frame(content, { heading, fill: pen.theme.node, title: heading, data: { node: node.id } }, pen.theme)
    }),
    10,
  )
  const all = alone.length === 0 ? main : grid([main, beside], 2, 10)
  const apart = (pools.get(SEVERAL) ?? []).map((pool) => poolBlock(pool, Math.max(all.width, LEAST_NODE), pen))
  return stack([all, ...apart], 10)
}

type Pools = Map<number | null | typeof SEVERAL, Pool[]>

/** Pools by the node that has all of their CPUs. */
function poolsOf({ on, scene }: Pen): Pools {
  const nodeOf = new Map(scene.host.cpus.map(({ id, node }) => [id, node]))
  const pools = new Map<number | null | typeof SEVERAL, Pool[]>()
  for (const pool of on.pools) {
    const nodes = new Set(pool.cpus.map((cpu) => nodeOf.get(cpu) ?? null))
    const key = nodes.size === 1 ? [...nodes][0]! : SEVERAL
    pools.set(key, [...(pools.get(key) ?? []), pool])
  }
  return pools
}

function islandsOf(cpus: readonly HostCpu[]): Island[] {
  const islands: { packages: Set<number | null>; nodes: Set<number>; cpus: HostCpu[] }[] = []
  for (const cpu of cpus) {
    const mine = islands.filter(
      ({ packages, nodes }) => packages.has(cpu.package) || (cpu.node !== null && nodes.has(cpu.node)),
    )
    const [first = { packages: new Set(), nodes: new Set(), cpus: [] }, ...others] = mine
    if (mine.length === 0) islands.push(first)
    for (const other of others) {
      for (const id of other.packages) first.packages.add(id)
      for (const id of other.nodes) first.nodes.add(id)
      first.cpus.push(...other.cpus)
      islands.splice(islands.indexOf(other), 1)
    }
    first.packages.add(cpu.package)
    if (cpu.node !== null) first.nodes.add(cpu.node)
    first.cpus.push(cpu)
  }
  return islands.map(({ packages, cpus: members }) => ({
    packages: [...packages].filter((id) => id !== null).sort((a, b) => a - b),
    cpus: members.sort((a, b) => a.id - b.id),
  }))
}

function islandBlock({ packages, cpus }: Island, pools: Pools, pen: Pen): Block {
  const groups = groupsBy(cpus, ({ node }) => node)
  const blocks = groups.map(([id, members]) => nodeBlock(id, members, pools.get(id) ?? [], packages.length > 1, pen))
  const inside = flow(blocks, 1.4, 8)
  const heading =
    packages.length === 0 ? 'No package known' : `Package${packages.length === 1 ? '' : 's'} ${formatCpulist(packages)}`
  return frame(inside, { heading, fill: pen.theme.package, title: heading, size: 12 }, pen.theme)
}

function nodeBlock(
  id: number | null,
  cpus: readonly HostCpu[],
  pools: readonly Pool[],
  isSpread: boolean,
  pen: Pen,
): Block {
  const { scene, theme } = pen
  const node = scene.host.nodes.find((one) => one.id === id)
  const heading = id === null ? 'CPUs of no node' : headingOf(id, pen)
  const llcs = groupsBy(cpus, ({ llc }) => llc).map(([llc, members]) => llcBlock(llc, members, isSpread, pen))
  const caches = flow(llcs, 1.6, GAP)
  const width = Math.ceil(Math.max(caches.width, widthOf(heading, 12), LEAST_NODE))
  const content = stack(
    [
      ...(node === undefined ? [] : [memoryBlock(node, width, pen)]),
      ...pools.map((pool) => poolBlock(pool, width, pen)),
      caches,
    ],
    GAP,
  )
  const data = id === null ? {} : { node: id }
  return frame(content, { heading, fill: theme.node, title: heading, size: 12, data }, theme)
}

function headingOf(id: number, { scene }: Pen): string {
  const node = scene.host.nodes.find((one) => one.id === id)
  const states = [
    ...(node === undefined ? ['offline'] : []),
    ...(scene.reserve.nodes.has(id) ? ['memory reserved for the host'] : []),
    ...(node?.bandwidth === undefined ? [] : [`${Math.round(node.bandwidth / 1e9)} GB/s`]),
  ]
  return [`Node ${id}`, ...states].join(', ')
}

function llcBlock(llc: number | null, cpus: readonly HostCpu[], isSpread: boolean, pen: Pen): Block {
  const { theme, isFolded } = pen
  const packages = isSpread ? formatCpulist(cpus.flatMap((cpu) => cpu.package ?? [])) : ''
  const name = llc === null ? 'no LLC known' : `LLC ${llc}`
  const heading = packages === '' ? name : `${name}, package ${packages}`
  const blocks = isFolded
    ? bandBlocks(cpus, pen)
    : groupsBy(cpus, ({ core }) => core).flatMap(([core, members]) => coreBlocks(core, members, pen))
  const title = `${heading}: CPUs ${formatCpulist(cpus.map(({ id }) => id))}`
  return frame(flow(blocks, 2.4, 4), { heading, fill: theme.llc, title, size: 10, padding: 5 }, theme)
}

/** CPUs of which no core is known are each for themselves. */
function coreBlocks(core: number | null, cpus: readonly HostCpu[], pen: Pen): Block[] {
  const { theme } = pen
  const look = { heading: '', fill: theme.core, padding: 3 }
  if (core === null) return cpus.map((cpu) => frame(cpuBlock(cpu, pen), { ...look, title: `CPU ${cpu.id}` }, theme))
  const isSlow = cpus.some(({ capacity }) => capacity !== null && capacity < FULL_SPEED)
  const threads = grid(
    cpus.map((cpu) => cpuBlock(cpu, pen)),
    Math.min(cpus.length, MOST_THREADS_BESIDE),
    2,
  )
  const title = `core ${core}: CPUs ${formatCpulist(cpus.map(({ id }) => id))}${isSlow ? ', slower than others' : ''}`
  return [frame(threads, { ...look, title, ...(isSlow ? { dashes: '2 3' } : {}) }, theme)]
}
