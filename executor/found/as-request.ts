/** Found VMs as a request with their `current`, and as what `costAsIs` takes. Only VMs of which both are known without a guess. */

import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import type { CurrentPlacement, Host, NodeId } from '../../src/types.js'
import type { FoundMapping, FoundVm } from './types.js'

/** A VM as it is: where each vCPU's thread may run, and each cell's pages are. */
export interface RunningVm {
  /** Of the request: the VM's, with its pid where others have the same. */
  readonly name: string
  /** As it was found. */
  readonly vm: FoundVm
  /** By their numbers: the guest's node, and the cpulist that the thread may run on, of those that are online. */
  readonly vcpus: readonly { readonly cell: number; readonly cpus: string }[]
  /** What the guest's nodes have of what it has touched. */
  readonly cells: CurrentPlacement['cells']
}

/** VMs as a plan's are. */
export interface RunningVms {
  /** In the order in which they were found. */
  readonly running: readonly RunningVm[]
  /** Those of which too little is known, and what. */
  readonly left: readonly { readonly vm: FoundVm; readonly why: string }[]
}

/** What runs, for `plan` and `costAsIs`. */
export interface RunningRequest extends RunningVms {
  /** As if none of them ran: what their guests have is free. */
  readonly host: Host
  /** The content of a request file, with `running` in their order. */
  readonly request: object
}

const LEAST_DEMAND = 0.01
const MOST_OVERCOMMIT = 1000
const BASE_PAGE = 4096

/**
 * VMs are taken for ones that want a CPU for each vCPU while there are as many CPUs, and else for ones that share them, each as busy as it
 * has been since it began. Guest nodes are kept as they are.
 */
export function requestOf(vms: readonly FoundVm[], host: Host): RunningRequest {
  const { running, left } = runningOf(vms, new Set(host.cpus.filter((cpu) => cpu.online).map(({ id }) => id)))
  const wanted = running.reduce((sum, { vcpus }) => sum + vcpus.length, 0)
  const isShared = wanted > host.cpus.filter((cpu) => cpu.online && cpu.allowed).length
  const request = {
    ...(isShared ? { overcommit: MOST_OVERCOMMIT } : {}),
    vms: running.map((one) => vmRequest(one, host, isShared)),
  }
  return { host: withoutGuests(host, running), request, running, left }
}

/** The VMs of which enough is known, by the names that `requestOf` gives them. */
export function runningOf(vms: readonly FoundVm[], online: ReadonlySet<number>): RunningVms {
  const running: RunningVm[] = []
  const left: { vm: FoundVm; why: string }[] = []
  for (const vm of vms) {
    const why = whyNot(vm)
    if (why !== null) left.push({ vm, why })
    else running.push(runningVm(vm, nameIn(vms, vm), online))
  }
  return { running, left }
}

function whyNot({ vcpus, mappings, cells }: FoundVm): string | null {
  if (vcpus.length === 0) return 'which threads run its vCPUs is not known'
  if (mappings.length === 0) return 'where its memory is is not known'
  if (cells === null) return "the guest's nodes are not known"
  if (cells.value.length < 2) return null
  if (nodesOf(unclaimed(mappings)).size > 1) return 'which of its memory is of which guest node is not known'
  const owners = vcpus.map(({ vcpu }) => cells.value.findIndex((cell) => cell.vcpus.includes(vcpu)))
  if (new Set(owners).size < cells.value.length) return 'a guest node without vCPUs cannot be planned'
  return owners.includes(-1) ? 'vCPUs are of no guest node' : null
}

function unclaimed(mappings: readonly FoundMapping[]): FoundMapping[] {
  return mappings.filter(({ cell }) => cell === null)
}

function nodesOf(mappings: readonly FoundMapping[]): Set<NodeId> {
  return new Set(mappings.flatMap(({ resident }) => resident.map(({ node }) => node)))
}

function nameIn(vms: readonly FoundVm[], vm: FoundVm): string {
  const { value } = vm.name
  return vms.some((other) => other !== vm && other.name.value === value) ? `${value.slice(0, 240)} (${vm.pid})` : value
}

function runningVm(vm: FoundVm, name: string, online: ReadonlySet<number>): RunningVm {
  const guestNodes = vm.cells!.value.length < 2 ? null : vm.cells!.value
  const cellOf = (vcpu: number) => guestNodes?.findIndex((cell) => cell.vcpus.includes(vcpu)) ?? 0
  const vcpus = vm.vcpus.map(({ vcpu, cpus }) => ({
    cell: cellOf(vcpu),
    cpus: formatCpulist(parseCpulist(cpus, { allowEmpty: true }).filter((cpu) => online.has(cpu))),
  }))
  const pageSize = Math.min(...vm.mappings.map((mapping) => mapping.pageSize))
  const parts = guestNodes?.map(({ cell }) => vm.mappings.filter((mapping) => mapping.cell === cell)) ?? [vm.mappings]
  const cells = parts.map((mappings, cell) => ({ cell, pageSize, memory: residentOf(mappings) }))
  if (guestNodes !== null) addUnclaimed(cells, residentOf(unclaimed(vm.mappings))[0], pageSize)
  return { name, vm, vcpus, cells }
}

/** Pages of one host node that belong to no known guest node. Each guest node without any of its own gets an even part, in whole pages. */
function addUnclaimed(
  cells: { memory: { node: NodeId; bytes: number }[] }[],
  part: { readonly node: NodeId; readonly bytes: number } | undefined,
  pageSize: number,
): void {
  if (part === undefined) return
  const takers = cells.filter(({ memory }) => memory.length === 0)
  const pages = part.bytes / pageSize
  for (const [at, { memory }] of takers.entries()) {
    const own = Math.floor(pages / takers.length) + (at < pages % takers.length ? 1 : 0)
    if (own > 0) memory.push({ node: part.node, bytes: own * pageSize })
  }
}

function residentOf(mappings: readonly FoundMapping[]): { node: NodeId; bytes: number }[] {
  const bytes = new Map<NodeId, number>()
  for (const part of mappings.flatMap(({ resident }) => resident)) {
    bytes.set(part.node, (bytes.get(part.node) ?? 0) + part.bytes)
  }
  const held = [...bytes].filter(([, sum]) => sum > 0).sort(([a], [b]) => a - b)
  return held.map(([node, sum]) => ({ node, bytes: sum }))
}

function vmRequest({ name, vm, vcpus, cells }: RunningVm, host: Host, isShared: boolean): object {
  const { pageSize } = cells[0]!
  const sizes = vm.cells!.value.length < 2 ? [sumOf(vm.mappings)] : vm.cells!.value.map(({ memory }) => memory)
  const whole = sizes.map((bytes) => Math.ceil(bytes / pageSize) * pageSize)
  const load = vm.vcpus.reduce((sum, vcpu) => sum + vcpu.load, 0) / vm.vcpus.length
  const nodeOf = new Map(host.cpus.map(({ id, node }) => [id, node ?? 0]))
  const current = {
    cells,
    vcpus: vcpus.map(({ cell, cpus }, vcpu) => {
      const nodes = parseCpulist(cpus, { allowEmpty: true }).map((cpu) => nodeOf.get(cpu) ?? 0)
      return { vcpu, cell, node: mostFrequent(nodes), cpus, dedicated: !isShared && nodes.length === 1 }
    }),
  }
  return {
    name,
    vcpus: vcpus.length,
    memory: bytesText(whole.reduce((sum, bytes) => sum + bytes, 0)),
    cells: cells.length === 1 ? 1 : cellsText(vcpus, whole),
    span: true,
    pageSize: bytesText(pageSize),
    memoryPolicy: vm.mappings.every(({ policy }) => /interleave/.test(policy)) ? 'interleave' : 'strict',
    ...(isShared ? { cpuPolicy: 'shared', demand: Math.max(LEAST_DEMAND, Math.min(1, load)) } : {}),
    // A guest that has touched nothing yet has no memory anywhere.
    ...(cells.every(({ memory }) => memory.length > 0) ? { current } : {}),
  }
}

function cellsText(vcpus: RunningVm['vcpus'], sizes: readonly number[]): object[] {
  return sizes.map((bytes, cell) => ({
    vcpus: formatCpulist(vcpus.flatMap((vcpu, number) => (vcpu.cell === cell ? [number] : []))),
    memory: bytesText(bytes),
  }))
}

function sumOf(mappings: readonly FoundMapping[]): number {
  return mappings.reduce((sum, { bytes }) => sum + bytes, 0)
}

function bytesText(bytes: number): string {
  return `${bytes}B`
}

function mostFrequent(nodes: readonly NodeId[]): NodeId {
  const counts = new Map<NodeId, number>()
  for (const node of nodes) counts.set(node, (counts.get(node) ?? 0) + 1)
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), [0, 0] as [NodeId, number])[0]
}

/** What guests have is free again, in pages of their sizes. */
function withoutGuests(host: Host, running: readonly RunningVm[]): Host {
  const parts = running.flatMap(({ cells }) => cells)
  const heldOn = (node: NodeId, size: number) =>
    parts
      .filter(({ pageSize }) => pageSize === size)
      .flatMap(({ memory }) => memory.filter((part) => part.node === node))
      .reduce((sum, { bytes }) => sum + bytes, 0)
  const nodes = host.nodes.map((node) => {
    const { memory, pages, id } = node
    const base = pages[0]?.size ?? BASE_PAGE
    const free = memory.free === null ? null : memory.free + heldOn(id, base)
    const pools = pages.map((pool) => {
      const { size } = pool
      return pool.free === null ? pool : { ...pool, free: pool.free + Math.floor(heldOn(id, size) / size) }
    })
    return { ...node, memory: { ...memory, free }, pages: pools }
  })
  return { ...host, nodes }
}
