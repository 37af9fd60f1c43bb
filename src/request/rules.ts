/** Rules between the fields of a request. Each function throws an InputError at the field that does not fit. */

import { formatCpulist } from '../cpulist.js'
import { InputError, show } from '../errors.js'
import { formatBytes } from '../units.js'
import { MAX_VCPUS, MAX_VMS } from './schema.js'
import type { VmWithSets } from './vcpu-sets.js'

/** What the request says of the nodes of its host. */
export interface NodeLists {
  readonly reserve: { readonly nodes: readonly number[] }
  readonly deviceNodes: readonly number[]
}

export function checkTogether(vms: readonly VmWithSets[], nodes: NodeLists): void {
  checkNames(vms)
  for (const [at, vm] of vms.entries()) {
    const where = `vms[${at}]`
    checkCells(vm, where)
    checkDedicated(vm, where)
    checkTraffic(vm, where)
    checkCurrent(vm, where)
    checkMemoryNodes(vm, where, nodes)
  }
}

function checkNames(vms: readonly VmWithSets[]): void {
  const places = new Map<string, number>()
  for (const [at, { name }] of vms.entries()) {
    const earlier = places.get(name)
    if (earlier !== undefined) {
      throw new InputError(`vms[${at}].name`, 'a name of its own', `${show(name)}, the name of vms[${earlier}] too`)
    }
    places.set(name, at)
  }
  for (const [at, vm] of vms.entries()) {
    for (const relation of ['separateFrom', 'near'] as const) {
      for (const [index, other] of vm[relation].entries()) {
        if (other !== vm.name && places.has(other)) continue
        const got = other === vm.name ? `${show(other)}, the VM itself` : show(other)
        throw new InputError(`vms[${at}].${relation}[${index}]`, 'the name of another VM of the request', got)
      }
    }
  }
}

/** Shares of one size would add up: that is more likely a slip. */
export function checkExpected(expected: readonly { readonly vcpus: number; readonly memory: number }[]): void {
  const places = new Map<string, number>()
  for (const [at, { vcpus, memory }] of expected.entries()) {
    const size = `${vcpus} ${memory}`
    const earlier = places.get(size)
    if (earlier !== undefined) {
      const got = `${vcpus} vCPUs with ${formatBytes(memory)}, the size of expect[${earlier}] too`
      throw new InputError(`expect[${at}]`, 'a size of its own', got)
    }
    places.set(size, at)
  }
}

/** Before each of them is read. */
export function checkCount(input: unknown): void {
  const vms: unknown = typeof input === 'object' && input !== null ? Reflect.get(input, 'vms') : undefined
  if (Array.isArray(vms) && vms.length > MAX_VMS) throw new InputError('vms', `at most ${MAX_VMS} elements`, show(vms))
}

/** Before anything is as large as the number of vCPUs. */
export function checkTotal(vms: readonly { readonly vcpus: number }[]): void {
  const total = vms.reduce((sum, vm) => sum + vm.vcpus, 0)
  if (total > MAX_VCPUS) throw new InputError('vms', `at most ${MAX_VCPUS} vCPUs in all`, `${total}`)
}

function checkCells(vm: VmWithSets, where: string): void {
  const { cells } = vm
  if (cells === 'auto') return
  const count = typeof cells === 'number' ? cells : cells.length
  if (count < 1 || count > vm.vcpus) {
    throw new InputError(`${where}.cells`, `"auto", or 1 to ${vm.vcpus} cells, as many as it has vCPUs`, `${count}`)
  }
  if (typeof cells === 'number') return
  const owner = new Map<number, number>()
  for (const [at, cell] of cells.entries()) {
    for (const vcpu of cell.vcpus) {
      const other = owner.get(vcpu)
      if (other !== undefined) {
        const got = `${vcpu}, which is in cells[${other}] too`
        throw new InputError(`${where}.cells[${at}].vcpus`, 'vCPUs that no other cell has', got)
      }
      owner.set(vcpu, at)
    }
  }
  const missing = numbersBelow(vm.vcpus).filter((vcpu) => !owner.has(vcpu))
  if (missing.length > 0) {
    const got = `none with vCPU ${formatCpulist(missing)}`
    throw new InputError(`${where}.cells`, `cells that hold all vCPUs 0-${vm.vcpus - 1}`, got)
  }
  const memory = cells.reduce((sum, cell) => sum + cell.memory, 0)
  if (memory !== vm.memory) {
    const expected = `cells whose memory adds up to the VM's ${vm.memory} bytes`
    throw new InputError(`${where}.cells`, expected, `${memory} bytes`)
  }
}

function checkDedicated(vm: VmWithSets, where: string): void {
  const place = `${where}.dedicatedVcpus`
  if (vm.cpuPolicy === 'mixed') {
    if (vm.dedicatedVcpus === undefined) {
      throw new InputError(place, 'a cpulist of the dedicated vCPUs, for cpuPolicy "mixed"', 'nothing')
    }
  } else if (vm.dedicatedVcpus !== undefined) {
    throw new InputError(place, 'nothing, unless cpuPolicy is "mixed"', show(formatCpulist(vm.dedicatedVcpus)))
  }
}

function checkTraffic(vm: VmWithSets, where: string): void {
  if (vm.traffic === 'uniform') return
  const size = vm.vcpus
  if (vm.traffic.length !== size) {
    throw new InputError(`${where}.traffic`, `${size} rows, one for each vCPU`, `${vm.traffic.length}`)
  }
  for (const [at, row] of vm.traffic.entries()) {
    if (row.length === size) continue
    throw new InputError(`${where}.traffic[${at}]`, `${size} numbers, one for each vCPU`, `${row.length}`)
  }
}

/** `current` names the vCPUs and the cells in order, as a plan does, and every vCPU is in one of its cells. */
function checkCurrent(vm: VmWithSets, where: string): void {
  if (vm.current === undefined) return
  const { cells, vcpus } = vm.current
  const place = `${where}.current`
  if (vcpus.length !== vm.vcpus) {
    throw new InputError(`${place}.vcpus`, `all ${vm.vcpus} vCPUs of the VM`, `${vcpus.length}`)
  }
  for (const [at, { cell }] of cells.entries()) {
    if (cell !== at) throw new InputError(`${place}.cells[${at}].cell`, `${at}: cells in their order`, `${cell}`)
  }
  for (const [at, { vcpu, cell }] of vcpus.entries()) {
    if (vcpu !== at) throw new InputError(`${place}.vcpus[${at}].vcpu`, `${at}: vCPUs in their order`, `${vcpu}`)
    if (cell < cells.length) continue
    throw new InputError(`${place}.vcpus[${at}].cell`, `a cell from 0 to ${cells.length - 1}`, `${cell}`)
  }
}

/** Some of its nodes are for it: neither reserved nor, where it keeps off them, nodes of devices. */
function checkMemoryNodes(vm: VmWithSets, where: string, { reserve, deviceNodes }: NodeLists): void {
  const { memoryNodes } = vm
  if (memoryNodes === undefined) return
  const place = `${where}.memoryNodes`
  const free = memoryNodes.filter((node) => !reserve.nodes.includes(node))
  if (free.length === 0) {
    throw new InputError(place, 'a node that is not in reserve.nodes', show(formatCpulist(memoryNodes)))
  }
  if (!avoidsDevices(vm, deviceNodes) || free.some((node) => !deviceNodes.includes(node))) return
  const expected = 'a node that is not in deviceNodes, or avoidDeviceNodes false'
  throw new InputError(place, expected, show(formatCpulist(memoryNodes)))
}

/** Whether it keeps off the nodes of devices: by default where it has none itself. */
export function avoidsDevices({ avoidDeviceNodes, devices }: VmWithSets, deviceNodes: readonly number[]): boolean {
  return avoidDeviceNodes ?? (deviceNodes.length > 0 && devices.length === 0)
}

export function checkRange(vcpus: readonly number[], count: number, where: string): void {
  const beyond = vcpus.filter((vcpu) => vcpu >= count)
  if (beyond.length > 0) throw new InputError(where, `vCPUs from 0 to ${count - 1}`, formatCpulist(beyond))
}

function numbersBelow(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at)
}
