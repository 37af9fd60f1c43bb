/** Host + Request -> the problem in an instance of planner.wasm. */

import { formatCpulist, parseCpulist } from '../cpulist.js'
import { InputError } from '../errors.js'
import type { CurrentPlacement, Host, NodeId, Request, RequestVm } from '../types.js'
import { formatBytes } from '../units.js'
import { bandwidthOf, distancesOf, hopsOf, smtOf } from './distances.js'
import { ERROR, MAX, MEMORY, MODEL, type PlannerExports, STRATEGY, THREADS } from './generated/abi.js'
import { freePages, hasMemory, type OnlineCpu, onlineCpus, pageSizesOf } from './host.js'
import { type Peers, peersOf } from './peers.js'

const THREAD_POLICIES = {
  prefer: THREADS.PREFER,
  require: THREADS.REQUIRE,
  isolate: THREADS.ISOLATE,
  spread: THREADS.SPREAD,
} as const

const MEMORY_POLICIES = {
  strict: MEMORY.STRICT,
  preferred: MEMORY.PREFERRED,
  interleave: MEMORY.INTERLEAVE,
} as const

/** A problem inside of an instance: what is needed to go on with it and to read it back. */
export interface Problem {
  readonly wasm: PlannerExports
  readonly host: Host
  readonly request: Request
  readonly cpus: readonly OnlineCpu[]
  /** Bytes of the host's base page, in which the planner counts memory. */
  readonly basePage: number
  /** The planner's handles, in the order of the request's VMs. */
  readonly handles: readonly number[]
  /** The same by the VM's name. */
  readonly handleOf: ReadonlyMap<string, number>
  readonly peers: ReadonlyMap<string, Peers>
  readonly trust: ReadonlyMap<string, number>
}

/** A VM that is kept off nodes beyond those that its request rules out. */
export interface KeptVm extends RequestVm {
  readonly avoidNodes?: readonly NodeId[]
}

/** The planner's own checks are the last line: what this file lets through has to pass them. */
function accepted(result: number, what: string): number {
  if (result < 0) throw new Error(`planner.wasm refused ${what} with status ${result}`)
  return result
}

/** The same, for calls that may reach a limit of the module that the request's format does not know. */
function within(result: number, where: string, limit: string): void {
  if (result === ERROR.LIMIT) throw new InputError(where, limit, 'more')
  accepted(result, where)
}

/** `copyBytesPerSecond` as `COPY_BYTES_PER_SECOND`: the module's constants have the names of terms, coefficients and constraints. */
export function constantName(name: string): string {
  return name.replace(/(?=[A-Z])|-/g, '_').toUpperCase()
}

function checkCount(where: string, what: string, found: number, most: number): void {
  if (found > most) throw new InputError(where, `at most ${most} ${what}`, `${found}`)
}

function addNodes({ wasm, host, request, basePage }: Problem): void {
  const sizes = pageSizesOf(host)
  checkCount('nodes', 'nodes', host.nodes.length, MAX.NODES)
  checkCount('nodes', 'sizes of pages', sizes.length, MAX.PAGE_SIZES)
  for (const node of host.nodes) accepted(wasm.addNode(node.id, hasMemory(node, request) ? 1 : 0), `node ${node.id}`)
  for (const [at, node] of host.nodes.entries()) {
    const { id } = node
    const bandwidth = bandwidthOf(host, at)
    if (bandwidth !== undefined) accepted(wasm.setBandwidth(id, bandwidth), `the bandwidth of node ${id}`)
    for (const size of sizes) {
      const pages = freePages(node, request, size, basePage)
      accepted(wasm.setPages(id, Math.log2(size), pages), `the pages of node ${id}`)
    }
  }
  for (const { size, pages } of host.limits ?? []) {
    if (sizes.includes(size)) accepted(wasm.setLimit(Math.log2(size), pages), 'a limit')
  }
  const distances = distancesOf(host)
  const hops = hopsOf(host)
  for (const [row, from] of host.nodes.entries()) {
    for (const [column, to] of host.nodes.entries()) {
      accepted(wasm.setDistance(from.id, to.id, distances[row]![column]!), `a distance of node ${from.id}`)
      const hop = hops[row]![column]!
      if (hop !== null) accepted(wasm.setHop(from.id, to.id, hop), `a hop of node ${from.id}`)
    }
  }
}

function addCpus({ wasm, cpus }: Problem): void {
  checkCount('cpus', 'online CPUs', cpus.length, MAX.CPUS)
  for (const { id, node, llc, core, capacity, use } of cpus) {
    accepted(wasm.addCpu(id, node, llc, core, capacity, use), `CPU ${id}`)
  }
}

/** The VM's vCPUs as the planner counts them: through the cells in turn. */
export function vcpuOrder(vm: RequestVm): number[] {
  if (typeof vm.cells === 'object') return vm.cells.flatMap((cell) => cell.vcpus)
  return Array.from({ length: vm.vcpus }, (_, vcpu) => vcpu)
}

function addVcpus({ wasm }: Problem, vm: RequestVm, handle: number, order: readonly number[]): void {
  if (vm.cpuPolicy === 'dedicated') return
  accepted(wasm.setVmShared(handle, vm.demand), 'a demand')
  for (const [index, vcpu] of order.entries()) {
    if (vm.dedicatedVcpus.includes(vcpu)) accepted(wasm.dedicateVcpu(handle, index), 'a dedicated vCPU')
  }
}

function addTraffic({ wasm }: Problem, vm: RequestVm, handle: number, order: readonly number[], at: number): void {
  if (vm.traffic === null) return
  for (const [from, row] of order.entries()) {
    for (const [to, column] of order.entries()) {
      const status = wasm.setVmTraffic(handle, from, to, vm.traffic[row]?.[column] ?? 0)
      within(status, `vms[${at}].traffic`, `matrices of at most ${MAX.TRAFFIC} numbers in all VMs together`)
    }
  }
}

function addCurrent(
  { wasm, host }: Problem,
  current: CurrentPlacement | null,
  handle: number,
  order: readonly number[],
  at: number,
): void {
  if (current === null) return
  for (const [index, vcpu] of order.entries()) {
    for (const cpu of parseCpulist(current.vcpus[vcpu]?.cpus ?? '', { allowEmpty: true })) {
      accepted(wasm.addVmCurrentCpu(handle, index, cpu), 'a current CPU')
    }
  }
  for (const { cell, memory } of current.cells.slice(0, MAX.VM_CELLS)) {
    for (const { node, bytes } of memory) {
      // Memory on a node that is gone counts as nowhere. All that the cell gets is then moved.
      if (!host.nodes.some(({ id }) => id === node)) continue
      const status = wasm.addVmCurrentMemory(handle, cell, node, bytes)
      within(status, `vms[${at}].current`, `at most ${MAX.CURRENT} parts of cells' memory in all VMs`)
    }
  }
}

/** @throws {InputError} at `where`, if the host has not all of these nodes */
function checkNodes(host: Host, nodes: readonly NodeId[], where: string): void {
  const known = host.nodes.map(({ id }) => id)
  const unknown = nodes.filter((node) => !known.includes(node))
  if (unknown.length === 0) return
  throw new InputError(where, `nodes of the host (${formatCpulist(known)})`, formatCpulist(unknown))
}

function addCells({ wasm, basePage }: Problem, { cells }: RequestVm, handle: number, where: string): void {
  if (cells === 'auto') return
  checkCount(`${where}.cells`, 'cells', typeof cells === 'number' ? cells : cells.length, MAX.VM_CELLS)
  if (typeof cells === 'number') {
    accepted(wasm.setVmCells(handle, cells), 'a number of cells')
    return
  }
  for (const [index, { vcpus, memory }] of cells.entries()) {
    checkWhole(memory, basePage, `${where}.cells[${index}].memory`)
    accepted(wasm.addVmCell(handle, vcpus.length, memory / basePage), 'a cell')
  }
}

function checkWhole(bytes: number, basePage: number, where: string): void {
  if (bytes % basePage === 0) return
  throw new InputError(where, `a multiple of the host's page of ${basePage} bytes`, `${bytes} bytes`)
}

function addPageSize({ wasm, host }: Problem, { pageSize }: RequestVm, handle: number, where: string): void {
  if (pageSize === 'any') return
  const sizes = pageSizesOf(host)
  if (!sizes.includes(pageSize)) {
    const expected = `"any" or a page size of the host (${sizes.map(formatBytes).join(', ')})`
    throw new InputError(`${where}.pageSize`, expected, formatBytes(pageSize))
  }
  accepted(wasm.setVmPageSize(handle, Math.log2(pageSize)), 'a page size')
}

/** Nodes that the VM's memory is kept to, nodes that it keeps off, and those of its devices. */
function addTies({ wasm, host, request }: Problem, vm: KeptVm, handle: number, where: string): void {
  checkNodes(host, vm.memoryNodes ?? [], `${where}.memoryNodes`)
  for (const node of vm.memoryNodes ?? []) accepted(wasm.allowVmMemory(handle, node), 'a memory node')
  for (const node of vm.avoidDeviceNodes ? request.deviceNodes : []) {
    accepted(wasm.avoidVmNode(handle, node), 'a node of devices')
  }
  for (const node of vm.avoidNodes ?? []) accepted(wasm.avoidVmNode(handle, node), 'a node to keep off')
  for (const [index, { node, strict }] of vm.devices.entries()) {
    checkNodes(host, [node], `${where}.devices[${index}].node`)
    const limit = `at most ${MAX.LINKS} devices in all VMs together`
    within(wasm.addVmDevice(handle, node, strict ? 1 : 0), `${where}.devices`, limit)
  }
}

/** Adds one VM to the problem; its handle. `at` is its place in the request, for errors. */
export function addVm(problem: Problem, vm: RequestVm, at: number): number {
  const { wasm, basePage } = problem
  const where = `vms[${at}]`
  checkWhole(vm.memory, basePage, `${where}.memory`)
  const handle = accepted(wasm.addVm(vm.vcpus, vm.memory / basePage), vm.name)
  try {
    describeVm(problem, vm, handle, at)
  } catch (error) {
    wasm.removeVm(handle)
    throw error
  }
  return handle
}

function describeVm(problem: Problem, vm: RequestVm, handle: number, at: number): void {
  const { wasm, trust } = problem
  const where = `vms[${at}]`
  const order = vcpuOrder(vm)
  addCells(problem, vm, handle, where)
  accepted(wasm.setVmSpan(handle, vm.span ? 1 : 0), 'span')
  accepted(wasm.setVmMemory(handle, MEMORY_POLICIES[vm.memoryPolicy]), 'a memory policy')
  accepted(wasm.setVmThreads(handle, THREAD_POLICIES[vm.threadPolicy]), 'a thread policy')
  addVcpus(problem, vm, handle, order)
  addTraffic(problem, vm, handle, order, at)
  addCurrent(problem, vm.current, handle, order, at)
  if (vm.emulator === 'dedicated') {
    const limit = `at most ${MAX.VCPUS} threads with CPUs of their own in all VMs together`
    within(wasm.setVmThreadCpus(handle, 1 + vm.iothreads), `${where}.iothreads`, limit)
  }
  if (vm.trust !== null) accepted(wasm.setVmTrust(handle, trust.get(vm.trust) ?? 0), 'a trust domain')
  addPageSize(problem, vm, handle, where)
  addTies(problem, vm, handle, where)
  accepted(wasm.setVmWeight(handle, vm.weight), 'a weight')
  accepted(wasm.setVmMemoryBound(handle, vm.memoryBound), 'memoryBound')
  accepted(wasm.setVmBandwidth(handle, vm.bandwidth), 'bandwidth')
}

/** Enters what a VM that is not placed and others ask of each other; `handleOf` gives the other's handle, if it has one. */
export function relateVm(
  { wasm, peers }: Problem,
  handle: number,
  vm: RequestVm,
  handleOf: (name: string) => number | undefined,
): void {
  const limit = `at most ${MAX.LINKS} relations (separateFrom, near) between VMs`
  const relate = (names: ReadonlySet<string>, enter: (peer: number) => number) => {
    for (const name of names) {
      const peer = handleOf(name)
      if (peer !== undefined) within(enter(peer), 'vms', limit)
    }
  }
  const { separate, near } = peers.get(vm.name) ?? NO_PEERS
  relate(separate, (peer) => wasm.separateVms(handle, peer))
  relate(near, (peer) => wasm.nearVms(handle, peer))
}

const NO_PEERS: Peers = { separate: new Set(), near: new Set() }

/** They have the default wishes: they keep off nodes of devices. */
function addExpected({ wasm, request, basePage }: Problem): void {
  const { expect, deviceNodes } = request
  for (const [at, { vcpus, memory, share }] of expect.entries()) {
    checkWhole(memory, basePage, `expect[${at}].memory`)
    accepted(wasm.expectVm(vcpus, memory / basePage, share), 'a size that is expected')
  }
  for (const node of expect.length > 0 ? deviceNodes : []) accepted(wasm.keepExpectedOff(node), 'a node of devices')
}

function addVms(problem: Problem): Map<string, number> {
  const handles = new Map<string, number>()
  for (const [at, vm] of problem.request.vms.entries()) {
    const handle = addVm(problem, vm, at)
    relateVm(problem, handle, vm, (name) => handles.get(name))
    handles.set(vm.name, handle)
  }
  return handles
}

/**
 * Puts host and request into an instance of planner.wasm (whatever it held before is gone).
 * @throws {InputError} where the request asks for something that the host does not have
 */
export function buildProblem(wasm: PlannerExports, host: Host, request: Request): Problem {
  const known = new Set(host.cpus.map(({ id }) => id))
  const { cpus, nodes } = request.reserve
  const unknown = ('allBut' in cpus ? [] : cpus).filter((cpu) => !known.has(cpu))
  if (unknown.length > 0) throw new InputError('reserve.cpus', 'CPUs of the host', formatCpulist(unknown))
  checkNodes(host, nodes, 'reserve.nodes')
  checkNodes(host, request.deviceNodes, 'deviceNodes')
  wasm.reset()
  const names = [...new Set(request.vms.flatMap((vm) => vm.trust ?? []))]
  const problem = {
    wasm,
    host,
    request,
    cpus: onlineCpus(host, request),
    basePage: pageSizesOf(host)[0]!,
    handles: [],
    handleOf: new Map<string, number>(),
    peers: peersOf(request),
    trust: new Map(names.map((name, domain) => [name, domain])),
  }
  addNodes(problem)
  addCpus(problem)
  const { model, overcommit, strategy } = request
  const numbers: Readonly<Record<string, number>> = MODEL
  for (const [name, value] of Object.entries({ smt: smtOf(host), ...model })) {
    accepted(wasm.setModel(numbers[constantName(name)] ?? -1, value), `model.${name}`)
  }
  accepted(wasm.setOvercommit(overcommit), 'overcommit')
  accepted(wasm.setStrategy(strategy === 'spread' ? STRATEGY.SPREAD : STRATEGY.PACK), 'strategy')
  addExpected(problem)
  const handleOf = addVms(problem)
  return { ...problem, handles: [...handleOf.values()], handleOf }
}
