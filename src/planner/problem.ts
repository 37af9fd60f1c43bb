/** Host + Request -> the problem in an instance of planner.wasm. */

import { parseCpulist } from '../cpulist.js'
import { InputError } from '../errors.js'
import type { CurrentPlacement, Host, HostCpu, Request, RequestVm } from '../types.js'
import { ERROR, MAX, MEMORY, MODEL, type PlannerExports, STRATEGY, THREADS } from './generated/abi.js'

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
  /** Bytes of the host's base page, in which the planner counts memory. */
  readonly basePage: number
  /** The planner's handles, in the order of the request's VMs. */
  readonly handles: readonly number[]
  readonly trust: ReadonlyMap<string, number>
}

/** The planner's own checks are the last line: what this file lets through has to pass them. */
function accepted(result: number, what: string): number {
  if (result < 0) throw new Error(`planner.wasm refused ${what} with status ${result}`)
  return result
}

function log2(size: number): number {
  return 31 - Math.clz32(size)
}

export function isReserved({ id }: HostCpu, { reserve: { cpus } }: Request): boolean {
  return 'allBut' in cpus ? !cpus.allBut.includes(id) : cpus.includes(id)
}

export function isUsable(cpu: HostCpu, request: Request): boolean {
  return cpu.online && cpu.allowed && cpu.node !== null && !isReserved(cpu, request)
}

function basePageOf(host: Host): number {
  return Math.min(...host.nodes.flatMap((node) => node.pages.map(({ size }) => size)), 4096 * 16)
}

function addNodes({ wasm, host, request, basePage }: Problem): void {
  if (host.nodes.length > MAX.NODES) throw new InputError('nodes', `at most ${MAX.NODES} nodes`, `${host.nodes.length}`)
  for (const { id, memory } of host.nodes) accepted(wasm.addNode(id, memory.total === 0 ? 0 : 1), `node ${id}`)
  for (const { id, memory, pages, bandwidth } of host.nodes) {
    if (bandwidth !== undefined) accepted(wasm.setBandwidth(id, bandwidth), `the bandwidth of node ${id}`)
    const left = Math.max(0, (memory.free ?? 0) - request.reserve.memory)
    accepted(wasm.setPages(id, log2(basePage), Math.floor(left / basePage)), `the memory of node ${id}`)
    for (const { size, free } of pages) {
      if (size > basePage) accepted(wasm.setPages(id, log2(size), free ?? 0), `the pages of node ${id}`)
    }
  }
  for (const [row, from] of host.nodes.entries()) {
    for (const [column, to] of host.nodes.entries()) {
      const distance = host.distances[row]?.[column]
      if (distance !== undefined) accepted(wasm.setDistance(from.id, to.id, distance), `a distance of node ${from.id}`)
    }
  }
}

function addCpus({ wasm, host, request }: Problem): void {
  const cpus = host.cpus.filter(({ online, node }) => online && node !== null)
  if (cpus.length > MAX.CPUS) throw new InputError('cpus', `at most ${MAX.CPUS} online CPUs`, `${cpus.length}`)
  for (const cpu of cpus) {
    const { id, node, llc, core, capacity } = cpu
    const usable = isUsable(cpu, request) && llc !== null && core !== null
    accepted(wasm.addCpu(id, node ?? 0, llc ?? 0, core ?? 0, capacity ?? 1024, usable ? 1 : 0), `CPU ${id}`)
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
      if (status === ERROR.LIMIT) {
        const expected = `matrices of at most ${MAX.TRAFFIC} numbers in all VMs together`
        throw new InputError(`vms[${at}].traffic`, expected, `${vm.vcpus ** 2} more`)
      }
      accepted(status, 'traffic')
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
      // What is on a node that is gone is nowhere: all that the cell gets is moved.
      if (!host.nodes.some(({ id }) => id === node)) continue
      const status = wasm.addVmCurrentMemory(handle, cell, node, bytes)
      if (status === ERROR.LIMIT) {
        throw new InputError(`vms[${at}].current`, `at most ${MAX.CURRENT} parts of cells' memory in all VMs`, 'more')
      }
      accepted(status, 'current memory')
    }
  }
}

/** Adds one VM to the problem; its handle. `at` is its place in the request, for errors. */
export function addVm(problem: Problem, vm: RequestVm, at: number): number {
  const { wasm, host, basePage, trust } = problem
  if (vm.memory % basePage !== 0) {
    throw new InputError(
      `vms[${at}].memory`,
      `a multiple of the host's page of ${basePage} bytes`,
      `${vm.memory} bytes`,
    )
  }
  const handle = accepted(wasm.addVm(vm.vcpus, vm.memory / basePage), vm.name)
  if (typeof vm.cells === 'number') {
    if (vm.cells > MAX.VM_CELLS) throw new InputError(`vms[${at}].cells`, `at most ${MAX.VM_CELLS}`, `${vm.cells}`)
    accepted(wasm.setVmCells(handle, vm.cells), 'a number of cells')
  } else if (vm.cells !== 'auto') {
    if (vm.cells.length > MAX.VM_CELLS) {
      throw new InputError(`vms[${at}].cells`, `at most ${MAX.VM_CELLS}`, `${vm.cells.length}`)
    }
    for (const [index, cell] of vm.cells.entries()) {
      if (cell.memory % basePage !== 0) {
        const expected = `a multiple of the host's page of ${basePage} bytes`
        throw new InputError(`vms[${at}].cells[${index}].memory`, expected, `${cell.memory} bytes`)
      }
      accepted(wasm.addVmCell(handle, cell.vcpus.length, cell.memory / basePage), 'a cell')
    }
  }
  const order = vcpuOrder(vm)
  accepted(wasm.setVmSpan(handle, vm.span ? 1 : 0), 'span')
  accepted(wasm.setVmMemory(handle, MEMORY_POLICIES[vm.memoryPolicy]), 'a memory policy')
  accepted(wasm.setVmThreads(handle, THREAD_POLICIES[vm.threadPolicy]), 'a thread policy')
  addVcpus(problem, vm, handle, order)
  addTraffic(problem, vm, handle, order, at)
  addCurrent(problem, vm.current, handle, order, at)
  if (vm.emulator === 'dedicated') accepted(wasm.setVmThreadCpus(handle, 1 + vm.iothreads), 'the emulator')
  if (vm.trust !== null) accepted(wasm.setVmTrust(handle, trust.get(vm.trust) ?? 0), 'a trust domain')
  if (vm.pageSize !== 'any') accepted(wasm.setVmPageSize(handle, log2(vm.pageSize)), 'a page size')
  accepted(wasm.setVmWeight(handle, vm.weight), 'a weight')
  accepted(wasm.setVmMemoryBound(handle, vm.memoryBound), 'memoryBound')
  accepted(wasm.setVmBandwidth(handle, vm.bandwidth), 'bandwidth')
  for (const [index, { node, strict }] of vm.devices.entries()) {
    if (!host.nodes.some(({ id }) => id === node)) {
      const expected = `a node of the host (${host.nodes.map(({ id }) => id).join(', ')})`
      throw new InputError(`vms[${at}].devices[${index}].node`, expected, `${node}`)
    }
    accepted(wasm.addVmDevice(handle, node, strict ? 1 : 0), 'a device')
  }
  return handle
}

/** Enters what a VM that is not placed and others ask of each other; `handleOf` gives the other's handle, if it has one. */
export function relateVm(
  { wasm, request }: Problem,
  handle: number,
  vm: RequestVm,
  handleOf: (name: string) => number | undefined,
): void {
  for (const other of request.vms) {
    const peer = handleOf(other.name)
    if (peer === undefined || other.name === vm.name) continue
    const separate = vm.separateFrom.includes(other.name) || other.separateFrom.includes(vm.name)
    const near = vm.near.includes(other.name) || other.near.includes(vm.name)
    if (separate) accepted(wasm.separateVms(handle, peer), 'separateFrom')
    if (near) accepted(wasm.nearVms(handle, peer), 'near')
  }
}

function addVms(problem: Problem): number[] {
  const handles = new Map<string, number>()
  for (const [at, vm] of problem.request.vms.entries()) {
    const handle = addVm(problem, vm, at)
    relateVm(problem, handle, vm, (name) => handles.get(name))
    handles.set(vm.name, handle)
  }
  return [...handles.values()]
}

/**
 * Puts host and request into an instance of planner.wasm (whatever it held before is gone).
 * @throws {InputError} where the request asks for something that the host does not have
 */
export function buildProblem(wasm: PlannerExports, host: Host, request: Request): Problem {
  const known = new Set(host.cpus.map(({ id }) => id))
  const { cpus } = request.reserve
  const unknown = ('allBut' in cpus ? [] : cpus).filter((cpu) => !known.has(cpu))
  if (unknown.length > 0) throw new InputError('reserve.cpus', 'CPUs of the host', `${unknown.join(',')}`)
  wasm.reset()
  const names = [...new Set(request.vms.flatMap((vm) => vm.trust ?? []))]
  const trust = new Map(names.map((name, domain) => [name, domain]))
  const problem = { wasm, host, request, basePage: basePageOf(host), handles: [], trust }
  addNodes(problem)
  addCpus(problem)
  const { model, overcommit, strategy } = request
  accepted(wasm.setModel(MODEL.HOME, model.home), 'model.home')
  accepted(wasm.setModel(MODEL.COMMUNICATION, model.communication), 'model.communication')
  accepted(wasm.setModel(MODEL.SMT, model.smt), 'model.smt')
  accepted(wasm.setModel(MODEL.DEVICE, model.device), 'model.device')
  accepted(wasm.setModel(MODEL.COPY, model.copyBytesPerSecond), 'model.copyBytesPerSecond')
  accepted(wasm.setModel(MODEL.HORIZON, model.horizonSeconds), 'model.horizonSeconds')
  accepted(wasm.setOvercommit(overcommit), 'overcommit')
  accepted(wasm.setStrategy(strategy === 'spread' ? STRATEGY.SPREAD : STRATEGY.PACK), 'strategy')
  return { ...problem, handles: addVms(problem) }
}
