/** What is configured for a vCPU: CPUs, node, priority, whether it shares its core. */

import { formatCpulist } from '../../../src/cpulist.js'
import { InputError, show } from '../../../src/errors.js'
import type { CpuId, NodeId } from '../../../src/types.js'
import { requireCpus, requireNode, requireNodeCpus } from '../checks.js'
import type { CpuTopology } from '../cpu-topology.js'

/**
 * A set of CPUs, by the numbers of the kernel.
 * @example
 * ```ts
 * import { AffinityMask } from 'homenode/accel'
 *
 * const mask = new AffinityMask([3, 2, 0])
 * mask.cpus() // => [0, 2, 3]
 * mask.contains(1) // => false
 * String(mask) // => '0,2-3'
 * ```
 */
export class AffinityMask {
  readonly #cpus: readonly CpuId[]

  /** A set of these, in whatever order they are named, and however often. */
  constructor(cpus: Iterable<CpuId>) {
    if (typeof Object(cpus)[Symbol.iterator] !== 'function') throw new InputError('cpus', 'numbers of CPUs', show(cpus))
    for (const cpu of cpus) if (!Number.isInteger(cpu)) throw new InputError('cpus', 'numbers of CPUs', show(cpu))
    this.#cpus = [...new Set(cpus)].sort((a, b) => a - b)
  }

  /** Ascending. */
  cpus(): readonly CpuId[] {
    return this.#cpus
  }

  /** Whether a CPU is one of them. */
  contains(cpu: CpuId): boolean {
    return this.#cpus.includes(cpu)
  }

  /** As a cpulist: `0-3,8`. */
  toString(): string {
    return formatCpulist(this.#cpus)
  }
}

/** What is configured for one vCPU. */
export interface VcpuConfig {
  /** Its number. */
  readonly vcpuId: number
  /** The CPUs that it may use. */
  readonly affinity: AffinityMask
  /** The node that its CPUs are on; of its lowest one where they are on several. */
  readonly numaNode: NodeId
  /** As `AccelKvm.setVcpuPriority()` takes it, which `applyTo()` calls: -19 (least) to 20 (most). */
  readonly priority: number
  /** Whether other vCPUs may be on SMT siblings of its CPUs. `false`: its cores are its own. */
  readonly enableHt: boolean
}

/** What `setVcpuConfig()` changes: what is left out stays. */
export interface VcpuConfigChange {
  /** CPUs that are online and allowed. Alone it decides the node, too. */
  readonly affinity?: AffinityMask | readonly CpuId[]
  /** Alone it gives the vCPU all CPUs of the node, unless it has only such. */
  readonly numaNode?: NodeId
  /** As in `VcpuConfig`. */
  readonly priority?: number
  /** As in `VcpuConfig`. */
  readonly enableHt?: boolean
}

/** Nice values go from -20 to 19, and more is less: a priority is the other way round. */
const PRIORITIES = { least: -19, most: 20 } as const

/** @throws {InputError} */
function requirePriority(priority: number): number {
  const { least, most } = PRIORITIES
  if (Number.isInteger(priority) && priority >= least && priority <= most) return priority
  throw new InputError('priority', `a whole number from ${least} to ${most}`, show(priority))
}

/** Source: setpriority(2) */
const [LEAST_NICE, MOST_NICE] = [-20, 19]

/**
 * The nice value of a priority.
 * @param own nice value of the thread that the priority is counted from
 * @throws {InputError} where there is no such nice value
 */
export function niceFor(priority: number, own: number): number {
  const nice = own - requirePriority(priority)
  if (nice >= LEAST_NICE && nice <= MOST_NICE) return nice
  const range = `${own - MOST_NICE} to ${own - LEAST_NICE} beside this thread's nice value ${own}`
  throw new InputError('priority', range, show(priority))
}

/**
 * A vCPU's configuration with a change made to it.
 * @param before `null`: it has none yet
 * @throws {InputError}
 */
export function changed(
  topology: CpuTopology,
  vcpuId: number,
  before: VcpuConfig | null,
  change: VcpuConfigChange,
): VcpuConfig {
  const { priority = before?.priority ?? 0, enableHt = before?.enableHt ?? true } = change
  if (typeof enableHt !== 'boolean') throw new InputError('enableHt', 'true or false', show(enableHt))
  return { vcpuId, ...seatOf(topology, before, change), priority: requirePriority(priority), enableHt }
}

function seatOf(topology: CpuTopology, before: VcpuConfig | null, change: VcpuConfigChange) {
  const { affinity, numaNode } = change
  const nodesOf = (cpus: readonly CpuId[]) => [...new Set(cpus.flatMap((cpu) => topology.cpuToNode.get(cpu) ?? []))]
  if (numaNode !== undefined) requireNode([...topology.cpusPerNode.keys()], numaNode, 'numaNode')
  if (affinity !== undefined) {
    const given = affinity instanceof AffinityMask ? affinity.cpus() : affinity
    const cpus = requireCpus(topology, given, 'affinity')
    const nodes = nodesOf(cpus)
    if (numaNode !== undefined && !nodes.includes(numaNode)) {
      const there = formatCpulist(topology.getNodeCpus(numaNode))
      throw new InputError('affinity', `CPUs of node ${numaNode} (${there})`, formatCpulist(cpus))
    }
    return { affinity: new AffinityMask(cpus), numaNode: numaNode ?? nodes[0] ?? 0 }
  }
  if (numaNode === undefined) {
    if (before !== null) return before
    throw new InputError('affinity', 'CPUs or a node, for a vCPU that has none yet', 'neither')
  }
  if (before !== null && nodesOf(before.affinity.cpus()).join() === `${numaNode}`) return { ...before, numaNode }
  return { affinity: new AffinityMask(requireNodeCpus(topology, numaNode, 'numaNode')), numaNode }
}

/**
 * That nobody is on a core of a vCPU that does not share them.
 * @throws {InputError}
 */
export function requireOwnCores({ host }: CpuTopology, configs: readonly VcpuConfig[]): void {
  const coreOf = new Map(host.cpus.map(({ id, core }) => [id, core]))
  const coresOf = ({ affinity }: VcpuConfig) => new Set(affinity.cpus().map((cpu) => coreOf.get(cpu)))
  for (const config of configs.filter(({ enableHt }) => !enableHt)) {
    const cores = coresOf(config)
    const other = configs.find((each) => each !== config && [...coresOf(each)].some((core) => cores.has(core)))
    if (other === undefined) continue
    throw new InputError(
      'enableHt',
      `for vCPU ${config.vcpuId}, which has enableHt: false, cores that no other vCPU uses`,
      `CPU ${config.affinity}, and CPU ${other.affinity} for vCPU ${other.vcpuId}`,
    )
  }
}
