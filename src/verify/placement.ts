/** The plan joined with its request: each placed VM with what it asked for, sets as arrays, demands in millionths. */

import { parseCpulist } from '../cpulist.js'
import { type Finding, show } from '../errors.js'
import type { CpuId, NodeId, Plan, PlanVm, Request, RequestVm, VcpuId } from '../types.js'
import { groupBy, type Machine } from './machine.js'
import { MICRO, round } from './micro.js'

export interface PlacedVcpu {
  readonly vcpu: VcpuId
  readonly cell: number
  readonly node: NodeId
  readonly cpus: readonly CpuId[]
  /** The same, as the plan has it. */
  readonly cpulist: string
  readonly dedicated: boolean
  /** Millionths of a CPU; 1,000,000 where dedicated. */
  readonly demand: number
}

export interface PlacedCell {
  readonly cell: number
  readonly pageSize: number
  readonly memory: readonly { readonly node: NodeId; readonly bytes: number }[]
  readonly bytes: number
  readonly vcpus: readonly PlacedVcpu[]
  /** Those that hold its vCPUs, ascending. */
  readonly nodes: readonly NodeId[]
}

export interface PlacedVm {
  readonly name: string
  readonly request: RequestVm
  readonly vcpus: readonly PlacedVcpu[]
  readonly cells: readonly PlacedCell[]
  /** Those that hold its vCPUs, ascending. */
  readonly nodes: readonly NodeId[]
  readonly emulator: readonly CpuId[]
  readonly iothreads: readonly (readonly CpuId[])[]
}

/** What is wrong with the plan's shape: VMs that are missing or too many, numbers that stand for nothing. */
export function checkShape(machine: Machine, request: Request, plan: Pick<Plan, 'vms' | 'refused'>): Finding[] {
  const wanted = new Map(request.vms.map((vm) => [vm.name, vm]))
  return [
    ...checkNames(request, plan),
    ...plan.vms.flatMap((vm) => {
      const asked = wanted.get(vm.name)
      return asked === undefined ? [] : checkVm(machine, asked, vm)
    }),
  ]
}

/** The VMs of the plan in the order of the request; the plan's shape has been checked. */
export function placedVms(request: Request, vms: readonly PlanVm[]): PlacedVm[] {
  const planned = new Map(vms.map((vm) => [vm.name, vm]))
  const cpusOf = cpulistReader()
  return request.vms.flatMap((vm) => {
    const plan = planned.get(vm.name)
    return plan === undefined ? [] : [placedVm(vm, plan, cpusOf)]
  })
}

/** Shared vCPUs repeat the same long lists: each is read once. */
export function cpulistReader(): (text: string) => readonly CpuId[] {
  const sets = new Map<string, readonly CpuId[]>()
  return (text) => {
    const cpus = sets.get(text) ?? parseCpulist(text, { allowEmpty: true })
    sets.set(text, cpus)
    return cpus
  }
}

export function placedVm(request: RequestVm, plan: PlanVm, cpusOf: (text: string) => readonly CpuId[]): PlacedVm {
  const vcpus = plan.vcpus.map((vcpu) => ({
    ...vcpu,
    cpus: cpusOf(vcpu.cpus),
    cpulist: vcpu.cpus,
    demand: vcpu.dedicated ? MICRO : round(request.demand * MICRO),
  }))
  const ofCell = groupBy(vcpus, ({ cell }) => cell)
  const cells = plan.cells.map((cell) => {
    const own = ofCell.get(cell.cell) ?? []
    return { ...cell, bytes: cell.memory.reduce((sum, part) => sum + part.bytes, 0), vcpus: own, nodes: nodesOf(own) }
  })
  return {
    name: plan.name,
    request,
    vcpus,
    cells,
    nodes: nodesOf(vcpus),
    emulator: cpusOf(plan.emulator),
    iothreads: plan.iothreads.map(cpusOf),
  }
}

/** The node of the first cell: that of its lowest vCPU. */
export function firstNode(vm: PlacedVm): NodeId {
  return (vm.cells[0]!.vcpus[0] ?? vm.vcpus[0]!).node
}

function nodesOf(vcpus: readonly PlacedVcpu[]): NodeId[] {
  return [...new Set(vcpus.map((vcpu) => vcpu.node))].sort((a, b) => a - b)
}

function checkNames(request: Request, plan: Pick<Plan, 'vms' | 'refused'>): Finding[] {
  const findings: Finding[] = []
  const known = new Set(request.vms.map((vm) => vm.name))
  const times = new Map<string, number>()
  for (const { name } of [...plan.vms, ...plan.refused]) {
    if (known.has(name)) times.set(name, (times.get(name) ?? 0) + 1)
    else findings.push({ constraint: 'format', vm: name, text: `the request has no VM ${show(name)}` })
  }
  for (const vm of known) {
    const count = times.get(vm) ?? 0
    if (count === 1) continue
    const text = count === 0 ? `${vm} is neither placed nor refused` : `${vm} is placed or refused ${count} times`
    findings.push({ constraint: 'format', vm, text })
  }
  return findings
}

function checkVm(machine: Machine, wanted: RequestVm, plan: PlanVm): Finding[] {
  const vm = plan.name
  const findings: Finding[] = []
  const malformed = (text: string) => findings.push({ constraint: 'format', vm, text: `${vm}: ${text}` })

  if (plan.vcpus.length !== wanted.vcpus) malformed(`${plan.vcpus.length} vCPUs, ${wanted.vcpus} asked for`)
  if (plan.iothreads.length !== wanted.iothreads) {
    malformed(`${plan.iothreads.length} I/O threads, ${wanted.iothreads} asked for`)
  }
  for (const [at, { cell, memory }] of plan.cells.entries()) {
    if (cell !== at) malformed(`cell ${cell} where cell ${at} belongs`)
    for (const { node } of memory)
      if (!machine.nodes.has(node)) malformed(`cell ${cell} has memory on node ${node}, which does not exist`)
    if (new Set(memory.map(({ node }) => node)).size < memory.length) malformed(`cell ${cell} lists a node twice`)
  }
  for (const [at, { vcpu, cell, node }] of plan.vcpus.entries()) {
    if (vcpu !== at) malformed(`vCPU ${vcpu} where vCPU ${at} belongs`)
    if (cell >= plan.cells.length) malformed(`vCPU ${vcpu} is in cell ${cell}, there are ${plan.cells.length}`)
    if (!machine.nodes.has(node)) malformed(`vCPU ${vcpu} is on node ${node}, which does not exist`)
  }
  return findings
}
