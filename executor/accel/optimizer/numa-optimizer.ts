/** Memory on the nodes of the host: given out, counted, moved, and explained. */

import { requireInstance, requireList, requireObject, requirePath } from '../../../src/checks.js'
import { InputError, show, UnsupportedError } from '../../../src/errors.js'
import type { SysReader } from '../../../src/topology/files.js'
import { directoryReader } from '../../../src/topology/node-fs.js'
import type { NodeId, VcpuId, VerifiedPlan } from '../../../src/types.js'
import { VcpuAffinityManager } from '../affinity/vcpu-affinity-manager.js'
import { nearMemory, planNear } from '../affinity/vcpu-placement.js'
import { requireNode } from '../checks.js'
import { CpuTopology } from '../cpu-topology.js'
import { forEach } from '../for-each.js'
import { AccelKvm } from '../guest/accel-kvm.js'
import { loadExecutor } from '../load-executor.js'
import {
  currentPlatform,
  type Effect,
  ENFORCED,
  type Platform,
  type PlatformOptions,
  requirePlatform,
  unenforced,
} from '../platform.js'
import { shareOf } from '../stats/node-stats.js'
import { openCacheCounters, StatsKeeper } from '../stats/stats-keeper.js'
import { type Allocation, allocationOf } from './allocation.js'
import { Balancing } from './balancing/balancing.js'
import { BalancedGuest } from './balancing/guest.js'
import { type BalancingOptions, requireBalancingOptions } from './balancing/types.js'
import { makeBoundBlock, makeOrdinaryBlock } from './block.js'
import { budgetsOf, type MemoryPerNode, NodeBudgets } from './budget.js'
import { remoteMemoryCost } from './memory-cost.js'
import { type FailedMove, hex, type MovedBlock, NodeMemory, type Survey } from './node-memory.js'
import { showReport } from './optimizer-report.js'
import { type Accessor, RecordedAccesses } from './recorded-accesses.js'
import { farByNode, straysByNode } from './resident-blocks.js'
import { type AllocationStrategy, requireStrategy } from './strategy.js'
import { type NodeStats, type Suggestion, suggest } from './suggestions.js'
import { surveyOf } from './survey.js'

export interface NumaOptimizerOptions extends PlatformOptions {
  /** Directory that holds `sys` and `proc`, where the statistics are read; default `/`. */
  readonly root?: string
}

/** What `rebalanceMemory()` did. */
export type Rebalance = Effect & {
  /** Bytes, and base pages, that have come to the node where they should be: by reading back before and after. */
  readonly movedBytes: number
  readonly movedPages: number
  readonly moves: readonly MovedBlock[]
  /** Blocks that could not be moved as a whole. */
  readonly failed: readonly FailedMove[]
}

/** Where `optimizeVcpuPlacement(n)` put the vCPUs. */
export interface VcpuPlacement {
  /** The node of each vCPU. */
  readonly nodes: ReadonlyMap<VcpuId, NodeId>
  /** CPUs, and the price in lost vCPUs. */
  readonly plan: VerifiedPlan
}

/**
 * Gives out memory that is bound to nodes, within a budget for each node, by a strategy that can be changed; says what the
 * kernel counts there; moves memory and vCPUs to where they belong. Owns the memory and the counters that it opens.
 * @example
 * ```ts
 * import { CpuTopology, NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
 *
 * const MiB = 1024 ** 2
 * const topology = await CpuTopology.detect()
 * const manager = VcpuAffinityManager.withTopology(topology)
 * await using optimizer = new NumaOptimizer(topology, manager, 64 * MiB)
 * optimizer.setAllocationStrategy('LocalFirst')
 * const { address, node, residentBytes } = await optimizer.allocateMemory(MiB)
 * optimizer.memoryOf(address).fill(1)
 * residentBytes?.[node] // => MiB
 * topology.cpusPerNode.has(node) // => true
 * await optimizer.freeMemory(address)
 * ```
 */
export class NumaOptimizer implements AsyncDisposable {
  readonly #topology: CpuTopology
  readonly #manager: VcpuAffinityManager
  readonly #platform: Platform
  readonly #reader: SysReader
  readonly #budgets: NodeBudgets
  readonly #memory: NodeMemory
  readonly #stats: StatsKeeper
  readonly #recorded: RecordedAccesses
  readonly #nodes: readonly NodeId[]
  readonly #pageSize: number
  readonly #guests = new Map<AccelKvm, BalancedGuest>()
  #strategy: AllocationStrategy = 'Adaptive'
  #guestsSoFar = 0
  #balancing: Balancing | null = null

  /**
   * @param manager whose vCPUs use the memory
   * @param memoryPerNode bytes that may be given out: the same for every node with memory, or by node (others: none)
   * @throws {InputError} for a node that the host does not have, or more than a node has
   */
  constructor(
    topology: CpuTopology,
    manager: VcpuAffinityManager,
    memoryPerNode: MemoryPerNode,
    options: NumaOptimizerOptions = {},
  ) {
    requireInstance('topology', topology, 'CpuTopology', CpuTopology)
    requireInstance('manager', manager, 'VcpuAffinityManager', VcpuAffinityManager)
    requireObject('options', options)
    requirePlatform(options.platform)
    requirePath('root', options.root)
    const { platform = currentPlatform, root = '/' } = options
    const isLinux = platform.name === 'linux'
    this.#topology = topology
    this.#manager = manager
    this.#platform = platform
    this.#reader = directoryReader(root)
    this.#pageSize = topology.host.nodes[0]!.pages[0]!.size
    this.#budgets = new NodeBudgets(budgetsOf(topology.host, memoryPerNode))
    this.#memory = new NodeMemory(this.#budgets, this.#pageSize, isLinux ? makeBoundBlock : makeOrdinaryBlock)
    this.#stats = new StatsKeeper(topology, this.#reader, isLinux && root === '/' ? openCacheCounters : null)
    this.#recorded = new RecordedAccesses(topology, manager)
    this.#nodes = topology.host.nodes.map(({ id }) => id)
  }

  /** How the node of new memory is chosen; `Adaptive` at first. */
  get allocationStrategy(): AllocationStrategy {
    return this.#strategy
  }

  /**
   * Chooses the nodes of what is allocated, and rebalanced, from now on.
   * @throws {InputError} for another name; it lists the four
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * optimizer.setAllocationStrategy('LoadBalanced')
   * optimizer.allocationStrategy // => 'LoadBalanced'
   * ```
   */
  setAllocationStrategy(strategy: AllocationStrategy): void {
    this.#strategy = requireStrategy(strategy)
  }

  /**
   * Memory on the node that the strategy chooses: mapped, bound (MPOL_BIND), every page faulted in by threads on that node,
   * and read back. Where it cannot be bound it is ordinary memory, and `enforced` is `false`.
   * @param size bytes, rounded up to whole pages
   * @param preferredNode the node of who will use it; without it `LocalFirst` goes by the calling thread, and `Adaptive` by the
   *   configured vCPUs, or the calling thread where there are none
   * @throws {InputError} for a size that is no whole number of bytes from 1, or a node that the host does not have
   * @throws {UnsupportedError} where no node has room, with what each has left
   * @throws {SyscallError} where the kernel refuses, as mbind in some containers
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const { enforced, bytes, residentBytes, node } = await optimizer.allocateMemory(1_000_000)
   * enforced // => true
   * residentBytes?.[node] // => bytes
   * ```
   */
  async allocateMemory(size: number, preferredNode?: NodeId): Promise<Allocation> {
    const [allocation] = await this.#allocate('allocateMemory', [size], preferredNode, this.#strategy)
    return allocation!
  }

  /**
   * Memory on the node of the calling thread, or where that has no room the nearest to it, whatever the strategy is.
   * @throws as `allocateMemory`
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const { basis, why } = await optimizer.allocateMemoryNumaAware(4096)
   * basis // => 'distance'
   * console.log(why)
   * ```
   */
  async allocateMemoryNumaAware(size: number): Promise<Allocation> {
    const [allocation] = await this.#allocate('allocateMemoryNumaAware', [size], this.currentNode(), 'LocalFirst')
    return allocation!
  }

  /**
   * Memory of several sizes: all of it, or none.
   * @returns in the order of the sizes
   * @throws as `allocateMemory`; nothing stays allocated
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const batch = await optimizer.allocateBatch([4096, 8192, 1024 ** 2])
   * batch.map(({ bytes }) => bytes) // => [4096, 8192, 1048576]
   * await optimizer.allocateBatch([4096, 2 ** 40]) // throws UnsupportedError: ...
   * ```
   */
  async allocateBatch(sizes: readonly number[], preferredNode?: NodeId): Promise<readonly Allocation[]> {
    if (!Array.isArray(sizes)) throw new InputError('sizes', 'an array of sizes in bytes', show(sizes))
    return this.#allocate('allocateBatch', sizes, preferredNode, this.#strategy)
  }

  async #allocate(
    call: string,
    sizes: readonly number[],
    preferredNode: NodeId | undefined,
    strategy: AllocationStrategy,
  ): Promise<readonly Allocation[]> {
    if (preferredNode !== undefined) requireNode(this.#nodes, preferredNode, 'preferredNode')
    const near = preferredNode ?? (strategy === 'LocalFirst' ? (this.currentNode() ?? null) : null)
    const refusal = unenforced(this.#platform, `NumaOptimizer.${call}`)
    const blocks = await this.#memory.take(sizes, near, strategy, await this.#survey())
    const allocations: Allocation[] = []
    try {
      await forEach(blocks, async (held, i) => {
        allocations[i] = await allocationOf(held, refusal)
      })
      return allocations
    } catch (error) {
      // Nobody else knows the addresses.
      await forEach(blocks, ({ address }) => this.#memory.free(address))
      throw error
    }
  }

  /**
   * Gives memory back. Views of it show zeros from then on.
   * @throws {InputError} for an address that nothing is allocated at
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const { address } = await optimizer.allocateMemory(4096)
   * await optimizer.freeMemory(address)
   * await optimizer.freeMemory(address) // throws InputError: ...
   * ```
   */
  async freeMemory(address: number): Promise<void> {
    await this.#memory.free(address)
  }

  /**
   * The memory itself, not a copy. It can be kept: after `freeMemory` or `close` the view shows zeros and what is written to it
   * is lost (its addresses are unmapped when no view is left), but nothing crashes.
   * @param offset bytes from the address; `length` as many, by default all that follow
   * @throws {InputError} for an address that nothing is allocated at
   * @throws {RangeError} beyond what is allocated there
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const { address } = await optimizer.allocateMemory(8192)
   * optimizer.memoryOf(address).set([1, 2, 3], 4096)
   * Array.from(optimizer.memoryOf(address, 4096, 4)) // => [1, 2, 3, 0]
   * ```
   */
  memoryOf(address: number, offset = 0, length?: number): Uint8Array {
    const { block } = this.#memory.at(address)
    return block.view(offset, length ?? block.bytes - offset)
  }

  /**
   * Where the pages are now, as the kernel says.
   * @returns bytes by node; `null` where nobody says
   * @throws {InputError} for an address that nothing is allocated at
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const { address, node } = await optimizer.allocateMemory(8192)
   * const found = await optimizer.residentBytes(address)
   * found?.[node] // => 8192
   * ```
   */
  async residentBytes(address: number): Promise<Readonly<Record<string, number>> | null> {
    return this.#memory.at(address).block.residentBytes()
  }

  /**
   * The node of the CPU that the calling thread is on; `undefined` where that is not known. An unpinned thread may be
   * elsewhere a moment later. Source: field 39 of /proc/thread-self/stat
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * console.log(`this thread is on node ${optimizer.currentNode()}`)
   * ```
   */
  currentNode(): NodeId | undefined {
    const stat = this.#reader.readFile('proc/thread-self/stat') ?? ''
    // Counted from the third field: the second one, a name in parentheses, may hold spaces.
    const cpu = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[39 - 3]
    return cpu === undefined ? undefined : this.#topology.cpuToNode.get(Number(cpu))
  }

  /**
   * Reads what the kernel and the CPUs have counted. Rates are between the last two updates: after the first they are `null`.
   * @returns as `allNodeStats()`
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * await optimizer.updateStats()
   * await new Promise((resolve) => setTimeout(resolve, 100))
   * for (const [node, { cpuUsage, numa }] of await optimizer.updateStats()) {
   *   console.log(`node ${node}: CPUs ${cpuUsage} busy, ${numa?.numa_hit} pages/s`)
   * }
   * ```
   */
  async updateStats(): Promise<ReadonlyMap<NodeId, NodeStats>> {
    this.#memory.requireOpen()
    await this.#stats.update()
    return this.allNodeStats()
  }

  /**
   * What was found on a node with the last `updateStats()`.
   * @throws {InputError} for a node that the host does not have
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * await optimizer.updateStats()
   * const { memory, budget, cpuUsage } = optimizer.nodeStats(manager.getTopology().host.nodes[0]!.id)
   * console.log(`${memory.free} of ${memory.total} bytes are free`)
   * budget.used // => 0
   * cpuUsage // => null
   * ```
   */
  nodeStats(node: NodeId): NodeStats {
    return {
      node: requireNode(this.#nodes, node),
      ...this.#stats.of(node),
      budget: { bytes: this.#budgets.bytes(node), used: this.#budgets.used(node) },
      recorded: this.#recorded.of(node),
    }
  }

  /**
   * `nodeStats` of each node, ascending.
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * optimizer.allNodeStats().size // => manager.getTopology().numaNodes
   * ```
   */
  allNodeStats(): ReadonlyMap<NodeId, NodeStats> {
    return new Map(this.#nodes.map((node) => [node, this.nodeStats(node)]))
  }

  /**
   * Of the pages that a node gave out between the last two updates, or that all of them did, the share that went to threads
   * on the node's own CPUs, 0 to 1. The kernel counts pages, not accesses (numastat: local_node, other_node).
   * @returns `null` where nothing was given out, and before the second `updateStats()`
   * @throws {InputError} for a node that the host does not have
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * optimizer.localAccessRate() // => null
   * ```
   */
  localAccessRate(node?: NodeId): number | null {
    if (node !== undefined) return this.nodeStats(node).localAccessRate
    const rates = [...this.allNodeStats().values()].map(({ numa }) => numa)
    const sum = (name: 'local_node' | 'other_node') => rates.reduce((total, each) => total + (each?.[name] ?? 0), 0)
    return shareOf(sum('local_node'), sum('other_node'))
  }

  /**
   * Counts accesses that the caller knows of. They are in `nodeStats(node).recorded`, apart from the kernel's figures.
   * @param from who accessed memory
   * @param node where the memory is
   * @param count how many times
   * @throws {InputError} for a CPU, vCPU or node that is not known, or a count that is no whole number from 0
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const { id } = manager.getTopology().host.nodes[0]!
   * optimizer.recordMemoryAccess({ node: id }, id, 3)
   * optimizer.nodeStats(id).recorded // => { local: 3, remote: 0, localRate: 1 }
   * ```
   */
  recordMemoryAccess(from: Accessor, node: NodeId, count = 1): void {
    this.#recorded.record(from, node, count)
  }

  /**
   * Places vCPUs through the planner, near the memory that is allocated, and configures the manager so. With nothing allocated
   * it is the manager's own `configureVcpuAffinity(n)`.
   * @throws as `VcpuAffinityManager.configureVcpuAffinity`
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const { node } = await optimizer.allocateMemory(1024 ** 2)
   * const { nodes, plan } = await optimizer.optimizeVcpuPlacement(1)
   * nodes.get(0) // => node
   * plan.cost.lostVcpus // => 0
   * ```
   */
  async optimizeVcpuPlacement(n: number): Promise<VcpuPlacement> {
    this.#memory.requireOpen()
    const options = nearMemory(this.#topology.host, this.#usedByNode())
    const { plan, vcpus } = await this.#manager.configureVcpuAffinity(n, options)
    return { nodes: new Map(vcpus.map(({ vcpuId, numaNode }) => [vcpuId, numaNode])), plan }
  }

  /**
   * Moves pages: those back that are not on the node that they are bound to, then the allocations that the strategy would
   * now put elsewhere (`LocalFirst`: nearer to the preferred node; `LoadBalanced`: to nodes of whose budget less is in use;
   * `BandwidthOptimized`: to more spare bandwidth; `Adaptive`: where it costs the configured vCPUs less). Addresses stay.
   * @throws {SyscallError} where the kernel does not say where pages are; what cannot be moved is in `failed`
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * await optimizer.allocateMemory(1024 ** 2)
   * const { enforced, movedPages } = await optimizer.rebalanceMemory()
   * enforced // => true
   * movedPages // => 0
   * ```
   */
  async rebalanceMemory(): Promise<Rebalance> {
    this.#memory.requireOpen()
    const refusal = unenforced(this.#platform, 'NumaOptimizer.rebalanceMemory')
    if (refusal !== null) return { ...refusal, movedBytes: 0, movedPages: 0, moves: [], failed: [] }
    const { moves, failed } = await this.#memory.rebalance(this.#strategy, await this.#survey())
    const movedBytes = moves.reduce((sum, { bytes }) => sum + bytes, 0)
    const effect: Effect =
      failed.length === 0 ? ENFORCED : { enforced: false, reason: failed.map(({ reason }) => reason).join('; ') }
    return { ...effect, movedBytes, movedPages: movedBytes / this.#pageSize, moves, failed }
  }

  /**
   * What could be better, each with the figure behind it, after reading back where the pages are. What needs rates takes two
   * `updateStats()` before.
   * @throws {SyscallError} where the kernel does not say where pages are
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * for (const { what, figure, how } of await optimizer.optimizationSuggestions()) {
   *   console.log(`${what} (${figure.value} ${figure.unit}): ${how}`)
   * }
   * ```
   */
  async optimizationSuggestions(): Promise<readonly Suggestion[]> {
    const blocks = await this.#memory.residency()
    return suggest({
      nodes: [...this.allNodeStats().values()],
      strays: straysByNode(blocks),
      far: farByNode(blocks),
      placement: await this.#placementCosts(),
    })
  }

  /**
   * Strategy, statistics, allocations and suggestions as text, with where each figure comes from.
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const report = await optimizer.diagnosticReport()
   * report.startsWith('NUMA optimizer\nstrategy: Adaptive') // => true
   * ```
   */
  async diagnosticReport(): Promise<string> {
    const suggestions = await this.optimizationSuggestions()
    return showReport({
      strategy: this.#strategy,
      nodes: [...this.allNodeStats().values()],
      blocks: await this.#memory.residency(),
      whyNoCacheMisses: this.#stats.whyNoCacheMisses,
      isEnforced: this.#platform.name === 'linux',
      suggestions,
    })
  }

  async #placementCosts(): Promise<{ now: number; best: number } | null> {
    const users = this.#vcpuNodes()
    const memory = this.#usedByNode()
    if (users.length === 0 || memory.size === 0) return null
    const { host } = this.#topology
    const now = remoteMemoryCost(host, users, memory)
    if (now === 0) return { now: 0, best: 0 }
    const plan = await planNear(host, users.length, memory)
    return plan === null ? null : { now: now / 1e6, best: plan.cost.terms.remoteMemory }
  }

  /** The node of each configured vCPU. */
  #vcpuNodes(): NodeId[] {
    return this.#manager.vcpuIds().map((id) => this.#manager.getVcpuConfig(id)!.numaNode)
  }

  /** Bytes that are given out, of the nodes that have any. */
  #usedByNode(): Map<NodeId, number> {
    const used = this.#budgets.nodes.map((node): [NodeId, number] => [node, this.#budgets.used(node)])
    return new Map(used.filter(([, bytes]) => bytes > 0))
  }

  async #survey(): Promise<Survey> {
    const isLinux = this.#platform.name === 'linux'
    return surveyOf({
      host: this.#topology.host,
      pageSize: this.#pageSize,
      freeOn: isLinux ? (await loadExecutor()).MemoryBlock.freeOn : () => null,
      trafficOf: (node) => this.#stats.of(node).bandwidth?.localBytesPerSecond ?? null,
      vcpuNodes: this.#vcpuNodes(),
      here: this.currentNode(),
    })
  }

  /**
   * A guest that `startBalancing()` keeps balanced from its next round on, from when it runs until it ends. Again: with other blocks.
   * @param uses `blocks`: addresses of memory of this optimizer that the guest's vCPUs use. It goes to another node with the guest's own
   *   memory; blocks of nobody stay where they are
   * @throws {InputError} for what is no AccelKvm, an address that nothing is allocated at, or a block of another guest
   * @example
   * ```ts
   * import { AccelKvm, NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * await using guest = new AccelKvm({ name: 'web' })
   * const { address } = await optimizer.allocateMemory(1024 ** 2)
   * optimizer.addGuest(guest, { blocks: [address] })
   * optimizer.guests().length // => 1
   * optimizer.addGuest(guest, { blocks: [1] }) // throws InputError: address: expected ...
   * ```
   */
  addGuest(guest: AccelKvm, uses: { readonly blocks?: readonly number[] } = {}): void {
    this.#memory.requireOpen()
    requireInstance('guest', guest, 'AccelKvm', AccelKvm)
    requireObject('uses', uses)
    const { blocks = [] } = uses
    requireList('uses.blocks', blocks)
    for (const address of blocks) this.#memory.at(address)
    const before = this.#guests.get(guest)
    const others = this.#ownGuests().filter((other) => other !== before)
    const taken = blocks.find((address) => others.some((other) => other.blocks.includes(address)))
    if (taken !== undefined) throw new InputError('uses.blocks', 'blocks that no other guest uses', hex(taken))
    const key = before?.key ?? `${++this.#guestsSoFar}`
    this.#guests.set(guest, new BalancedGuest(key, guest, [...blocks]))
  }

  /**
   * Leaves a guest where it is from the next round on; one that was not added: nothing. A guest that has ended is left anyway.
   * @example
   * ```ts
   * import { AccelKvm, NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * await using guest = new AccelKvm()
   * optimizer.addGuest(guest)
   * optimizer.removeGuest(guest)
   * optimizer.guests() // => []
   * ```
   */
  removeGuest(guest: AccelKvm): void {
    this.#guests.delete(guest)
  }

  /** Guests that were added and have not ended, in the order of `addGuest()`, which has an example. */
  guests(): readonly AccelKvm[] {
    return this.#ownGuests().map(({ accel }) => accel)
  }

  #ownGuests(): readonly BalancedGuest[] {
    for (const [accel, { isOver }] of this.#guests) if (isOver) this.#guests.delete(accel)
    return [...this.#guests.values()]
  }

  /**
   * Keeps the guests of `addGuest()` well placed, round by round, with the engine of `homenode balance`: vCPUs get other CPUs, and memory and
   * blocks go to other nodes, where that has paid for long enough; what made guests suffer is taken back. It looks at what their
   * threads ran and waited for since the round before (schedstat). Memory goes only to nodes that the guest's `enableNuma()` named, and with
   * blocks only where their budget has room. Nothing of it keeps the process from ending. The first round is an interval from now.
   * @returns `enforced: false` where there is no Linux; nothing is started then
   * @throws {InputError} for options that are none, with the option
   * @throws {UnsupportedError} where it has been started already
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const effect = optimizer.startBalancing({
   *   interval: 5,
   *   settings: { patience: 2 },
   *   onRound: ({ round, action }) => console.log(round?.decision, round?.why, action?.result),
   * })
   * effect.enforced // => true
   * optimizer.startBalancing() // throws UnsupportedError: ...
   * await optimizer.stopBalancing()
   * ```
   */
  startBalancing(options: BalancingOptions = {}): Effect {
    this.#memory.requireOpen()
    requireBalancingOptions(options)
    const off = unenforced(this.#platform, 'NumaOptimizer.startBalancing')
    if (off !== null) return off
    if (this.#balancing !== null) {
      throw new UnsupportedError('startBalancing', 'it has been started already: call stopBalancing() before')
    }
    const balanced = { guests: () => this.#ownGuests(), memory: this.#memory, pageSize: this.#pageSize }
    this.#balancing = new Balancing(balanced, options)
    return ENFORCED
  }

  /**
   * Ends `startBalancing()`, which has an example: resolves when what is being moved has come to its end, and the promise of `onRound`, unless
   * it is called there. Everything stays where it is. Where nothing was started: nothing.
   * @throws what `onRound` has thrown, or rejected with
   */
  async stopBalancing(): Promise<void> {
    const balancing = this.#balancing
    try {
      await balancing?.stop()
    } finally {
      // Somebody else may have started it anew meanwhile.
      if (this.#balancing === balancing) this.#balancing = null
    }
  }

  /**
   * Ends balancing, gives back all memory, once what was begun is done, and closes the counters; again: nothing.
   * @example
   * ```ts
   * import { NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await using optimizer = new NumaOptimizer(manager.getTopology(), manager, 16 * 1024 ** 2)
   * const { address } = await optimizer.allocateMemory(4096)
   * await optimizer.close()
   * optimizer.memoryOf(address) // throws TypeError: the NumaOptimizer is closed
   * ```
   */
  async close(): Promise<void> {
    const balanced = this.stopBalancing()
    await Promise.all([this.#memory.close(balanced), this.#stats.close()])
    await balanced
  }

  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
