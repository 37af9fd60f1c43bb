/** The constraints on single CPUs: cpu-usable, cpu-exclusive, isolated (of shared vCPUs), cell-node. */

import { formatCpulist } from '../cpulist.js'
import { assertNever, type Finding } from '../errors.js'
import type { CpuId } from '../types.js'
import type { Machine } from './machine.js'
import type { Holder, Occupancy } from './occupancy.js'
import type { PlacedCell, PlacedVcpu, PlacedVm } from './placement.js'
import type { Violation } from './violation.js'

export function checkUsable(machine: Machine, occupancy: Occupancy): Finding[] {
  return [...occupancy.ofVm.values()].flat().flatMap((holder) => {
    const why = whyUnusable(machine, holder.cpu)
    if (why === undefined) return []
    const text = `${holder.text} is on CPU ${holder.cpu}, which is ${why}`
    return [{ constraint: 'cpu-usable', ...placeOf(holder), text }]
  })
}

function whyUnusable(machine: Machine, id: CpuId): string | undefined {
  const cpu = machine.cpus.get(id)
  if (cpu === undefined) return 'not online'
  if (cpu.usable) return undefined
  return machine.reservedOfCore.get(cpu.core)?.includes(cpu) ? 'reserved' : 'not in the cpuset of this process'
}

export function checkExclusive(machine: Machine, occupancy: Occupancy, vms: readonly PlacedVm[]): Violation[] {
  return [
    ...vms.flatMap((vm) => vm.vcpus.flatMap((vcpu) => checkOwnership(machine, occupancy, vm, vcpu))),
    ...clashes(occupancy),
  ]
}

/** A dedicated vCPU has one CPU, a shared one floats over all shared CPUs of its node, and each is what was asked for. */
function checkOwnership(machine: Machine, occupancy: Occupancy, vm: PlacedVm, placed: PlacedVcpu): Finding[] {
  const { vcpu, cell, cpus, cpulist, dedicated, node } = placed
  const found = (constraint: string, text: string): Finding[] => [
    { constraint, vm: vm.name, cell, vcpu, text: `${vm.name}: vCPU ${vcpu} ${text}` },
  ]
  if (dedicated !== isDedicated(vm, vcpu)) {
    return found('cpu-exclusive', `is ${dedicated ? 'dedicated, shared' : 'shared, dedicated'} was asked for`)
  }
  if (dedicated) return cpus.length === 1 ? [] : found('cpu-exclusive', `has ${cpus.length} CPUs, not 1`)
  const wanted = occupancy.shared(node)
  if (cpulist === wanted.cpulist) return []
  const shared = new Set(wanted.cpus)
  const more = cpus.filter((cpu) => !shared.has(cpu))
  const isolated = isolatedOf(machine, more)
  if (isolated.length > 0) return found('isolated', `floats over CPUs ${formatCpulist(isolated)}, which are isolated`)
  const text = `floats over CPUs ${cpulist || 'none'}, the shared CPUs of node ${node} are ${wanted.cpulist || 'none'}`
  return found(more.length > 0 ? 'cpu-exclusive' : 'overcommit', text)
}

export function isolatedOf(machine: Machine, cpus: readonly CpuId[]): CpuId[] {
  return cpus.filter((cpu) => machine.cpus.get(cpu)?.isolated === true)
}

function isDedicated(vm: PlacedVm, vcpu: number): boolean {
  const { cpuPolicy, dedicatedVcpus } = vm.request
  switch (cpuPolicy) {
    case 'dedicated':
      return true
    case 'shared':
      return false
    case 'mixed':
      return dedicatedVcpus.includes(vcpu)
    default:
      return assertNever(cpuPolicy)
  }
}

function clashes(occupancy: Occupancy): Violation[] {
  return [...occupancy.ofCpu].flatMap(([cpu, holders]) => {
    if (holders.length < 2) return []
    const vcpu = holders.find((holder) => holder.vcpu !== undefined)
    const constraint = vcpu === undefined ? 'emulator' : 'cpu-exclusive'
    const names = holders.map((holder) => holder.text).join(' and ')
    const text = `CPU ${cpu} is given to ${names}`
    return [{ constraint, ...placeOf(vcpu ?? holders[0]!), text, parties: partiesOf(holders) }]
  })
}

/** Who, and where. */
export function partiesOf(holders: readonly Holder[]): string[] {
  return holders.map((holder) => `${holder.text} on CPU ${holder.cpu}`)
}

export function placeOf({ vm, cell, vcpu }: Holder): Pick<Finding, 'vm' | 'cell' | 'vcpu'> {
  return { vm: vm.name, ...(cell === undefined ? {} : { cell }), ...(vcpu === undefined ? {} : { vcpu }) }
}

export function checkCellNodes(machine: Machine, vms: readonly PlacedVm[]): Finding[] {
  return vms.flatMap((vm) => vm.cells.flatMap((cell) => checkCellNode(machine, vm, cell)))
}

/** The CPUs of shared vCPUs are those of their node: checkExclusive knows which. */
function checkCellNode(machine: Machine, vm: PlacedVm, { cell, vcpus, nodes }: PlacedCell): Finding[] {
  const findings: Finding[] = []
  for (const { vcpu, node, cpus, dedicated } of vcpus) {
    const at = machine.cpus.get(cpus[0] ?? -1)?.node ?? node
    if (!dedicated || at === node) continue
    const text = `${vm.name}: vCPU ${vcpu} is said to be on node ${node}, its CPU ${cpus[0]} is on node ${at}`
    findings.push({ constraint: 'cell-node', vm: vm.name, cell, vcpu, text })
  }
  if (nodes.length > 1 && !vm.request.span) {
    const text = `${vm.name}: the vCPUs of cell ${cell} are on nodes ${formatCpulist(nodes)}`
    findings.push({ constraint: 'cell-node', vm: vm.name, cell, text })
  }
  return findings
}
