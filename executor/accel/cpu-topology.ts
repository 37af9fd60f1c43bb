/** The host's CPUs and nodes as an object to ask questions of. */

import { requireHost } from '../../src/checks.js'
import { formatCpulist } from '../../src/cpulist.js'
import { InputError, show } from '../../src/errors.js'
import { type CacheLevel, readCaches } from '../../src/topology/caches.js'
import { type DetectOptions, detectFrom, directoryReader, rootOf } from '../../src/topology/node-fs.js'
import type { CpuId, Host, HostCpu, NodeId } from '../../src/types.js'

/** How far a CPU is from another: the first of these that holds, then the distance of their nodes. */
const SIBLING = 0
const SAME_LLC = 1
const SAME_NODE = 2
/** Distances of nodes are at least 10: they come after all of the above. */
const UNKNOWN = Number.MAX_SAFE_INTEGER

/** What `stats()` returns. */
export interface TopologyStats {
  /** Online CPUs. */
  readonly totalCpus: number
  /** Of them, those that this process may use (its cpuset). */
  readonly allowedCpus: number
  /** Nodes, those without CPUs or memory too. */
  readonly numaNodes: number
  /** Sockets. */
  readonly packages: number
  /** Physical cores with an online CPU. */
  readonly cores: number
  /** Domains of the last-level caches. */
  readonly llcs: number
  /** The most online SMT siblings that a core has. */
  readonly threadsPerCore: number
  /** Online CPUs by node. */
  readonly cpusPerNode: Readonly<Record<NodeId, number>>
  /** Cores by node. */
  readonly coresPerNode: Readonly<Record<NodeId, number>>
  /** Bytes in all, by node; `null` where the kernel does not say. */
  readonly memoryPerNode: Readonly<Record<NodeId, number | null>>
}

/**
 * A snapshot: CPUs that go offline later are still in it. Only online CPUs count.
 * @example
 * ```ts
 * import { syntheticHost } from 'homenode'
 * import { CpuTopology } from 'homenode/accel'
 *
 * const topology = CpuTopology.of(syntheticHost('pack:2 [numa(memory=64GB)] l3:1 core:2 pu:2'))
 * topology.totalCpus // => 8
 * topology.numaNodes // => 2
 * topology.cpusPerNode.get(1) // => [4, 5, 6, 7]
 * topology.cpuToNode.get(5) // => 1
 * for (const { level, sizeKiB, sharedCpus } of (await CpuTopology.detect()).cacheTopology) {
 *   console.log(`L${level}: ${sizeKiB} KiB for CPUs ${sharedCpus}`)
 * }
 * ```
 */
export class CpuTopology {
  /** All that was detected. */
  readonly host: Host
  /** Online CPUs. */
  readonly totalCpus: number
  /** NUMA nodes, those without CPUs or memory too. Their numbers may have gaps: they are the keys of `cpusPerNode`. */
  readonly numaNodes: number
  /** The online CPUs of each node, ascending; none for a node that has only memory. */
  readonly cpusPerNode: ReadonlyMap<NodeId, readonly CpuId[]>
  /** The node of each online CPU; a CPU whose node the kernel does not tell is missing. */
  readonly cpuToNode: ReadonlyMap<CpuId, NodeId>
  /** The caches of the online CPUs, each once, by level and then by their first CPU; none where they are not known. */
  readonly cacheTopology: readonly CacheLevel[]
  readonly #online: ReadonlyMap<CpuId, HostCpu>

  private constructor(host: Host, caches: readonly CacheLevel[]) {
    const online = host.cpus.filter((cpu) => cpu.online)
    this.host = host
    this.totalCpus = online.length
    this.numaNodes = host.nodes.length
    this.cpusPerNode = new Map(
      host.nodes.map(({ id }) => [id, online.filter(({ node }) => node === id).map((cpu) => cpu.id)]),
    )
    this.cpuToNode = new Map(online.flatMap(({ id, node }) => (node === null ? [] : [[id, node]])))
    this.cacheTopology = caches
    this.#online = new Map(online.map((cpu) => [cpu.id, cpu]))
  }

  /**
   * The topology of this machine, or of a copy of its files, as the kernel shows it.
   * @param options `root`: the directory that holds `sys` and `proc`; default `/`
   * @throws {InputError} where that is no root of a Linux system
   * @example
   * ```ts
   * import { CpuTopology } from 'homenode/accel'
   *
   * const topology = await CpuTopology.detect()
   * topology.totalCpus > 0 // => true
   * await CpuTopology.detect({ root: '/nowhere' }) // throws InputError: ...
   * ```
   */
  static async detect(options: DetectOptions = {}): Promise<CpuTopology> {
    return CpuTopology.detectSync(options)
  }

  /**
   * As `detect()`, at once: some dozen small files for each CPU, 5 ms with 2 CPUs.
   * @throws {InputError} as `detect()`, which has an example
   */
  static detectSync(options: DetectOptions = {}): CpuTopology {
    const root = rootOf(options)
    return new CpuTopology(detectFrom(root), readCaches(directoryReader(root)))
  }

  /**
   * The topology of a host that is described: by `syntheticHost()`, a saved file (`parseHost()`), or by hand.
   * @param host as those functions return it
   * @param caches what `cacheTopology` shows; a Host says nothing of them
   * @example
   * ```ts
   * import { syntheticHost } from 'homenode'
   * import { CpuTopology } from 'homenode/accel'
   *
   * const topology = CpuTopology.of(syntheticHost('pack:2 [numa(memory=64GB)] l3:1 core:4 pu:2'))
   * topology.getNodeCpus(1) // => [8, 9, 10, 11, 12, 13, 14, 15]
   * ```
   */
  static of(host: Host, caches: readonly CacheLevel[] = []): CpuTopology {
    requireHost(host)
    if (!Array.isArray(caches)) throw new InputError('caches', 'an array', show(caches))
    return new CpuTopology(host, caches)
  }

  /**
   * The online CPUs of a node, ascending.
   * @throws {InputError} for a node that the host does not have; it lists those that it has
   * @example
   * ```ts
   * import { syntheticHost } from 'homenode'
   * import { CpuTopology } from 'homenode/accel'
   *
   * const topology = CpuTopology.of(syntheticHost('pack:2 [numa(memory=64GB)] core:2 pu:1'))
   * topology.getNodeCpus(1) // => [2, 3]
   * topology.getNodeCpus(2) // throws InputError: node: expected one of the nodes 0-1, got 2
   * ```
   */
  getNodeCpus(node: NodeId): readonly CpuId[] {
    const cpus = this.cpusPerNode.get(node)
    if (cpus === undefined) {
      throw new InputError('node', `one of the nodes ${formatCpulist(this.cpusPerNode.keys())}`, show(node))
    }
    return cpus
  }

  /**
   * The CPUs nearest to `cpu`, without itself: SMT siblings, then those of its LLC, of its node, then of the other nodes by
   * their distance from its own (SLIT); the lowest number first where they are equally near.
   * @param count how many at most; there are fewer where the host has fewer
   * @throws {InputError} for a CPU that is not online (it lists those that are), or a count that is no whole number from 0
   * @example
   * ```ts
   * import { syntheticHost } from 'homenode'
   * import { CpuTopology } from 'homenode/accel'
   *
   * const topology = CpuTopology.of(syntheticHost('pack:2 [numa(memory=64GB)] l3:2 core:2 pu:2'))
   * topology.getClosestCpus(5, 4) // => [4, 6, 7, 0]
   * ```
   */
  getClosestCpus(cpu: CpuId, count: number): readonly CpuId[] {
    const from = this.#online.get(cpu)
    if (from === undefined) {
      throw new InputError('cpu', `one of the online CPUs ${formatCpulist(this.#online.keys())}`, show(cpu))
    }
    if (!Number.isSafeInteger(count) || count < 0) throw new InputError('count', 'a whole number from 0', show(count))
    const others = [...this.#online.values()].filter((other) => other !== from)
    const ranked = others.map((other) => ({ id: other.id, rank: this.#rank(from, other) }))
    ranked.sort((a, b) => a.rank - b.rank || a.id - b.id)
    return ranked.slice(0, count).map(({ id }) => id)
  }

  /**
   * How much there is of each kind, of what is online.
   * @example
   * ```ts
   * import { CpuTopology } from 'homenode/accel'
   *
   * const { totalCpus, cores, numaNodes } = (await CpuTopology.detect()).stats()
   * console.log(`${totalCpus} CPUs on ${cores} cores, ${numaNodes} nodes`)
   * ```
   */
  stats(): TopologyStats {
    const online = [...this.#online.values()]
    const count = (pick: (cpu: HostCpu) => number | null, among = online) =>
      new Set(among.map(pick).filter((value) => value !== null)).size
    const perNode = <Value>(value: (node: NodeId) => Value) =>
      Object.fromEntries(this.host.nodes.map(({ id }) => [id, value(id)]))
    return {
      totalCpus: this.totalCpus,
      allowedCpus: online.filter(({ allowed }) => allowed).length,
      numaNodes: this.numaNodes,
      packages: count((cpu) => cpu.package),
      cores: count((cpu) => cpu.core),
      llcs: count((cpu) => cpu.llc),
      threadsPerCore: 1 + Math.max(0, ...online.map(({ thread }) => thread ?? 0)),
      cpusPerNode: perNode((node) => this.getNodeCpus(node).length),
      coresPerNode: perNode((node) =>
        count(
          (cpu) => cpu.core,
          online.filter((cpu) => cpu.node === node),
        ),
      ),
      memoryPerNode: perNode((node) => this.host.nodes.find(({ id }) => id === node)?.memory.total ?? null),
    }
  }

  #rank(from: HostCpu, to: HostCpu): number {
    if (from.core === to.core) return SIBLING
    if (from.llc === to.llc) return SAME_LLC
    if (from.node === to.node && from.node !== null) return SAME_NODE
    const { nodes, distances } = this.host
    const indexOf = (cpu: HostCpu) => nodes.findIndex(({ id }) => id === cpu.node)
    return distances[indexOf(from)]?.[indexOf(to)] ?? UNKNOWN
  }
}
