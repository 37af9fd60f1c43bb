/** The constraints on single CPUs and cores: cpu-usable, cpu-exclusive, cell-node, thread-policy, trust, emulator. */

import { formatCpulist } from '../cpulist.js'
import { assertNever, type Finding } from '../errors.js'
import type { CpuId } from '../types.js'
import { groupBy, type Machine } from './machine.js'
import { type Holder, type Occupancy, vmmThreads } from './occupancy.js'
import { firstNode, type PlacedCell, type PlacedVcpu, type PlacedVm, vcpuNodes } from './placement.js'
import type { Violation } from './violation.js'

export function checkUsable(machine: Machine, vms: readonly PlacedVm[]): Finding[] {
  return vms.flatMap((vm) => {
    const vcpus = vm.vcpus.map(({ vcpu, cell, cpus }) => ({ place: { cell, vcpu }, text: `vCPU ${vcpu}`, cpus }))
    // Housekeeping threads belong on reserved CPUs: checkEmulator knows which.
    const threads =
      vm.request.emulator === 'dedicated' ? vmmThreads(vm).map((thread) => ({ place: {}, ...thread })) : []
    return [...vcpus, ...threads].flatMap(({ place, text, cpus }) =>
      cpus.flatMap((cpu) => {
        const why = whyUnusable(machine, cpu)
        if (why === undefined) return []
        const finding = `${vm.name}: ${text} is on CPU ${cpu}, which is ${why}`
        return [{ constraint: 'cpu-usable', vm: vm.name, ...place, text: finding }]
      }),
    )
  })
}

function whyUnusable(machine: Machine, id: CpuId): string | undefined {
  const cpu = machine.cpus.get(id)
  if (cpu === undefined) return 'not online'
  if (cpu.usable) return undefined
  return machine.reserved.includes(cpu) ? 'reserved' : 'not in the cpuset of this process'
}

export function checkExclusive(occupancy: Occupancy, vms: readonly PlacedVm[]): Violation[] {
  return [
    ...vms.flatMap((vm) => vm.vcpus.flatMap((vcpu) => checkOwnership(occupancy, vm, vcpu))),
    ...clashes(occupancy),
  ]
}

/** A dedicated vCPU has one CPU, a shared one floats over all shared CPUs of its node, and each is what was asked for. */
function checkOwnership(occupancy: Occupancy, vm: PlacedVm, placed: PlacedVcpu): Finding[] {
  const { vcpu, cell, cpus, cpulist, dedicated, node } = placed
  const found = (constraint: string, text: string): Finding[] => [
    { constraint, vm: vm.name, cell, vcpu, text: `${vm.name}: vCPU ${vcpu} ${text}` },
  ]
  if (dedicated !== isDedicated(vm, vcpu)) {
    return found('cpu-exclusive', `is ${dedicated ? 'dedicated, shared' : 'shared, dedicated'} was asked for`)
  }
  if (dedicated) return cpus.length === 1 ? [] : found('cpu-exclusive', `has ${cpus.length} CPUs, not 1`)
  const wanted = occupancy.sharedCpulist(node)
  if (cpulist === wanted) return []
  const shared = new Set(occupancy.sharedCpus(node).map((cpu) => cpu.id))
  const isTooWide = cpus.some((cpu) => !shared.has(cpu))
  const text = `floats over CPUs ${cpulist || 'none'}, the shared CPUs of node ${node} are ${wanted || 'none'}`
  return found(isTooWide ? 'cpu-exclusive' : 'overcommit', text)
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
function partiesOf(holders: readonly Holder[]): string[] {
  return holders.map((holder) => `${holder.text} on CPU ${holder.cpu}`)
}

function placeOf({ vm, cell, vcpu }: Holder): Pick<Finding, 'vm' | 'cell' | 'vcpu'> {
  return { vm: vm.name, ...(cell === undefined ? {} : { cell }), ...(vcpu === undefined ? {} : { vcpu }) }
}

export function checkCellNodes(machine: Machine, vms: readonly PlacedVm[]): Finding[] {
  return vms.flatMap((vm) => vm.cells.flatMap((cell) => checkCellNode(machine, vm, cell)))
}

function checkCellNode(machine: Machine, vm: PlacedVm, { cell, vcpus }: PlacedCell): Finding[] {
  const findings: Finding[] = []
  for (const { vcpu, node, cpus } of vcpus) {
    const elsewhere = cpus.filter((cpu) => (machine.cpus.get(cpu)?.node ?? node) !== node)
    if (elsewhere.length === 0) continue
    const text = `${vm.name}: vCPU ${vcpu} is said to be on node ${node}, its CPU ${formatCpulist(elsewhere)} is not`
    findings.push({ constraint: 'cell-node', vm: vm.name, cell, vcpu, text })
  }
  const nodes = vcpuNodes(vcpus)
  if (nodes.length > 1 && !vm.request.span) {
    const text = `${vm.name}: the vCPUs of cell ${cell} are on nodes ${formatCpulist(nodes)}`
    findings.push({ constraint: 'cell-node', vm: vm.name, cell, text })
  }
  return findings
}

export function checkThreadPolicy(machine: Machine, occupancy: Occupancy, vms: readonly PlacedVm[]): Violation[] {
  return vms.flatMap((vm) => {
    const { threadPolicy } = vm.request
    switch (threadPolicy) {
      case 'prefer':
      case 'spread':
        return []
      case 'isolate':
        return checkIsolate(occupancy, vm)
      case 'require':
        return [
          ...checkWholeCores(occupancy, vm),
          ...vm.cells.flatMap((cell) => checkCellCores(machine, occupancy, vm, cell)),
        ]
      default:
        return assertNever(threadPolicy)
    }
  })
}

function checkIsolate(occupancy: Occupancy, vm: PlacedVm): Violation[] {
  return ownHolders(occupancy, vm).flatMap((holder) => {
    const others = companions(occupancy, holder)
    if (others.length === 0) return []
    const text = `${holder.text} on CPU ${holder.cpu} shares its core with ${listed(others)}`
    return [{ constraint: 'thread-policy', ...placeOf(holder), text, parties: partiesOf([holder, ...others]) }]
  })
}

function checkWholeCores(occupancy: Occupancy, vm: PlacedVm): Violation[] {
  return ownHolders(occupancy, vm).flatMap((holder) => {
    const strangers = companions(occupancy, holder).filter((other) => other.vm !== vm)
    if (strangers.length === 0) return []
    const text = `${holder.text} on CPU ${holder.cpu} shares its core with ${listed(strangers)}`
    return [{ constraint: 'thread-policy', ...placeOf(holder), text, parties: partiesOf([holder, ...strangers]) }]
  })
}

/** Of the cores that a cell touches, all but one have every usable CPU taken by the VM. */
function checkCellCores(machine: Machine, occupancy: Occupancy, vm: PlacedVm, { cell }: PlacedCell): Violation[] {
  const touched = new Set(ownHolders(occupancy, vm).flatMap((holder) => (holder.cell === cell ? [holder.core] : [])))
  const idle = [...touched].flatMap((core) => {
    const usable = core === undefined ? [] : (machine.usableOfCore.get(core) ?? [])
    return usable.some((cpu) => !occupancy.ofCpu.has(cpu.id)) ? [usable.map((cpu) => cpu.id)] : []
  })
  if (idle.length < 2) return []
  const text = `${vm.name}: cell ${cell} leaves ${idle.length} cores partly idle (CPUs ${idle.map(formatCpulist).join('; ')}), not 1`
  const parties = idle.map((cpus) => `cell ${cell} of ${vm.name} on ${formatCpulist(cpus)}`)
  return [{ constraint: 'thread-policy', vm: vm.name, cell, text, parties }]
}

function ownHolders(occupancy: Occupancy, vm: PlacedVm): Holder[] {
  return (occupancy.ofVm.get(vm) ?? []).filter((holder) => holder.vcpu !== undefined)
}

/** The holders of other CPUs of its core. */
function companions(occupancy: Occupancy, holder: Holder): Holder[] {
  if (holder.core === undefined) return []
  return (occupancy.ofCore.get(holder.core) ?? []).filter((other) => other.cpu !== holder.cpu)
}

function listed(holders: readonly Holder[]): string {
  return partiesOf(holders).join(', ')
}

export function checkTrust(occupancy: Occupancy): Violation[] {
  return [...occupancy.ofCore].flatMap(([core, holders]) => {
    const vcpus = holders.filter((holder) => holder.vcpu !== undefined)
    const domains = groupBy(vcpus, (holder) => holder.vm.request.trust)
    if (core === undefined || domains.size < 2) return []
    const text = `a core holds trust domains ${[...domains.keys()].join(', ')}: ${listed(vcpus)}`
    return [{ constraint: 'trust', ...placeOf(vcpus[0]!), text, parties: partiesOf(vcpus) }]
  })
}

export function checkEmulator(machine: Machine, occupancy: Occupancy, vms: readonly PlacedVm[]): Finding[] {
  return vms.flatMap((vm) => {
    const wanted =
      vm.request.emulator === 'dedicated' ? undefined : formatCpulist(housekeepingCpus(machine, occupancy, vm))
    return vmmThreads(vm).flatMap(({ text, cpus }) => {
      const problem = wanted === undefined ? dedicatedProblem(machine, vm, cpus) : housekeepingProblem(cpus, wanted)
      return problem === undefined
        ? []
        : [{ constraint: 'emulator', vm: vm.name, text: `${vm.name}: ${text} ${problem}` }]
    })
  })
}

function dedicatedProblem(machine: Machine, vm: PlacedVm, cpus: readonly CpuId[]): string | undefined {
  if (cpus.length !== 1) return `has ${cpus.length} CPUs, not one of its own`
  const node = firstNode(vm)
  const at = machine.cpus.get(cpus[0]!)?.node ?? node
  return at === node ? undefined : `is on CPU ${cpus[0]} of node ${at}, the first cell is on node ${node}`
}

function housekeepingProblem(cpus: readonly CpuId[], wanted: string): string | undefined {
  const given = formatCpulist(cpus)
  return given === wanted ? undefined : `has CPUs ${given || 'none'}, housekeeping is on ${wanted}`
}

/** Reserved CPUs of the VM's nodes, else of the host, else the shared CPUs of its nodes, else its own. */
function housekeepingCpus(machine: Machine, occupancy: Occupancy, vm: PlacedVm): readonly CpuId[] {
  const nodes = vcpuNodes(vm.vcpus)
  const near = machine.reserved.filter((cpu) => nodes.includes(cpu.node))
  const choices = [near, machine.reserved, nodes.flatMap((node) => occupancy.sharedCpus(node))]
  return choices.find((cpus) => cpus.length > 0)?.map((cpu) => cpu.id) ?? vm.vcpus.flatMap((vcpu) => vcpu.cpus)
}
