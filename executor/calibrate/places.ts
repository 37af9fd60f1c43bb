/** On which CPUs, and of which memory, a host is measured. */

import type { CpuId, Host, HostCpu, NodeId } from '../../src/types.js'

/** Of each kind of pair so many are measured. */
const PAIRS = 3

export type Pair = readonly [CpuId, CpuId]

/** CPUs that threads of this process may be pinned to. */
export function usableCpus({ cpus }: Host, affinity: readonly CpuId[]): HostCpu[] {
  const own = new Set(affinity)
  return cpus.filter(({ id, online, allowed }) => online && allowed && own.has(id))
}

/** Nodes whose memory this process may have. */
export function memoryNodes({ nodes }: Host): NodeId[] {
  return nodes.filter(({ memory, allowed }) => memory.total !== 0 && allowed !== false).map(({ id }) => id)
}

/** One CPU of each core, those of a node. */
export function coresOn(cpus: readonly HostCpu[], node: NodeId): HostCpu[] {
  return firstOf(
    cpus.filter((cpu) => cpu.node === node),
    ({ id, core }) => core ?? -1 - id,
  )
}

/** Up to so many of them, evenly apart. */
export function someOf<Item>(items: readonly Item[], most: number): Item[] {
  const count = Math.min(most, items.length)
  return Array.from({ length: count }, (_, at) => items[Math.floor((at * items.length) / count)]!)
}

/** SMT siblings. */
export function siblings(cpus: readonly HostCpu[]): Pair[] {
  const cores = [...groups(cpus, ({ core }) => core).values()].filter((members) => members.length > 1)
  return someOf(cores, PAIRS).map(([a, b]) => [a!.id, b!.id])
}

/** Cores that share an LLC. */
export function inOneLlc(cpus: readonly HostCpu[]): Pair[] {
  const cores = firstOf(cpus, ({ id, core }) => core ?? -1 - id)
  const llcs = [...groups(cores, ({ llc }) => llc).values()].filter((members) => members.length > 1)
  return someOf(llcs, PAIRS).map((members) => [members[0]!.id, members.at(-1)!.id])
}

/** LLCs that share a node. */
export function onOneNode(cpus: readonly HostCpu[]): Pair[] {
  const llcs = firstOf(cpus, ({ id, node, llc }) => (llc === null ? `CPU ${id}` : `${node}/${llc}`))
  const nodes = [...groups(llcs, ({ node }) => node).values()].filter((members) => members.length > 1)
  return someOf(nodes, PAIRS).map((members) => [members[0]!.id, members.at(-1)!.id])
}

/** CPUs of two nodes. */
export function acrossNodes(cpus: readonly HostCpu[], a: NodeId, b: NodeId): Pair[] {
  const [from, to] = [coresOn(cpus, a), coresOn(cpus, b)]
  const count = Math.min(PAIRS, from.length, to.length)
  const [some, others] = [someOf(from, count), someOf(to, count)]
  return some.map((cpu, at) => [cpu.id, others[at]!.id])
}

function groups<Key>(cpus: readonly HostCpu[], keyOf: (cpu: HostCpu) => Key | null): Map<Key, HostCpu[]> {
  const found = new Map<Key, HostCpu[]>()
  for (const cpu of cpus) {
    const key = keyOf(cpu)
    if (key === null) continue
    const group = found.get(key) ?? []
    if (group.length === 0) found.set(key, group)
    group.push(cpu)
  }
  return found
}

function firstOf<Key>(cpus: readonly HostCpu[], keyOf: (cpu: HostCpu) => Key): HostCpu[] {
  return [...groups(cpus, keyOf).values()].map(([first]) => first!)
}
