/** A VM of a plan as the formats need it, with all that they need in one place. */

import { formatCpulist, parseCpulist } from '../cpulist.js'
import { InputError, show } from '../errors.js'
import type { Host, MemoryPolicy, PlanCell, PlanVcpu, PlanVm } from '../types.js'
import { formatBytes } from '../units.js'

/** The largest base page of an architecture that has KVM (arm64); larger pages are huge ones. */
const LARGEST_BASE_PAGE = 65_536

export interface GuestCell {
  readonly cell: number
  /** Ascending. */
  readonly vcpus: readonly number[]
  readonly bytes: number
  readonly pageSize: number
  /** Its pages are reserved ones, not those of the base size. */
  readonly isHuge: boolean
  readonly memory: PlanCell['memory']
  /** The nodes that its memory is bound to: ascending, one where the policy is `preferred`. */
  readonly nodes: readonly number[]
}

export interface Guest {
  readonly name: string
  /** By number. */
  readonly vcpus: readonly PlanVcpu[]
  readonly cells: readonly GuestCell[]
  readonly bytes: number
  readonly policy: MemoryPolicy
  /** cpulist of the VMM's own threads. */
  readonly emulator: string
  /** cpulist of each I/O thread. */
  readonly iothreads: readonly string[]
}

/** A format's text, and what of the plan it does not say or says otherwise, as sentences. */
export interface Converted {
  readonly text: string
  readonly notes: readonly string[]
}

/**
 * @param policy of the request; without it memory is bound as the plan has it
 * @param host of the plan, where it is known
 * @param where the place of `vm`, for messages
 * @throws {InputError} where the VM's parts do not fit together, which the format of a plan does not rule out
 */
export function guestOf(vm: PlanVm, policy: MemoryPolicy = 'strict', host: Host | null = null, where = ''): Guest {
  checkParts(vm, where)
  if (host !== null) checkHost(vm, host, where)
  const basePage = host?.nodes[0]?.pages[0]?.size ?? LARGEST_BASE_PAGE
  const cells = vm.cells.map((cell): GuestCell => {
    const own = vm.vcpus.filter((vcpu) => vcpu.cell === cell.cell)
    return {
      cell: cell.cell,
      vcpus: own.map(({ vcpu }) => vcpu),
      bytes: cell.memory.reduce((sum, { bytes }) => sum + bytes, 0),
      pageSize: cell.pageSize,
      isHuge: cell.pageSize > basePage,
      memory: cell.memory,
      nodes: nodesOf(cell, new Set(own.map(({ node }) => node)), policy),
    }
  })
  return {
    name: vm.name,
    vcpus: vm.vcpus,
    cells,
    bytes: cells.reduce((sum, { bytes }) => sum + bytes, 0),
    policy,
    emulator: vm.emulator,
    iothreads: vm.iothreads,
  }
}

/** `preferred` takes one node. If the cell has memory on its vCPUs' node, it is that one: it fills up first. Else the one with most memory. */
function nodesOf({ memory }: PlanCell, own: ReadonlySet<number>, policy: MemoryPolicy): number[] {
  if (policy !== 'preferred') return [...new Set(memory.map(({ node }) => node))].sort((a, b) => a - b)
  const most = memory.reduce((best, part) => (part.bytes > best.bytes ? part : best))
  return [(memory.find(({ node }) => own.has(node)) ?? most).node]
}

function checkParts(vm: PlanVm, where: string): void {
  const at = (field: string) => (where === '' ? field : `${where}.${field}`)
  for (const [index, { cell }] of vm.cells.entries()) {
    if (cell !== index) throw new InputError(at(`cells[${index}].cell`), `${index}: cells in their order`, `${cell}`)
    if (!vm.vcpus.some((vcpu) => vcpu.cell === cell)) {
      throw new InputError(at(`cells[${index}]`), 'a cell that some vCPU is in', `none in cell ${cell}`)
    }
  }
  for (const [index, { vcpu, cell, cpus }] of vm.vcpus.entries()) {
    const field = (name: string) => at(`vcpus[${index}].${name}`)
    if (vcpu !== index) throw new InputError(field('vcpu'), `${index}: vCPUs in their order`, `${vcpu}`)
    if (cell >= vm.cells.length)
      throw new InputError(field('cell'), `a cell from 0 to ${vm.cells.length - 1}`, `${cell}`)
    checkCpus(cpus, field('cpus'))
  }
  checkCpus(vm.emulator, at('emulator'))
  for (const [index, cpus] of vm.iothreads.entries()) checkCpus(cpus, at(`iothreads[${index}]`))
}

/** A plan for another host would get distances and cores that are not its own. */
function checkHost(vm: PlanVm, host: Host, where: string): void {
  const at = (field: string) => (where === '' ? field : `${where}.${field}`)
  const cpus = new Set(host.cpus.map(({ id }) => id))
  const nodes = new Set(host.nodes.map(({ id }) => id))
  for (const [index, vcpu] of vm.vcpus.entries()) {
    const unknown = parseCpulist(vcpu.cpus).filter((id) => !cpus.has(id))
    if (unknown.length === 0) continue
    throw new InputError(at(`vcpus[${index}].cpus`), 'CPUs of the host', formatCpulist(unknown))
  }
  for (const [index, { memory }] of vm.cells.entries()) {
    const unknown = memory.find(({ node }) => !nodes.has(node))
    if (unknown !== undefined)
      throw new InputError(at(`cells[${index}].memory`), 'nodes of the host', `${unknown.node}`)
  }
}

function checkCpus(cpus: string, where: string): void {
  if (cpus === '') throw new InputError(where, 'a cpulist with at least one CPU', show(cpus))
}

/** All CPUs that the VM's threads may run on, as a cpulist. */
export function cpusOf({ vcpus, emulator, iothreads }: Guest): string {
  const lists = [...vcpus.map(({ cpus }) => cpus), emulator, ...iothreads]
  return formatCpulist(lists.flatMap((cpus) => parseCpulist(cpus)))
}

/** Ascending. */
export function nodesOfGuest({ cells }: Guest): number[] {
  return [...new Set(cells.flatMap(({ nodes }) => nodes))].sort((a, b) => a - b)
}

/**
 * What a kernel's policy for all of a cell leaves open: how its memory is divided.
 * @param who does as the notes say: libvirt, QEMU
 */
export function divisionNotes({ cells, policy }: Guest, who: string): string[] {
  return cells
    .filter(({ memory }) => memory.length > 1 && policy !== 'interleave')
    .map(({ cell, memory, nodes }) => {
      const planned = memory.map(({ node, bytes }) => `${formatBytes(bytes)} on node ${node}`).join(', ')
      const instead =
        policy === 'preferred'
          ? `prefers node ${nodes[0]}, and the kernel goes on where that is full`
          : `binds it to nodes ${formatCpulist(nodes)}, and the kernel divides it`
      return `cell ${cell} is planned with ${planned}; ${who} ${instead}`
    })
}

/**
 * Distances between the cells, from each (row) to each; `null` where there is one cell, the host is not known, or a cell is on
 * several nodes of its own. Two cells are never nearer than 11: a Linux guest refuses all distances where two are
 * (drivers/acpi/numa/srat.c, `slit_valid`).
 */
export function distancesOf({ cells }: Guest, host: Host | null): number[][] | null {
  if (host === null || cells.length === 1 || cells.some(({ nodes }) => nodes.length > 1)) return null
  const row = new Map(host.nodes.map(({ id }, at) => [id, at]))
  const places = cells.map(({ nodes: [node] }) => row.get(node!))
  if (places.some((place) => place === undefined)) return null
  return places.map((from, a) => places.map((to, b) => (a === b ? 10 : Math.max(11, host.distances[from!]![to!]!))))
}
