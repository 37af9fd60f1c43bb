/** Which vCPU is to be where: planned, changed by hand, planned anew, and applied to a guest. */

import { requireHost, requireInstance, requireObject, requirePath } from '../../../src/checks.js'
import { formatCpulist, parseCpulist } from '../../../src/cpulist.js'
import { InputError, show } from '../../../src/errors.js'
import type { CpuId, CurrentPlacement, VerifiedPlan } from '../../../src/types.js'
import { CpuTopology, type TopologyStats } from '../cpu-topology.js'
import { AccelKvm } from '../guest/accel-kvm.js'
import { changed, requireOwnCores, type VcpuConfig, type VcpuConfigChange } from '../guest/vcpu-config.js'
import {
  currentPlatform,
  type Effect,
  ENFORCED,
  type Platform,
  type PlatformOptions,
  requirePlatform,
  unenforced,
} from '../platform.js'
import { showConfiguration } from './vcpu-report.js'
import { type ConfigureOptions, placeVcpus, plannedVm } from './vcpu-request.js'

/** How a manager is made. */
export interface VcpuAffinityManagerOptions extends PlatformOptions {
  /** Directory that holds `sys` and `proc`; default `/`. */
  readonly root?: string
}

/** What `configureVcpuAffinity()` has decided. */
export interface VcpuConfiguration {
  /** With its price, its lower bound and its cells; it places one VM. */
  readonly plan: VerifiedPlan
  /** In the order of their numbers. */
  readonly vcpus: readonly VcpuConfig[]
}

/** What `rebalanceVcpus()` has changed. */
export interface VcpuRebalance {
  /** How many vCPUs have other CPUs than before. */
  readonly moved: number
  /** Each of them. */
  readonly moves: readonly { readonly vcpuId: number; readonly from: readonly CpuId[]; readonly to: readonly CpuId[] }[]
  /** With its price, and the steps from the old places to the new ones. */
  readonly plan: VerifiedPlan
}

/**
 * Where the vCPUs of one guest are to be. It decides and remembers; `applyTo()` has the kernel do it.
 *
 * The topology is read when it is first needed, at once (5 ms with 2 CPUs), so that making a manager costs nothing and
 * works on every system.
 * @example
 * ```ts
 * import { AccelKvm, VcpuAffinityManager } from 'homenode/accel'
 *
 * const manager = new VcpuAffinityManager()
 * await manager.configureVcpuAffinity(1)
 * const cpus = manager.getVcpuConfig(0)?.affinity.cpus()
 *
 * await using accel = new AccelKvm()
 * await accel.init()
 * await accel.createVcpu(0)
 * manager.applyTo(accel)
 * accel.getVcpuAffinity(0) // => cpus
 * manager.vcpuIds() // => [0]
 * ```
 */
export class VcpuAffinityManager {
  readonly #platform: Platform
  readonly #root: string
  #given: CpuTopology | null = null
  #topology: CpuTopology | null = null
  readonly #configs = new Map<number, VcpuConfig>()
  #plan: VerifiedPlan | null = null
  #options: ConfigureOptions = {}

  /** Nothing is read yet, and nothing configured. */
  constructor(options: VcpuAffinityManagerOptions = {}) {
    requireObject('options', options)
    requirePlatform(options.platform)
    requirePath('root', options.root)
    this.#platform = options.platform ?? currentPlatform
    this.#root = options.root ?? '/'
  }

  /**
   * A manager for a topology that is there already, or is described; it is never read anew.
   * @example
   * ```ts
   * import { syntheticHost } from 'homenode'
   * import { CpuTopology, VcpuAffinityManager } from 'homenode/accel'
   *
   * const topology = CpuTopology.of(syntheticHost('pack:2 [numa(memory=64GB)] l3:1 core:4 pu:2'))
   * const manager = VcpuAffinityManager.withTopology(topology)
   * await manager.configureVcpuAffinity(4, { enableHt: false })
   * manager.vcpuIds().map((id) => manager.getVcpuConfig(id)?.affinity.cpus()) // => [[0], [2], [4], [6]]
   * ```
   */
  static withTopology(topology: CpuTopology, options: PlatformOptions = {}): VcpuAffinityManager {
    requireInstance('topology', topology, 'CpuTopology', CpuTopology)
    const manager = new VcpuAffinityManager(options)
    manager.#given = topology
    return manager
  }

  /**
   * The topology that the vCPUs are placed on.
   * @throws {InputError} where there is no Linux system to ask: `withTopology()` takes a described one
   * @example
   * ```ts
   * import { VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * manager.topologyStats().totalCpus // => manager.getTopology().totalCpus
   * ```
   */
  getTopology(): CpuTopology {
    this.#topology ??= this.#given ?? CpuTopology.detectSync({ root: this.#root })
    return this.#topology
  }

  /** How many CPUs, cores, caches and nodes there are, and how much memory. @throws {InputError} as `getTopology()`, which has an example */
  topologyStats(): TopologyStats {
    return this.getTopology().stats()
  }

  /**
   * Places vCPUs 0 to n - 1 with the planner, and has the verifier check the plan: it replaces what was configured before.
   * @param n how many
   * @param options what is wanted of them; `enableHt: false` gives each a core of its own
   * @throws {InputError} for options that are not valid
   * @throws {UnsupportedError} where they do not fit, with what clashes and what would help; what was configured stays
   * @example
   * ```ts
   * import { VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * const { plan, vcpus } = await manager.configureVcpuAffinity(1, { memory: '16MiB' })
   * plan.cost.lostVcpus // => 0
   * vcpus[0].numaNode // => plan.vms[0].vcpus[0].node
   * ```
   */
  async configureVcpuAffinity(n: number, options: ConfigureOptions = {}): Promise<VcpuConfiguration> {
    requireObject('options', options)
    if (options.host !== undefined) requireHost(options.host)
    if (!Number.isInteger(n) || n < 1) throw new InputError('n', 'a number of vCPUs, from 1', show(n))
    const topology = this.getTopology()
    const plan = await placeVcpus(options.host ?? topology.host, n, options)
    const { priority = 0, enableHt = true } = options
    const vcpus = plannedVm(plan).vcpus.map(({ vcpu, cpus, node }) =>
      changed(topology, vcpu, null, { affinity: parseCpulist(cpus), numaNode: node, priority, enableHt }),
    )
    requireOwnCores(topology, vcpus)
    this.#configs.clear()
    for (const config of vcpus) this.#configs.set(config.vcpuId, config)
    this.#plan = plan
    this.#options = options
    return { plan, vcpus }
  }

  /** Numbers of the vCPUs that are configured, ascending. The example of the class shows it. */
  vcpuIds(): readonly number[] {
    return [...this.#configs.keys()].sort((a, b) => a - b)
  }

  /** What is configured for a vCPU; `undefined`: nothing. The example of the class shows it. */
  getVcpuConfig(id: number): VcpuConfig | undefined {
    return this.#configs.get(id)
  }

  #all(): VcpuConfig[] {
    return this.vcpuIds().map((id) => this.#configs.get(id)!)
  }

  /**
   * Changes what is configured for a vCPU, or configures one more.
   * @returns what is configured now
   * @throws {InputError} for CPUs that are not online or not allowed, a node that there is not, CPUs that are not on the node, a
   *   priority out of range, and `enableHt: false` where another vCPU is on the same core; nothing has changed then
   * @example
   * ```ts
   * import { VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * const [cpu] = manager.getTopology().cpuToNode.keys()
   * const { affinity, priority } = manager.setVcpuConfig(0, { affinity: [cpu], priority: -5 })
   * affinity.contains(cpu) // => true
   * priority // => -5
   * ```
   */
  setVcpuConfig(id: number, change: VcpuConfigChange): VcpuConfig {
    requireObject('change', change)
    if (!Number.isInteger(id) || id < 0) throw new InputError('id', 'a number of a vCPU, from 0', show(id))
    const topology = this.getTopology()
    const config = changed(topology, id, this.#configs.get(id) ?? null, change)
    requireOwnCores(topology, [...this.#all().filter(({ vcpuId }) => vcpuId !== id), config])
    this.#configs.set(id, config)
    return config
  }

  /**
   * Plans the vCPUs anew from where they are, on the host as it is now: after changes by hand, or when CPUs have come or gone.
   * A vCPU is moved only where that is worth more than the move. Priorities stay; where one of them has its cores for itself,
   * all get that.
   * @throws {InputError} where nothing is configured, or their numbers are not 0, 1, 2, ...
   * @throws {UnsupportedError} where they do not fit any more; what was configured stays
   * @example
   * ```ts
   * import { syntheticHost } from 'homenode'
   * import { CpuTopology, VcpuAffinityManager } from 'homenode/accel'
   *
   * const topology = CpuTopology.of(syntheticHost('pack:2 [numa(memory=64GB)] l3:1 core:4 pu:1'))
   * const manager = VcpuAffinityManager.withTopology(topology)
   * await manager.configureVcpuAffinity(2)
   * manager.setVcpuConfig(1, { affinity: [7] }) // the other node
   * const { moves } = await manager.rebalanceVcpus()
   * moves // => [{ vcpuId: 1, from: [7], to: [1] }]
   * ```
   */
  async rebalanceVcpus(): Promise<VcpuRebalance> {
    const before = this.#all()
    if (before.length === 0) throw new InputError('vcpus', 'a call of configureVcpuAffinity() before', 'none')
    if (before.some(({ vcpuId }, at) => vcpuId !== at)) {
      throw new InputError('vcpus', `vCPUs 0 to ${before.length - 1}`, formatCpulist(this.vcpuIds()))
    }
    this.#topology = null
    const topology = this.getTopology()
    const host = this.#options.host ?? topology.host
    const options = { ...this.#options, enableHt: before.every(({ enableHt }) => enableHt) }
    const plan = await placeVcpus(host, before.length, options, this.#current(before))
    const after = plannedVm(plan).vcpus.map(({ vcpu, cpus, node }) =>
      changed(topology, vcpu, before[vcpu]!, { affinity: parseCpulist(cpus), numaNode: node }),
    )
    requireOwnCores(topology, after)
    for (const config of after) this.#configs.set(config.vcpuId, config)
    this.#plan = plan
    const moves = after.flatMap(({ vcpuId, affinity }) => {
      const from = before[vcpuId]!.affinity
      return `${from}` === `${affinity}` ? [] : [{ vcpuId, from: from.cpus(), to: affinity.cpus() }]
    })
    return { moved: moves.length, moves, plan }
  }

  /** Where the vCPUs are, as a request says it: in the cells of the last plan, or in one where there is none for them. */
  #current(configs: readonly VcpuConfig[]): CurrentPlacement {
    const last = this.#plan === null ? null : plannedVm(this.#plan)
    const planned = last?.vcpus.length === configs.length ? last : null
    const pageSize = this.getTopology().host.nodes[0]?.pages[0]?.size ?? 4096
    const memory = [{ node: configs[0]!.numaNode, bytes: configs.length * pageSize }]
    return {
      cells: planned?.cells ?? [{ cell: 0, pageSize, memory }],
      vcpus: configs.map(({ vcpuId, affinity, numaNode }) => ({
        vcpu: vcpuId,
        cell: planned?.vcpus[vcpuId]?.cell ?? 0,
        node: numaNode,
        cpus: `${affinity}`,
        dedicated: affinity.cpus().length === 1,
      })),
    }
  }

  /**
   * What is configured, for people: the host, each vCPU with its CPUs, node and who shares its core, and what it costs.
   * @throws {InputError} as `getTopology()`
   * @example
   * ```ts
   * import { VcpuAffinityManager } from 'homenode/accel'
   *
   * const manager = new VcpuAffinityManager()
   * await manager.configureVcpuAffinity(1)
   * console.log(manager.diagnosticReport())
   * ```
   */
  diagnosticReport(): string {
    return showConfiguration(this.getTopology(), this.#all(), this.#plan)
  }

  /**
   * Gives the guest's vCPUs the CPUs and the priority that are configured, read back from the kernel, before it runs or while
   * it does; where the guest has `enableNuma()` for a vCPU's node, it is bound to it, too. vCPUs that are not configured stay
   * as they are.
   * @returns `enforced: false` where some vCPU has halted already; the others have what is configured
   * @throws {InputError} where a configured vCPU has not been created: nothing has changed then; and as `AccelKvm.setVcpuAffinity()`
   * @throws {VmError} where the kernel refuses
   * @example
   * ```ts
   * import { AccelKvm, VcpuAffinityManager } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * await accel.createVcpu(0)
   * const manager = VcpuAffinityManager.withTopology(accel.topology)
   * await manager.configureVcpuAffinity(1, { priority: -5 })
   * manager.applyTo(accel) // => { enforced: true }
   * ```
   */
  applyTo(accel: AccelKvm): Effect {
    const off = unenforced(this.#platform, 'VcpuAffinityManager.applyTo')
    if (off !== null) return off
    requireInstance('accel', accel, 'AccelKvm', AccelKvm)
    const there = accel.vcpuIds()
    const missing = this.vcpuIds().filter((id) => !there.includes(id))
    if (missing.length > 0) {
      const expected = `a guest with vCPU ${formatCpulist(this.vcpuIds())}: see createVcpu()`
      throw new InputError('accel', expected, there.length === 0 ? 'none' : `vCPU ${formatCpulist(there)}`)
    }
    const effects = this.#all().flatMap(({ vcpuId, affinity, numaNode, priority }) => {
      const pinned = accel.setVcpuAffinity(vcpuId, affinity.cpus())
      const isThere = affinity.cpus().every((cpu) => accel.topology.cpuToNode.get(cpu) === numaNode)
      if (isThere && accel.numaConfig().nodeIds.includes(numaNode)) accel.bindVcpuToNumaNode(vcpuId, numaNode)
      return [pinned, accel.setVcpuPriority(vcpuId, priority)]
    })
    return effects.find(({ enforced }) => !enforced) ?? ENFORCED
  }
}
