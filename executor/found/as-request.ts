/** Found VMs as a request with their `current`, and as what `costAsIs` takes. Only VMs of which both are known without a guess. */

import { requireHost } from '../../src/checks.js'
import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import type { CpuPolicy, CurrentPlacement, Host, NodeId, PlanCell } from '../../src/types.js'
import { requireFoundVms } from './arguments.js'
import { withoutPinned } from './beside.js'
import { PARTITION } from './cgroups.js'
import { withFreed } from './freed.js'
import type { FoundMapping, FoundVm } from './types.js'
import { type Facts, isShortOfCpus, readWishes } from './wishes.js'

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
  /** As if none of them ran: what their guests have is free. What others have is not. */
  readonly host: Host
  /** The content of a request file. */
  readonly request: object
}

const LEAST_DEMAND = 0.01
const MOST_OVERCOMMIT = 1000
/** Of a VM in a request. */
const MOST_IOTHREADS = 64

/**
 * VMs are taken for ones that want a CPU for each vCPU while there are as many CPUs, and else for ones that share them, each as busy as it
 * has been since it began. Guest nodes, page sizes and I/O threads are kept as they are. What a guest has not touched yet counts where what
 * it has touched is, in the same shares.
 * @param wishes the content of a request file: fields beside those of VMs that run, by their names; further VMs; what it says of the host
 * @param isMeant by its name in the request: others that run stay as they are, with their memory, and the cores that they are pinned to
 * @throws {InputError} with the place in `wishes`, also where they contradict what runs
 */
export function requestOf(
  vms: readonly FoundVm[],
  given: Host,
  wishes?: unknown,
  isMeant: (name: string) => boolean = () => true,
): RunningRequest {
  requireFoundVms('vms', vms)
  requireHost(given)
  const host = withPartitions(given, vms)
  const online = new Set(host.cpus.filter((cpu) => cpu.online).map(({ id }) => id))
  const { running: known, left } = runningOf(vms, online)
  const running = known.filter(({ name }) => isMeant(name))
  const beside = withoutPinned(
    host,
    vms.filter((vm) => running.every((one) => one.vm !== vm)),
  )
  const facts = new Map(running.map((one) => [factsOf(one), one]))
  const asked = readWishes(wishes, [...facts.keys()])
  const isShort = asked.parsed !== null && isShortOfCpus(asked.parsed, beside.cpus)
  const parts = asked.vms.map((vm, at) => {
    if (vm.facts === null) return { vm: vm.fields, mayShare: false }
    const one = facts.get(vm.facts)!
    const { cpuPolicy } = asked.parsed!.vms[at]!
    const policy = vm.fields.cpuPolicy === undefined && isShort ? 'shared' : cpuPolicy
    const busy = policy === 'dedicated' ? {} : { cpuPolicy: policy, demand: demandOf(one.vm) }
    const placed = currentOf(one, memoryOf(one), host, policy)
    const { usual, fixed } = vm.facts
    return { vm: { ...usual, ...busy, ...vm.fields, ...fixed, ...placed }, mayShare: policy !== 'dedicated' }
  })
  const overcommit = parts.some(({ mayShare }) => mayShare) ? { overcommit: MOST_OVERCOMMIT } : {}
  const request = { ...overcommit, ...asked.host, vms: parts.map(({ vm }) => vm) }
  const held = running.flatMap(({ cells }) => cells)
  return { host: withFreed(beside, held), request, running, left }
}

/** CPUs that VMs have to themselves through homenode are in no cpuset but theirs, and can be theirs again. */
function withPartitions(host: Host, vms: readonly FoundVm[]): Host {
  const groups = vms.flatMap(({ cgroups }) => cgroups.filter(({ path }) => PARTITION.test(path)))
  const own = new Set(groups.flatMap(({ cpus }) => parseCpulist(cpus ?? '', { allowEmpty: true })))
  return { ...host, cpus: host.cpus.map((cpu) => (own.has(cpu.id) ? { ...cpu, allowed: cpu.online } : cpu)) }
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

function whyNot({ vcpus, mappings, cells, iothreads }: FoundVm): string | null {
  if (vcpus.length === 0) return 'which threads run its vCPUs is not known'
  if (mappings.length === 0) return 'where its memory is is not known'
  if (cells === null) return "the guest's nodes are not known"
  if (iothreads.length > MOST_IOTHREADS) return `it has more than ${MOST_IOTHREADS} I/O threads`
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

/** Its name in requests and plans: with its pid where others have the same. */
export function nameIn(vms: readonly FoundVm[], vm: FoundVm): string {
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

/** Bytes of each of its guest nodes, in whole pages. */
function memoryOf({ vm, cells }: RunningVm): number[] {
  const { pageSize } = cells[0]!
  const sizes = vm.cells!.value.length < 2 ? [sumOf(vm.mappings)] : vm.cells!.value.map(({ memory }) => memory)
  return sizes.map((bytes) => Math.ceil(bytes / pageSize) * pageSize)
}

function factsOf(one: RunningVm): Facts {
  const { name, vm, vcpus, cells } = one
  const memory = memoryOf(one)
  const isInterleaved = vm.mappings.every(({ policy }) => /interleave/.test(policy))
  return {
    name,
    calledAlso: vm.name.value,
    fixed: {
      vcpus: vcpus.length,
      memory: bytesText(memory.reduce((sum, bytes) => sum + bytes, 0)),
      pageSize: bytesText(cells[0]!.pageSize),
      cells: cells.length === 1 ? 1 : cellsText(vcpus, memory),
      iothreads: vm.iothreads.length,
    },
    usual: { name, span: true, memoryPolicy: isInterleaved ? 'interleave' : 'strict' },
  }
}

/** Of a vCPU, as busy as they have been. */
function demandOf({ vcpus }: FoundVm): number {
  const load = vcpus.reduce((sum, vcpu) => sum + vcpu.load, 0) / vcpus.length
  return Math.max(LEAST_DEMAND, Math.min(1, load))
}

/** Nothing where the guest has touched nothing yet: it has no memory anywhere. */
function currentOf(
  { vcpus, cells }: RunningVm,
  sizes: readonly number[],
  host: Host,
  policy: CpuPolicy,
): { readonly current?: CurrentPlacement } {
  if (cells.some(({ memory }) => memory.length === 0)) return {}
  const nodeOf = new Map(host.cpus.map(({ id, node }) => [id, node ?? 0]))
  return {
    current: {
      cells: cells.map((cell, at) => ({ ...cell, memory: filledUp(cell, sizes[at]!) })),
      vcpus: vcpus.map(({ cell, cpus }, vcpu) => {
        const nodes = parseCpulist(cpus, { allowEmpty: true }).map((cpu) => nodeOf.get(cpu) ?? 0)
        const dedicated = policy !== 'shared' && nodes.length === 1
        return { vcpu, cell, node: mostFrequent(nodes), cpus, dedicated }
      }),
    },
  }
}

/** The memory of a cell with what is not touched yet, which will be in the same shares; in whole pages. */
function filledUp({ memory, pageSize }: RunningVm['cells'][number], size: number): PlanCell['memory'] {
  const touched = memory.reduce((sum, { bytes }) => sum + bytes, 0)
  const missing = Math.max(0, size - touched)
  const parts = memory.map(({ node, bytes }) => {
    return { node, bytes: bytes + Math.floor((missing * bytes) / touched / pageSize) * pageSize }
  })
  const rest = Math.max(0, size - parts.reduce((sum, { bytes }) => sum + bytes, 0))
  const most = Math.max(...memory.map(({ bytes }) => bytes))
  const largest = memory.findIndex(({ bytes }) => bytes === most)
  return parts.map((part, at) => (at === largest ? { ...part, bytes: part.bytes + rest } : part))
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
