/** A Host from a description, without a machine: for tests, and to plan for hosts that are not there. */

import { InputError, show } from '../errors.js'
import type { Host, HostCpu, HostNode } from '../types.js'
import { numberInOrder } from './groups.js'
import { DEFAULT_PAGE_SIZE, FULL_CAPACITY } from './limits.js'
import { defaultDistances } from './nodes.js'
import { objectIndexes, type Width } from './synthetic-indexes.js'
import { type AttachedNode, fail, type Level, parseSyntheticSpec } from './synthetic-spec.js'

const MAX_CPUS = 4096
const MAX_NODES = 256
/** What hwloc gives to a node without `memory=`. */
const DEFAULT_MEMORY = 2 ** 30

/** A level with the number of its objects in the whole machine. */
type WideLevel = Level & Width

interface Numa {
  /** Its place in the description. */
  readonly at: number
  readonly nodes: readonly { readonly id: number; readonly memory: number }[]
  /** The node of each PU, in their order in the description. */
  readonly nodeOfPu: (pu: number) => number
}

/**
 * The machine that hwloc's synthetic syntax describes, for example `pack:2 [numa(memory=64GB)] l3:2 core:8 pu:2`.
 * All of its memory is free and all its CPUs are online; distances are 10 and 20. A node without `memory=` has 1 GiB;
 * with `memory=0` it has none. Of several nodes in one place the first is that of the CPUs, as lstopo shows them.
 * @throws {InputError} with the place as `character N`
 */
export function syntheticHost(spec: string): Host {
  if (typeof spec !== 'string') throw new InputError('spec', 'text', show(spec))
  const levels = withWidths(parseSyntheticSpec(spec))
  const numa = layNodes(levels)
  const nodes = [...numa.nodes].sort((a, b) => a.id - b.id).map(hostNode)
  return {
    schemaVersion: 1,
    kind: 'Host',
    nodes,
    distances: defaultDistances(nodes.length),
    cpus: layCpus(levels, numa.nodeOfPu),
  }
}

function withWidths(levels: readonly Level[]): readonly WideLevel[] {
  let width = 1
  return levels.map((level) => {
    width *= level.count
    if (width > MAX_CPUS) fail(level.at, `at most ${MAX_CPUS} CPUs`, `${width} objects of type ${level.type}`)
    return { ...level, width }
  })
}

function layNodes(levels: readonly WideLevel[]): Numa {
  const level = levels.find(({ type }) => type === 'numa')
  const numa = level === undefined ? layAttached(withNodes(levels)) : layLevel(level, levels)
  const cores = levels.find(({ type }) => type === 'core')
  const pus = levels.at(-1)!.width
  const threads = cores === undefined ? 1 : pus / cores.width
  for (let pu = 0; pu < pus; pu++) {
    if (numa.nodeOfPu(pu) !== numa.nodeOfPu(pu - (pu % threads))) {
      fail(numa.at, 'cores that lie in one NUMA node', 'several nodes in a core')
    }
  }
  return numa
}

function layLevel(level: WideLevel, levels: readonly WideLevel[]): Numa {
  checkNodeCount(level.width, level.at)
  const ids = objectIndexes(level.indexes, level.width, levels)
  const pusPerNode = levels.at(-1)!.width / level.width
  return {
    at: level.at,
    nodes: ids.map((id) => ({ id, memory: level.memory ?? DEFAULT_MEMORY })),
    nodeOfPu: (pu) => ids[Math.floor(pu / pusPerNode)]!,
  }
}

/** A machine in whose description there are no nodes has one. */
function withNodes(levels: readonly WideLevel[]): readonly WideLevel[] {
  if (levels.some(({ attached }) => attached.length > 0)) return levels
  const whole: AttachedNode = { at: 0, memory: undefined, indexes: undefined }
  return levels.map((level, depth) => (depth === 0 ? { ...level, attached: [whole] } : level))
}

/** Attached nodes are numbered as hwloc does: those inside of an object first, then its own, object after object. */
function layAttached(levels: readonly WideLevel[]): Numa {
  const attached = levels.flatMap((level) => level.attached)
  const count = levels.reduce((sum, level) => sum + level.attached.length * level.width, 0)
  checkNodeCount(count, attached[0]!.at)
  const ids = objectIndexes(attached.flatMap(({ indexes }) => indexes ?? []).at(-1), count, levels)

  const nodes: { id: number; memory: number }[] = []
  const firstOf = levels.map((): number[] => [])
  const visit = (depth: number, object: number) => {
    const arity = levels[depth + 1]?.count ?? 0
    for (let child = 0; child < arity; child++) visit(depth + 1, object * arity + child)
    for (const node of levels[depth]!.attached) {
      const id = ids[nodes.length]!
      firstOf[depth]![object] ??= id
      nodes.push({ id, memory: node.memory ?? DEFAULT_MEMORY })
    }
  }
  visit(0, 0)

  const innermost = levels.reduce((found, level, depth) => (level.attached.length > 0 ? depth : found), 0)
  const pusPerNode = levels.at(-1)!.width / levels[innermost]!.width
  return {
    at: levels[innermost]!.attached[0]!.at,
    nodes,
    nodeOfPu: (pu) => firstOf[innermost]![Math.floor(pu / pusPerNode)]!,
  }
}

function checkNodeCount(count: number, at: number): void {
  if (count > MAX_NODES) fail(at, `at most ${MAX_NODES} NUMA nodes`, `${count}`)
}

function layCpus(levels: readonly WideLevel[], nodeOfPu: (pu: number) => number): HostCpu[] {
  const pus = levels.at(-1)!
  const indexesOf = (level: WideLevel) => objectIndexes(level.indexes, level.width, levels)
  const objectOf = (level: WideLevel, pu: number) => Math.floor(pu / (pus.width / level.width))
  const packages = levels.find(({ type }) => type === 'package')
  const packageIds = packages && indexesOf(packages)
  const cores = levels.find(({ type }) => type === 'core') ?? pus
  const llcs = levels
    .filter(({ type }) => /^l\d$/.test(type))
    .reduce<WideLevel | undefined>(
      (last, level) => (last === undefined || level.type > last.type ? level : last),
      undefined,
    )

  const ids = indexesOf(pus)
  const byId = ids.map((_, pu) => pu).sort((a, b) => ids[a]! - ids[b]!)
  const coreOf = numberInOrder(byId.map((pu) => objectOf(cores, pu)))
  const llcOf = numberInOrder(byId.map((pu) => (llcs === undefined ? nodeOfPu(pu) : objectOf(llcs, pu))))
  const threads = new Map<number, number>()
  return byId.map((pu, index) => {
    const core = coreOf[index]!
    const thread = threads.get(core) ?? 0
    threads.set(core, thread + 1)
    return {
      id: ids[pu]!,
      node: nodeOfPu(pu),
      package: packages === undefined ? null : packageIds![objectOf(packages, pu)]!,
      llc: llcOf[index]!,
      core,
      thread,
      online: true,
      allowed: true,
      isolated: false,
      capacity: FULL_CAPACITY,
    }
  })
}

function hostNode({ id, memory }: { readonly id: number; readonly memory: number }): HostNode {
  const pages = Math.floor(memory / DEFAULT_PAGE_SIZE)
  return {
    id,
    memory: { total: memory, free: memory },
    pages: [{ size: DEFAULT_PAGE_SIZE, total: pages, free: pages }],
  }
}
