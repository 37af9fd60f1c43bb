/**
 * A request on a host in numbers, read from docs/model.md alone: what the exact solver enumerates over. It shares no code with the
 * planner and the verifier, so that a fault in one of them shows.
 */

import { parseCpulist } from '../../../src/cpulist.js'
import type { Host, HostCpu, Request, RequestVm } from '../../../src/types.js'
import { measuredBandwidth, measuredDistance, measuredHop, measuredSmt } from './measured.js'

export const MICRO = 1_000_000
/** SLIT distance of a node to itself. */
export const LOCAL = 10
const REMOTE = 20

/** round(x) of docs/model.md. */
export function rounded(value: number): number {
  return Math.floor(value + 0.5)
}

/** An online CPU; nodes, LLCs and cores by index. */
export interface Cpu {
  readonly id: number
  readonly node: number
  readonly llc: number
  readonly core: number
  readonly capacity: number
  readonly usable: boolean
  /** Shared vCPUs may float over it, as far as it goes by itself. */
  readonly floats: boolean
  /** Equal for CPUs of a core that are interchangeable. */
  readonly kind: string
}

export interface Core {
  /** Usable CPUs by index in `cpus`, those of a kind together. */
  readonly cpus: readonly number[]
  readonly llc: number
  readonly node: number
  /** The host's own threads run on one of its CPUs. */
  readonly hasHost: boolean
  /** Equal for cores that are alike as long as nobody is there. */
  readonly kind: string
}

/** A cell before it has a place. */
export interface CellShape {
  readonly vcpus: readonly number[]
  readonly bytes: number
}

export interface Vm {
  readonly at: number
  readonly request: RequestVm
  readonly dedicated: readonly boolean[]
  /** Of each vCPU, in millionths of a CPU. */
  readonly demand: readonly number[]
  /** Equal for VMs of one trust domain. */
  readonly domain: number
  /** Emulator and I/O threads that have a CPU each. */
  readonly threads: number
  /** By node: may its vCPUs, its memory be there. */
  readonly vcpusMay: readonly boolean[]
  readonly memoryMay: readonly boolean[]
  /** By node: its memory nodes. */
  readonly homes: readonly (readonly number[])[]
  /** Every way to divide it into cells. */
  readonly divisions: readonly (readonly CellShape[])[]
  readonly near: readonly number[]
  readonly apart: readonly number[]
  /** By vCPU: the CPUs that it has now; null: it is nowhere. */
  readonly current: readonly string[] | null
  /** Millionths of its weight. */
  readonly weight: number
}

export interface Problem {
  readonly host: Host
  readonly request: Request
  readonly nodeIds: readonly number[]
  readonly distance: readonly (readonly number[])[]
  /** Ten times the hops between nodes. */
  readonly hop: readonly (readonly number[])[]
  readonly bandwidth: readonly (number | undefined)[]
  readonly smt: number
  readonly cpus: readonly Cpu[]
  readonly cores: readonly Core[]
  /** By node: cores with usable CPUs. */
  readonly coresOf: readonly (readonly number[])[]
  readonly usable: readonly number[]
  readonly llcsOf: readonly number[]
  readonly llcSpansNodes: boolean
  readonly widestCore: number
  /** Page sizes, ascending. */
  readonly sizes: readonly number[]
  /** Free pages, by node and size. */
  readonly free: readonly (readonly number[])[]
  readonly limits: readonly number[]
  readonly vms: readonly Vm[]
}

export function problemOf(host: Host, request: Request): Problem {
  const nodeIds = host.nodes.map(({ id }) => id)
  const nodes = nodeIds.map((_, at) => at)
  const slit = nodes.map((a) => nodes.map((b) => host.distances[a]?.[b] ?? (a === b ? LOCAL : REMOTE)))
  const distance = measuredDistance(host, slit)
  const sizes = [...new Set(host.nodes.flatMap((node) => node.pages.map(({ size }) => size)))].sort((a, b) => a - b)
  const hasMemory = host.nodes.map(
    ({ id, memory, allowed }) => memory.total !== 0 && allowed !== false && !request.reserve.nodes.includes(id),
  )
  const { cpus, cores } = cpusOf(host, request, hasMemory)
  const usable = nodes.map((node) => cpus.filter((cpu) => cpu.node === node && cpu.usable).length)
  const llcs = nodes.map((node) => new Set(cpus.filter((cpu) => cpu.node === node).map(({ llc }) => llc)))
  return {
    host,
    request,
    nodeIds,
    distance,
    hop: measuredHop(host, distance),
    bandwidth: measuredBandwidth(host),
    smt: request.model.smt ?? measuredSmt(host),
    cpus,
    cores,
    coresOf: nodes.map((node) => cores.flatMap((core, at) => (core.node === node && core.cpus.length > 0 ? [at] : []))),
    usable,
    llcsOf: llcs.map(({ size }) => size),
    llcSpansNodes: llcs.some((own, at) => llcs.some((other, to) => to > at && [...own].some((llc) => other.has(llc)))),
    widestCore: Math.max(1, ...cores.map((_, core) => cpus.filter((cpu) => cpu.core === core).length)),
    sizes,
    free: nodes.map((node) =>
      sizes.map((size, at) => (hasMemory[node] ? freePages(host, request, node, size, at) : 0)),
    ),
    limits: sizes.map((size) => host.limits?.find((limit) => limit.size === size)?.pages ?? Number.POSITIVE_INFINITY),
    vms: request.vms.map((vm, at) => vmOf(request, vm, at, { nodeIds, distance, hasMemory, sizes })),
  }
}

function freePages(host: Host, request: Request, node: number, size: number, at: number): number {
  const { memory, pages } = host.nodes[node]!
  if (at > 0) return pages.find((pool) => pool.size === size)?.free ?? 0
  const bytes = (memory.free ?? 0) + (request.freeMemoryOnly ? 0 : (memory.reclaimable ?? 0)) - request.reserve.memory
  return Math.max(0, Math.floor(bytes / size))
}

function cpusOf(host: Host, request: Request, hasMemory: readonly boolean[]): { cpus: Cpu[]; cores: Core[] } {
  const online = host.cpus.filter((cpu) => cpu.online)
  const reserved = new Set(reservedOf(host, request))
  const mentioned = new Set(
    request.vms.flatMap(({ current }) =>
      (current?.vcpus ?? []).flatMap(({ cpus }) => parseCpulist(cpus, { allowEmpty: true })),
    ),
  )
  const coreIds = [...new Set(online.map((cpu) => cpu.core))]
  const cpus = online.map((cpu): Cpu => {
    const usable = cpu.allowed && !reserved.has(cpu.id)
    const floats = usable && !cpu.isolated
    const capacity = cpu.capacity ?? 1024
    const kind = `${floats}/${capacity}/${mentioned.has(cpu.id) ? cpu.id : ''}`
    const node = host.nodes.findIndex(({ id }) => id === nodeOf(host, hasMemory, online, cpu))
    return { id: cpu.id, node, llc: cpu.llc!, core: coreIds.indexOf(cpu.core), capacity, usable, floats, kind }
  })
  const cores = coreIds.map((_, core): Core => {
    const own = cpus.flatMap((cpu, at) => (cpu.core === core ? [at] : []))
    const members = own.filter((at) => cpus[at]!.usable)
    members.sort((a, b) => (cpus[a]!.kind < cpus[b]!.kind ? -1 : cpus[a]!.kind > cpus[b]!.kind ? 1 : a - b))
    const hasHost = own.some((at) => reserved.has(cpus[at]!.id))
    const first = cpus[own[0]!]!
    const kind = `${hasHost}:${members.map((at) => cpus[at]!.kind)}`
    return { cpus: members, llc: first.llc, node: first.node, hasHost, kind }
  })
  return { cpus, cores }
}

export function reservedOf(host: Host, { reserve: { cpus } }: Request): number[] {
  const ids = host.cpus.map(({ id }) => id)
  return 'allBut' in cpus ? ids.filter((id) => !cpus.allBut.includes(id)) : [...cpus]
}

function nodeOf(host: Host, hasMemory: readonly boolean[], online: readonly HostCpu[], cpu: HostCpu): number {
  if (cpu.node !== null) return cpu.node
  const peer = online.find((other) => cpu.package !== null && other.package === cpu.package && other.node !== null)
  const withMemory = host.nodes.find((_, node) => hasMemory[node])
  return peer?.node ?? (withMemory ?? host.nodes[0]!).id
}

interface Shape extends Pick<Problem, 'nodeIds' | 'distance' | 'sizes'> {
  readonly hasMemory: readonly boolean[]
}

function vmOf(request: Request, vm: RequestVm, at: number, { nodeIds, distance, hasMemory, sizes }: Shape): Vm {
  const avoids = nodeIds.map((id) => vm.avoidDeviceNodes && request.deviceNodes.includes(id))
  const memoryMay = nodeIds.map(
    (id, node) => hasMemory[node]! && !avoids[node] && (vm.memoryNodes?.includes(id) ?? true),
  )
  const dedicated = Array.from({ length: vm.vcpus }, (_, vcpu) =>
    vm.cpuPolicy === 'mixed' ? vm.dedicatedVcpus.includes(vcpu) : vm.cpuPolicy === 'dedicated',
  )
  const related = (relation: 'near' | 'separateFrom') =>
    request.vms.flatMap((other, index) => {
      return index !== at && (vm[relation].includes(other.name) || other[relation].includes(vm.name)) ? [index] : []
    })
  return {
    at,
    request: vm,
    dedicated,
    demand: dedicated.map((own) => (own ? MICRO : rounded(vm.demand * MICRO))),
    domain: vm.trust === null ? at : request.vms.length + request.vms.findIndex(({ trust }) => trust === vm.trust),
    threads: vm.emulator === 'dedicated' ? 1 + vm.iothreads : 0,
    vcpusMay: avoids.map((avoided) => !avoided),
    memoryMay,
    homes: nodeIds.map((_, from) => {
      const reach = Math.min(
        ...nodeIds.map((_, to) => (memoryMay[to] ? distance[from]![to]! : Number.POSITIVE_INFINITY)),
      )
      return nodeIds.flatMap((_, to) => (memoryMay[to] && distance[from]![to] === reach ? [to] : []))
    }),
    divisions: divisionsOf(vm, sizes),
    near: related('near'),
    apart: related('separateFrom'),
    current: vm.current === null ? null : vm.current.vcpus.map(({ cpus }) => cpus),
    weight: Math.max(1, rounded(vm.weight * MICRO)),
  }
}

function divisionsOf(vm: RequestVm, sizes: readonly number[]): CellShape[][] {
  const page = vm.pageSize === 'any' ? sizes[0]! : vm.pageSize
  if (!sizes.includes(page) || vm.memory % page !== 0) return []
  if (typeof vm.cells === 'object') {
    const cells = vm.cells.map(({ vcpus, memory }) => ({ vcpus, bytes: memory }))
    return cells.every(({ bytes }) => bytes > 0 && bytes % page === 0) ? [cells] : []
  }
  const counts = vm.cells === 'auto' ? Array.from({ length: vm.vcpus }, (_, at) => at + 1) : [vm.cells]
  return counts.flatMap((count) => {
    const cells = evenCells(vm, count, page)
    return cells.every(({ bytes }) => bytes > 0) ? [cells] : []
  })
}

function evenCells(vm: RequestVm, count: number, page: number): CellShape[] {
  const pages = vm.memory / page
  const sizes = Array.from({ length: count }, (_, at) => Math.floor(vm.vcpus / count) + (at < vm.vcpus % count ? 1 : 0))
  const even = sizes.map((size) => Math.floor((pages * size) / vm.vcpus))
  const left = pages - even.reduce((sum, own) => sum + own, 0)
  let first = 0
  return sizes.map((size, at) => {
    const vcpus = Array.from({ length: size }, (_, index) => first + index)
    first += size
    return { vcpus, bytes: (even[at]! + (at < left ? 1 : 0)) * page }
  })
}
