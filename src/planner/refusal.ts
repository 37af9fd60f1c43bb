/** Why a VM was refused, in words with the numbers of each node. */

import { formatCpulist } from '../cpulist.js'
import type { Host, Refusal, RequestVm } from '../types.js'
import { formatBytes } from '../units.js'
import { BECAUSE } from './generated/abi.js'
import type { Problem } from './problem.js'
import { MICRO } from './read.js'

/** Constraint ids of the model by the planner's bits, in the order in which they are told. */
const CONSTRAINTS = Object.entries(BECAUSE)
  .map(([name, bit]) => [bit, name.toLowerCase().replaceAll('_', '-')] as const)
  .sort(([a], [b]) => a - b)

/** A problem of which the plan stays as it is, and what was told of its nodes so far: VMs that ask for the same are told the same. */
export interface Telling extends Problem {
  readonly told: Map<string, string>
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Of more nodes those that have the same are told together. */
const FEW_NODES = 8

/**
 * "node 0 has 4 ..., node 1 has 6 ...". Nodes of which `of` says the same are described alike.
 * @param asked all that the text depends on beside the plan
 */
function perNode<What>(
  { host, told }: Telling,
  asked: readonly unknown[],
  of: (node: number) => What,
  describe: (what: What) => string,
): string {
  const key = JSON.stringify(asked)
  const text = told.get(key) ?? tellNodes(host, of, describe)
  told.set(key, text)
  return text
}

function tellNodes<What>(host: Host, of: (node: number) => What, describe: (what: What) => string): string {
  if (host.nodes.length <= FEW_NODES) return host.nodes.map(({ id }) => `node ${id} ${describe(of(id))}`).join(', ')
  const alike = new Map<What, number[]>()
  let last: { what: What; ids: number[] } | undefined
  for (const { id } of host.nodes) {
    const what = of(id)
    // Neighbours are most often alike.
    if (last === undefined || last.what !== what) last = { what, ids: alike.get(what) ?? [] }
    if (last.ids.length === 0) alike.set(what, last.ids)
    last.ids.push(id)
  }
  const named = (ids: readonly number[]) =>
    ids.length === 1 ? `node ${ids[0]}` : `each of the nodes ${formatCpulist(ids)}`
  return [...alike].map(([what, ids]) => `${named(ids)} ${describe(what)}`).join(', ')
}

const asItIs = (text: string) => text

function wantedCells(vm: RequestVm): string {
  if (vm.cells === 'auto') return `${plural(vm.vcpus, 'vCPU')} in any number of cells`
  if (typeof vm.cells === 'number') return `${plural(vm.vcpus, 'vCPU')} in ${plural(vm.cells, 'cell')}`
  return `cells of ${vm.cells.map(({ vcpus }) => vcpus.length).join(', ')} vCPUs`
}

function wantedMemory(vm: RequestVm): string {
  if (typeof vm.cells === 'object') return `cells of ${vm.cells.map(({ memory }) => formatBytes(memory)).join(', ')}`
  const cells = vm.cells === 'auto' ? '' : ` in ${plural(vm.cells, 'cell')}`
  return `${formatBytes(vm.memory)}${cells}`
}

function placeOfMemory({ memoryPolicy }: RequestVm): string {
  if (memoryPolicy === 'interleave') return "divides a cell's memory evenly among the nodes of the VM's vCPUs"
  return "keeps a cell's memory on the nodes of its vCPUs"
}

function pagesWord(vm: RequestVm): string {
  return vm.pageSize === 'any' ? 'memory' : `memory in pages of ${formatBytes(vm.pageSize)}`
}

function freeMemory({ wasm, host, request, basePage }: Problem, vm: RequestVm, node: number): string {
  const size = vm.pageSize === 'any' ? basePage : vm.pageSize
  const pages = wasm.pagesLeft(node, Math.log2(size))
  const { memory, allowed } = host.nodes.find(({ id }) => id === node)!
  if (allowed === false) return 'is outside of the cpuset'
  if (request.reserve.nodes.includes(node)) return 'is left out'
  if (vm.memoryNodes?.includes(node) === false) return 'is none of its memoryNodes'
  return memory.free === null
    ? 'does not say how much it has free'
    : `has ${formatBytes(Math.max(0, pages) * size)} free`
}

/** What limits pages of the VM's size, or of each size where it takes any. */
function limitsText({ wasm, host }: Problem, { pageSize }: RequestVm): string {
  const limits = (host.limits ?? []).filter(({ size }) => pageSize === 'any' || size === pageSize)
  const left = limits.flatMap(({ size, cause }) => {
    const pages = wasm.pagesLeftOfLimit(Math.log2(size))
    return pages < 0 ? [] : [`${formatBytes(pages * size)} in pages of ${formatBytes(size)} (${cause})`]
  })
  return left.join(', ')
}

/** What a node's room for the VM depends on, as `roomFor` has it. */
function asksRoom({ cpuPolicy, dedicatedVcpus, threadPolicy, trust, demand }: RequestVm): readonly unknown[] {
  return [cpuPolicy === 'dedicated' || dedicatedVcpus.length > 0, threadPolicy, trust, demand]
}

function textFor(problem: Telling, vm: RequestVm, handle: number, constraint: number, clash: number): string {
  const { wasm } = problem
  const room = (node: number, relaxed = 0) => wasm.roomFor(handle, node, relaxed)
  const free = () => perNode(problem, ['free', ...asksRoom(vm)], room, (vcpus) => `has room for ${vcpus}`)
  const memory = () =>
    perNode(problem, ['memory', vm.pageSize, vm.memoryNodes], (node) => freeMemory(problem, vm, node), asItIs)
  const without = () => {
    const alone = ~clash | constraint
    const asked = ['without', alone, ...asksRoom(vm)]
    return perNode(problem, asked, (node) => `${room(node)}, without that ${room(node, alone)}`, asItIs)
  }
  switch (constraint) {
    case BECAUSE.CPU_EXCLUSIVE:
      return `it wants ${wantedCells(vm)}, each on a CPU of its own (${vm.threadPolicy}): ${free()}`
    case BECAUSE.CELL_NODE:
      return `the vCPUs of a cell are on one node; it wants ${wantedCells(vm)}: ${free()}`
    case BECAUSE.THREAD_POLICY: {
      const keepsCores = vm.threadPolicy === 'isolate' || vm.threadPolicy === 'require'
      const whose = keepsCores ? `its threadPolicy "${vm.threadPolicy}"` : 'VMs of threadPolicy "isolate" or "require"'
      return `${whose} keep${keepsCores ? 's' : ''} cores from being shared; room for its ${plural(vm.vcpus, 'vCPU')}: ${without()}`
    }
    case BECAUSE.TRUST:
      return `VMs of other trust domains than ${vm.trust === null ? 'its own' : `"${vm.trust}"`} have the cores; room for its ${plural(vm.vcpus, 'vCPU')}: ${without()}`
    case BECAUSE.OVERCOMMIT: {
      const loadOf = (node: number) =>
        `has ${plural(wasm.sharedCpus(node), 'shared CPU')} with a demand of ${wasm.sharedDemand(node) / MICRO}`
      const load = perNode(problem, ['load'], loadOf, asItIs)
      const demand = Math.round(vm.vcpus * vm.demand * MICRO) / MICRO
      const wants = vm.cpuPolicy === 'shared' ? `it adds a demand of ${demand}` : 'it takes CPUs that shared vCPUs need'
      return `${wants}, and each shared CPU takes a demand of ${problem.request.overcommit} at the most: ${load}`
    }
    case BECAUSE.EMULATOR:
      return `${plural(1 + vm.iothreads, 'more CPU')} for its emulator and I/O threads on the node of its first cell: ${free()}`
    case BECAUSE.MEMORY_CAPACITY:
      return `it wants ${wantedMemory(vm)} of ${pagesWord(vm)}: ${memory()}`
    case BECAUSE.MEMORY_LIMIT:
      return `it wants ${wantedMemory(vm)} of ${pagesWord(vm)}, and all nodes together give no more than ${limitsText(problem, vm)}`
    case BECAUSE.MEMORY_NODES: {
      const nodes = formatCpulist(vm.memoryNodes ?? [])
      return `its memory is kept to the nodes ${nodes}: ${memory()}`
    }
    case BECAUSE.DEVICE_NODES:
      return `it keeps off the nodes of devices, ${formatCpulist(problem.request.deviceNodes)}: ${free()}`
    case BECAUSE.MEMORY_POLICY:
      return `memoryPolicy "${vm.memoryPolicy}" ${placeOfMemory(vm)}: ${memory()}`
    case BECAUSE.PAGE_SIZE: {
      if (vm.pageSize === 'any') return `it wants ${wantedMemory(vm)} in whole pages`
      const size = formatBytes(vm.pageSize)
      if (vm.memory % vm.pageSize !== 0) return `its ${formatBytes(vm.memory)} are no whole number of pages of ${size}`
      return `it wants ${wantedMemory(vm)} in pages of ${size}: ${memory()}`
    }
    case BECAUSE.DEVICE: {
      const nodes = formatCpulist(vm.devices.filter(({ strict }) => strict).map(({ node }) => node))
      return `a cell has to be on each of the devices' nodes ${nodes}: ${free()}`
    }
    case BECAUSE.SEPARATE:
      return `it shares no node with the VMs that it is kept apart from: ${free()}`
    case BECAUSE.NEAR:
      return `its first cell is on the first node of the VMs that it is near to: ${free()}`
    default:
      return free()
  }
}

/** Why the VM with this handle is not in the plan. */
export function becauseOf(problem: Telling, vm: RequestVm, handle: number): Refusal['because'] {
  const clash = problem.wasm.refusal(handle)
  const because = CONSTRAINTS.filter(([bit]) => (clash & bit) !== 0).map(([bit, constraint]) => {
    return { constraint, text: textFor(problem, vm, handle, bit, clash) }
  })
  if (because.length > 0) return because
  const rooms = perNode(
    problem,
    ['any', ...asksRoom(vm)],
    (node) => problem.wasm.roomFor(handle, node, BECAUSE.CPU_EXCLUSIVE) > 0,
    (takes) => `has room for ${takes ? 'vCPUs' : 'none'}`,
  )
  if (problem.wasm.refusalProven(handle) !== 1) {
    return [{ constraint: 'unknown', text: `the search found no place for it, and not what keeps it out: ${rooms}` }]
  }
  const cpu = vm.cpuPolicy === 'dedicated' ? 'a usable CPU' : 'a usable CPU that is not isolated'
  return [{ constraint: 'cpu-usable', text: `no node has both ${cpu} and memory for it: ${rooms}` }]
}
