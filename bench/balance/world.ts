/** Where VMs are, what they lose there in a minute, and what moving them costs. The same for all who balance. */

import { formatCpulist } from '../../src/cpulist.js'
import { parseRequest, withVms } from '../../src/request.js'
import type { Request, RequestVm } from '../../src/types.js'
import { costAsIs, type Resident } from '../../src/verify.js'
import type { Fleet, SimVm } from './fleet.js'

/** As `move_pages` copies on the machines that the model's default is from (docs/model.md). */
export const COPY_BYTES_PER_SECOND = 4 * 2 ** 30
const PAGE = 4096
const MEMORY_BOUND = 0.3
const NOBODY = { name: 'nobody', vcpus: 1, memory: '1GiB' }

/** A VM where it is. */
export interface Placed {
  readonly vm: SimVm
  /** cpulist of each vCPU. */
  cpus: readonly string[]
  /** Bytes by node. */
  memory: ReadonlyMap<number, number>
}

/** What somebody who balances has done in a minute. */
export interface Deed {
  /** Bytes copied. */
  readonly bytes: number
  /** VMs that went elsewhere, by name. */
  readonly moved: readonly string[]
  /** vCPU seconds that it took from the guests. */
  readonly vcpuSeconds: number
}

export const NOTHING: Deed = { bytes: 0, moved: [], vcpuSeconds: 0 }

/** Somebody who balances: looks at a minute that has gone by, and moves VMs before the next one. */
export interface Balancing {
  minute(world: World): Deed | Promise<Deed>
}

export class World {
  readonly fleet: Fleet
  readonly placed = new Map<string, Placed>()
  minute = 0
  readonly everywhere: string
  readonly #cpus: ReadonlyMap<number, readonly number[]>
  readonly #lists: ReadonlyMap<number, string>
  readonly #nodeOf: ReadonlyMap<number, number>
  readonly #requests = new Map<string, RequestVm>()

  constructor(fleet: Fleet) {
    this.fleet = fleet
    this.#cpus = new Map(
      fleet.nodes.map((node) => [node, fleet.host.cpus.filter((cpu) => cpu.node === node).map(({ id }) => id)]),
    )
    this.#lists = new Map([...this.#cpus].map(([node, cpus]) => [node, formatCpulist(cpus)]))
    this.#nodeOf = new Map(fleet.host.cpus.map(({ id, node }) => [id, node ?? 0]))
    this.everywhere = formatCpulist(fleet.host.cpus.map(({ id }) => id))
  }

  /** Those that start float over all CPUs, their memory on one node; those that end are gone. */
  comeAndGo(minute: number): void {
    this.minute = minute
    for (const vm of this.fleet.vms) {
      if (vm.until === minute) this.placed.delete(vm.name)
      if (vm.from !== minute) continue
      const cpus = Array.from({ length: vm.vcpus }, () => this.everywhere)
      this.placed.set(vm.name, { vm, cpus, memory: new Map([[vm.home, vm.bytes]]) })
    }
  }

  /** Those that are there. */
  get vms(): Placed[] {
    return [...this.placed.values()]
  }

  cpusOf(node: number): readonly number[] {
    return this.#cpus.get(node)!
  }

  listOf(node: number): string {
    return this.#lists.get(node)!
  }

  /** What a vCPU of it wants in this minute. */
  want({ vm }: Placed): number {
    return vm.trace[this.minute]!
  }

  freeBytes(node: number): number {
    const total = this.fleet.host.nodes.find(({ id }) => id === node)!.memory.free!
    return this.vms.reduce((free, { memory }) => free - (memory.get(node) ?? 0), total)
  }

  residents(): Resident[] {
    return this.vms.map(({ vm, cpus, memory }) => ({
      name: vm.name,
      vcpus: cpus.map((list) => ({ cell: 0, cpus: list })),
      cells: [{ memory: [...memory].map(([node, bytes]) => ({ node, bytes })) }],
    }))
  }

  /**
   * @param demandOf what a vCPU of a VM is reckoned with
   * @param model fields of the cost model
   */
  request(demandOf: (placed: Placed) => number, model: object = {}): Request {
    const nodeOfList = new Map<string, number>()
    const nodeAt = (list: string) => {
      const known = nodeOfList.get(list) ?? this.#nodeOf.get(Number.parseInt(list, 10))!
      nodeOfList.set(list, known)
      return known
    }
    const vms = this.vms.map((placed): RequestVm => {
      const { vm, cpus, memory } = placed
      const parts = [...memory].map(([node, bytes]) => ({ node, bytes }))
      return {
        ...this.#asked(vm),
        demand: Math.max(0.01, Math.round(demandOf(placed) * 1e6) / 1e6),
        current: {
          cells: [{ cell: 0, pageSize: PAGE, memory: parts }],
          vcpus: cpus.map((list, vcpu) => ({ vcpu, cell: 0, node: nodeAt(list), cpus: list, dedicated: false })),
        },
      }
    })
    const host = {
      overcommit: 1000,
      strategy: 'spread',
      model: { copyBytesPerSecond: COPY_BYTES_PER_SECOND, ...model },
    }
    return withVms(parseRequest({ ...host, vms: [NOBODY] }), vms)
  }

  /** All of its request that does not change. */
  #asked(vm: SimVm): RequestVm {
    const known = this.#requests.get(vm.name)
    if (known !== undefined) return known
    const size = { vcpus: vm.vcpus, memory: `${vm.bytes}B`, pageSize: `${PAGE}B`, cells: 1, span: true }
    const [asked] = parseRequest({
      vms: [{ name: vm.name, ...size, cpuPolicy: 'shared', memoryBound: MEMORY_BOUND }],
    }).vms
    this.#requests.set(vm.name, asked!)
    return asked!
  }

  /** vCPUs that are lost in this minute, by the model. */
  lost(): number {
    if (this.placed.size === 0) return 0
    const request = this.request((placed) => this.want(placed))
    return costAsIs(this.fleet.host, request, this.residents()).lostVcpus
  }

  /** Share of the wanted CPU time that vCPUs on `list` do not get: those with one node first, then those that float. */
  shortfall(): (list: string) => number {
    const byList = new Map<string, number>()
    for (const placed of this.vms) {
      for (const list of placed.cpus) byList.set(list, (byList.get(list) ?? 0) + this.want(placed))
    }
    let left = 0
    let pinned = 0
    const short = new Map<string, number>()
    for (const node of this.fleet.nodes) {
      const [list, size] = [this.listOf(node), this.cpusOf(node).length]
      const wanted = byList.get(list) ?? 0
      short.set(list, wanted > size ? 1 - size / wanted : 0)
      left += Math.max(0, size - wanted)
      pinned += wanted
    }
    const floating = [...byList.values()].reduce((sum, wanted) => sum + wanted, 0) - pinned
    const missing = floating > left ? 1 - left / floating : 0
    return (list) => short.get(list) ?? missing
  }
}
