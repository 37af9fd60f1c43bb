/** A KVM guest by hand: the calls of the integration guide, each with effect in the kernel, and read back from there. */

import { getPriority } from 'node:os'
import { requireInstance, requireObject } from '../../../src/checks.js'
import { formatCpulist } from '../../../src/cpulist.js'
import type { CpuId, NodeId } from '../../../src/types.js'
import { requireCpus, requireMemoryNode, requireNodeCpus, requirePageSize } from '../checks.js'
import { CpuTopology } from '../cpu-topology.js'
import { chooseNodes, type NumaConfig, requireEnabled } from '../numa-config.js'
import { type Effect, ENFORCED } from '../platform.js'
import { AccelGuest, type AccelGuestOptions } from './accel-guest.js'
import { niceFor } from './vcpu-config.js'

/** How an `AccelKvm` is made. */
export interface AccelKvmOptions extends AccelGuestOptions {
  /** The host's CPUs and nodes; default: as the kernel shows them, looked at again before a CPU or a node is refused. */
  readonly topology?: CpuTopology
}

/** What `setupNumaMemory()` takes. */
export interface NumaMemoryRequest {
  /** One of the nodes that `enableNuma()` named. */
  readonly node: NodeId
  /** Bytes: a multiple of the page size. */
  readonly size: number
  /** Guest physical address: a multiple of the page size. */
  readonly gpa: number
  /** Host virtual address, a multiple of the page size: exactly there, or it is an error. Default: where the kernel puts it. */
  readonly hva?: number
  /** Bytes of a page; default: the base page. Larger ones have to be reserved on the node. */
  readonly pageSize?: number
}

/** What `setupNumaMemory()` has set up, or why not. */
export type NumaMemory =
  | (Required<NumaMemoryRequest> & { readonly enforced: true })
  | (Effect & { readonly enforced: false })

/** A part of the guest's memory, and where the kernel has its pages. */
export interface ResidentMemory extends Required<NumaMemoryRequest> {
  /** Bytes by the number of the node where they were found; pages that are nowhere are not counted. */
  readonly resident: Readonly<Record<NodeId, number>>
}

/**
 * A KVM guest made call by call: vCPUs with their threads, memory on its nodes, I/O handlers. It owns all of them until
 * `close()`, and the process does not end before; `await using` closes it, too.
 *
 * Only Linux has KVM: elsewhere every call that would have an effect returns `{ enforced: false, reason }` and does
 * nothing; macOS warns of it, once for each call.
 * @example
 * ```ts
 * import { AccelKvm } from 'homenode/accel'
 *
 * await using accel = new AccelKvm()
 * await accel.init()
 * await accel.createVcpu(0)
 * accel.enableNuma(1)
 * const [node] = accel.numaConfig().nodeIds
 * await accel.setupNumaMemory({ node, size: 2 ** 20, gpa: 0 })
 * accel.bindVcpuToNumaNode(0, node)
 * const { entry } = await accel.load(Uint8Array.of(0xb0, 0x2a, 0xe6, 0xf4), 0x1000) // mov $42, %al; out %al, $0xf4
 * accel.vcpu(0).startInLongMode(entry)
 * accel.exitPort()
 * await accel.run()
 * const { exitCode } = await accel.wait()
 * exitCode // => 42
 * ```
 */
export class AccelKvm extends AccelGuest {
  readonly #given: CpuTopology | undefined
  #found: CpuTopology | undefined
  /** The nodes of `enableNuma()`. */
  #nodes: readonly NodeId[] | null = null
  /** CPUs that each vCPU has when it is bound to no node: those of `setVcpuAffinity`, or those that it began with. */
  readonly #own = new Map<number, readonly CpuId[]>()
  /** The node that each vCPU is bound to. */
  readonly #bound = new Map<number, NodeId>()

  constructor(options: AccelKvmOptions = {}) {
    super(options)
    if (options.topology !== undefined) requireInstance('topology', options.topology, 'CpuTopology', CpuTopology)
    this.#given = options.topology
  }

  /**
   * The host's CPUs and nodes.
   * @throws {InputError} where there is no Linux to ask
   */
  get topology(): CpuTopology {
    this.#found ??= this.#given ?? CpuTopology.detectSync()
    return this.#found
  }

  /** What is refused by the topology that is known, or by the kernel, is tried again by what the kernel shows now. */
  #sure<Value>(attempt: (topology: CpuTopology) => Value): Value {
    try {
      return attempt(this.topology)
    } catch (error) {
      if (this.#given !== undefined) throw error
      this.#found = undefined
      return attempt(this.topology)
    }
  }

  /**
   * The CPUs that a vCPU's thread may use, from the kernel (`sched_getaffinity`), ascending; when it has ended, its last.
   * @throws {InputError} for a number that no vCPU has; it lists those that there are. `setVcpuAffinity()` has an example
   */
  getVcpuAffinity(id: number): readonly CpuId[] {
    return this.required('getVcpuAffinity').affinityOf(id)
  }

  /**
   * Lets a vCPU's thread use these CPUs and no others, at once, whether it runs or not; read back from the kernel. One that
   * `bindVcpuToNumaNode()` has bound stays bound only if all of them are on that node. A vCPU that has halted for good while
   * others go on has no thread: `enforced` is false then.
   * @param cpus numbers of the kernel; several are a set to float over
   * @throws {InputError} for an unknown vCPU, an empty list, a CPU that is not present, offline, or not allowed; it lists
   *   the valid ones
   * @throws {VmError} where the kernel refuses: the vCPU keeps the CPUs that it had
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * await accel.createVcpu(0)
   * const [cpu] = accel.getVcpuAffinity(0)
   * accel.setVcpuAffinity(0, [cpu])
   * accel.getVcpuAffinity(0) // => [cpu]
   * ```
   */
  setVcpuAffinity(id: number, cpus: readonly CpuId[]): Effect {
    const off = this.unenforced('setVcpuAffinity')
    if (off !== null) return off
    const gone = this.#gone('setVcpuAffinity', id)
    if (gone !== null) return gone
    const wanted = this.#sure((topology) => this.#pin(id, requireCpus(topology, cpus, 'cpus')))
    this.#own.set(id, wanted)
    const node = this.#bound.get(id)
    if (node !== undefined && !isWithin(wanted, this.topology.getNodeCpus(node))) this.#bound.delete(id)
    return ENFORCED
  }

  /** What a call returns for a vCPU that has halted for good while others go on; `null` for one that has its thread. */
  #gone(call: string, id: number): Effect | null {
    if (!this.required(call).hasHalted(id, call)) return null
    return { enforced: false, reason: `vCPU ${id} has halted, and has no thread any more` }
  }

  #pin(id: number, cpus: readonly CpuId[]): readonly CpuId[] {
    this.required('setVcpuAffinity').repin(id, formatCpulist(cpus))
    return cpus
  }

  /**
   * How much a vCPU's thread counts against others on its CPUs, at once, read back: its nice value is that of this thread
   * (0, unless `nice` started the process) less the priority.
   * @param priority -19 (least) to 20 (most); 0 is that of any thread. More than it has takes CAP_SYS_NICE or `ulimit -e`
   * @throws {InputError} for an unknown vCPU or another number
   * @throws {VmError} where the kernel refuses
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * await accel.createVcpu(0)
   * accel.setVcpuPriority(0, -5) // nice 5: others go first
   * ```
   */
  setVcpuPriority(id: number, priority: number): Effect {
    const off = this.unenforced('setVcpuPriority')
    if (off !== null) return off
    const gone = this.#gone('setVcpuPriority', id)
    if (gone !== null) return gone
    this.required('setVcpuPriority').renice(id, niceFor(priority, getPriority()))
    return ENFORCED
  }

  /**
   * Says which of the host's nodes the guest is about: `setupNumaMemory()` and `bindVcpuToNumaNode()` take these. By itself
   * it changes nothing.
   * @param nodes how many, in the order of their numbers, or their numbers
   * @throws {InputError} for more than the host has, or one that it does not have; it lists those that it has
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * accel.enableNuma(accel.topology.numaNodes)
   * accel.numaConfig().enabled // => true
   * ```
   */
  enableNuma(nodes: number | readonly NodeId[]): void {
    const isKnown = this.#given !== undefined || this.unenforced('enableNuma') === null
    if (!isKnown) this.#nodes = chooseNodes(null, nodes)
    else
      this.#nodes = this.#sure(({ host }) =>
        chooseNodes(
          host.nodes.map(({ id }) => id),
          nodes,
        ),
      )
  }

  /**
   * Takes it back: vCPUs that `bindVcpuToNumaNode()` has bound get the CPUs again that they had by `setVcpuAffinity()`, or at
   * first. Memory stays where it is.
   * @throws {VmError} where the kernel refuses to
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * accel.enableNuma(1)
   * accel.disableNuma()
   * accel.numaConfig() // => { enabled: false, nodes: 0, nodeIds: [] }
   * ```
   */
  disableNuma(): void {
    for (const id of this.#bound.keys()) {
      if (this.required('disableNuma').hasThread(id)) this.#pin(id, this.#own.get(id)!)
      this.#bound.delete(id)
    }
    this.#nodes = null
  }

  /** What `enableNuma()` and `disableNuma()` have left, which have examples. */
  numaConfig(): NumaConfig {
    return { enabled: this.#nodes !== null, nodes: this.#nodes?.length ?? 0, nodeIds: this.#nodes ?? [] }
  }

  /**
   * Memory for the guest on one node: mapped (mmap), bound to the node and nothing else (mbind, MPOL_BIND), every page of it
   * faulted in there, and given to the guest (KVM_SET_USER_MEMORY_REGION). Before the guest runs, or while it does. Where
   * some of it fails, nothing of it is left.
   * @returns where it is; `hva` is its host virtual address
   * @throws {InputError} for a node that is not enabled, has no memory or is not allowed (it lists those that are); a size or
   *   an address that is no multiple of the page size; a `gpa` where the guest has memory, a device, or KVM something of its own
   * @throws {VmError} where the node has not enough free memory (with the numbers), something is mapped at `hva` (EEXIST), or
   *   the kernel refuses
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * accel.enableNuma(accel.topology.numaNodes)
   * const [node] = accel.numaConfig().nodeIds
   * const memory = await accel.setupNumaMemory({ node, size: 4 * 2 ** 20, gpa: 0x100000 })
   * console.log(memory.enforced && memory.hva.toString(16))
   * ```
   */
  async setupNumaMemory(request: NumaMemoryRequest): Promise<NumaMemory> {
    const off = this.unenforced('setupNumaMemory')
    if (off !== null) return off
    const vm = this.required('setupNumaMemory')
    requireObject('request', request)
    const { node, size, gpa, hva, pageSize } = request
    requireEnabled(this.#nodes, node)
    requirePageSize(
      this.#sure((topology) => requireMemoryNode(topology, node)),
      pageSize,
    )
    const region = await vm.addMemory({
      node,
      gpa,
      bytes: size,
      ...(hva === undefined ? {} : { hva }),
      ...(pageSize === undefined ? {} : { pageSize }),
    })
    return { enforced: true, node, size, gpa, hva: region.hva, pageSize: region.pageSize }
  }

  /**
   * Moves a part of the guest's memory to another node, while the guest runs or not: it is bound there (mbind), its pages go
   * there, and it is read back that they did. Its addresses stay.
   * @param gpa where the part begins, as `setupNumaMemory()` was given it
   * @param node one of the nodes that `enableNuma()` named
   * @throws {InputError} for a node that is not enabled, has no memory or is not allowed, or where no part begins
   * @throws {VmError} where the node has not enough free memory (with the numbers), or the kernel refuses; what was moved stays
   *   there
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * accel.enableNuma(accel.topology.numaNodes)
   * const { nodes, nodeIds } = accel.numaConfig()
   * await accel.setupNumaMemory({ node: nodeIds[0], size: 2 ** 20, gpa: 0 })
   * const last = nodeIds[nodes - 1]
   * await accel.moveNumaMemory(0, last) // => { enforced: true }
   * const [{ resident }] = await accel.residentMemory()
   * resident[last] // => 2 ** 20
   * ```
   */
  async moveNumaMemory(gpa: number, node: NodeId): Promise<Effect> {
    const off = this.unenforced('moveNumaMemory')
    if (off !== null) return off
    const vm = this.required('moveNumaMemory')
    requireEnabled(this.#nodes, node)
    this.#sure((topology) => requireMemoryNode(topology, node))
    await vm.moveMemory(gpa, node)
    return ENFORCED
  }

  /**
   * The parts of the guest's memory and the node that each is bound to, in the order of their addresses: what `setupNumaMemory()` and
   * `moveNumaMemory()` have read back. `residentMemory()` asks the kernel.
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * accel.enableNuma(1)
   * const [node] = accel.numaConfig().nodeIds
   * await accel.setupNumaMemory({ node, size: 2 ** 20, gpa: 0 })
   * accel.numaMemory().map((part) => part.node) // => [node]
   * ```
   */
  numaMemory(): readonly Required<NumaMemoryRequest>[] {
    if (this.state === null) return []
    return this.required('numaMemory').memory.map(({ bytes: size, ...region }) => ({ ...region, size }))
  }

  /**
   * Where the kernel has each page of the guest's memory (`move_pages`); the guest may run meanwhile.
   * @returns for each part, in the order of their addresses
   * @throws {SyscallError} where the kernel does not say
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * accel.enableNuma(1)
   * await accel.setupNumaMemory({ node: accel.numaConfig().nodeIds[0], size: 2 ** 20, gpa: 0 })
   * const [{ gpa, node, resident }] = await accel.residentMemory()
   * gpa // => 0
   * resident[node] // => 2 ** 20
   * ```
   */
  async residentMemory(): Promise<readonly ResidentMemory[]> {
    if (this.state === null) return []
    const found = await this.required('residentMemory').residentBytes()
    return found.map(({ region: { bytes: size, ...region }, resident }) => ({ ...region, size, resident }))
  }

  /**
   * Binds a vCPU to a node, at once: it gets all of that node's CPUs that this process may use, unless its CPUs are all
   * there already.
   * @throws {InputError} for an unknown vCPU, a node that is not enabled or has no CPU to use; it lists those that do
   * @throws {VmError} where the kernel refuses: the vCPU keeps the CPUs that it had
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * await accel.createVcpu(0)
   * accel.enableNuma(1)
   * const [node] = accel.numaConfig().nodeIds
   * accel.bindVcpuToNumaNode(0, node)
   * accel.getVcpuNumaNode(0) // => node
   * accel.getVcpuNumaNode(1) // => undefined
   * ```
   */
  bindVcpuToNumaNode(id: number, node: NodeId): Effect {
    const off = this.unenforced('bindVcpuToNumaNode')
    if (off !== null) return off
    const gone = this.#gone('bindVcpuToNumaNode', id)
    if (gone !== null) return gone
    requireEnabled(this.#nodes, node)
    const now = this.getVcpuAffinity(id)
    this.#sure((topology) => {
      const cpus = requireNodeCpus(topology, node)
      // Also where they are there already: the kernel is asked, and a guest that has ended refuses.
      return this.#pin(id, isWithin(now, cpus) ? now : cpus)
    })
    if (!this.#own.has(id)) this.#own.set(id, now)
    this.#bound.set(id, node)
    return ENFORCED
  }

  /** The node that a vCPU is bound to; `undefined` for one that is not, or that there is not. `bindVcpuToNumaNode()` has an example. */
  getVcpuNumaNode(id: number): NodeId | undefined {
    return this.#bound.get(id)
  }
}

function isWithin(cpus: readonly CpuId[], node: readonly CpuId[]): boolean {
  return cpus.every((cpu) => node.includes(cpu))
}
