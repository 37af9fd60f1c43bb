/** VMs as they are, joined with what they are: for each vCPU its CPUs with its share of each, and of nodes and cores. */

import { requireId, requireObject } from '../../checks.js'
import { parseCpulist } from '../../cpulist.js'
import { InputError, show } from '../../errors.js'
import type { NodeId, PlanCell, Request, RequestVm } from '../../types.js'
import { groupBy, type Machine, type MachineCpu } from '../machine.js'
import { MICRO, round } from '../micro.js'

/** A VM where it is. */
export interface Resident {
  /** As in the request. */
  readonly name: string
  /** By number: the cell that each vCPU belongs to, and the cpulist that its thread may run on. */
  readonly vcpus: readonly { readonly cell: number; readonly cpus: string }[]
  /** By number: the bytes that are on nodes now. What nobody has touched yet is nowhere. */
  readonly cells: readonly Pick<PlanCell, 'memory'>[]
}

export interface PlacedThread {
  readonly cell: number
  /** Online, ascending. */
  readonly cpus: readonly MachineCpu[]
  /** It is asked to have a CPU of its own. */
  readonly dedicated: boolean
  /** Its one CPU, where it is dedicated and may run on no other. */
  readonly pinned: MachineCpu | undefined
  /** Millionths of a CPU. */
  readonly demand: number
  /** Share of its CPUs that each node has. */
  readonly nodes: ReadonlyMap<NodeId, number>
  /** Share of its CPUs that each core has. */
  readonly cores: ReadonlyMap<number, number>
}

export interface PlacedResident {
  readonly request: RequestVm
  readonly threads: readonly PlacedThread[]
  readonly cells: readonly Resident['cells'][number][]
}

/** @throws {InputError} where a VM is not in the request, has other vCPUs than there, or a vCPU has no CPU or no cell */
export function placeResidents(machine: Machine, request: Request, residents: readonly Resident[]): PlacedResident[] {
  const wanted = new Map(request.vms.map((vm) => [vm.name, vm]))
  const sets = new Map<string, Pick<PlacedThread, 'cpus' | 'nodes' | 'cores'>>()
  const placesOf = (cpulist: string, where: string) => {
    const known = sets.get(cpulist) ?? placesIn(machine, cpulist, where)
    sets.set(cpulist, known)
    return known
  }
  checkResidents(residents)
  return residents.map(({ name, vcpus, cells }) => {
    const vm = wanted.get(name)
    if (vm === undefined) throw new InputError(name, 'a VM of the request', 'another')
    if (vcpus.length !== vm.vcpus) throw new InputError(name, `${vm.vcpus} vCPUs, as in the request`, `${vcpus.length}`)
    const threads = vcpus.map(({ cell, cpus }, vcpu): PlacedThread => {
      if (cells[cell] === undefined) throw new InputError(`${name}, vCPU ${vcpu}`, 'a cell that the VM has', show(cell))
      const places = placesOf(cpus, `${name}, vCPU ${vcpu}`)
      const dedicated = isDedicated(vm, vcpu)
      const pinned = dedicated && places.cpus.length === 1 ? places.cpus[0] : undefined
      return { cell, ...places, dedicated, pinned, demand: dedicated ? MICRO : round(vm.demand * MICRO) }
    })
    return { request: vm, threads, cells }
  })
}

/** Their form; what is in it is checked where it is used. */
function checkResidents(residents: readonly Resident[]): void {
  const requireArray = (where: string, value: unknown) => {
    if (!Array.isArray(value)) throw new InputError(where, 'an array', show(value))
  }
  requireArray('residents', residents)
  for (const [at, resident] of residents.entries()) {
    const where = `residents[${at}]`
    requireObject(where, resident)
    if (typeof resident.name !== 'string') throw new InputError(`${where}.name`, 'text', show(resident.name))
    requireArray(`${where}.vcpus`, resident.vcpus)
    requireArray(`${where}.cells`, resident.cells)
    for (const [vcpu, each] of resident.vcpus.entries()) {
      requireObject(`${where}.vcpus[${vcpu}]`, each)
      if (typeof each.cpus !== 'string')
        throw new InputError(`${where}.vcpus[${vcpu}].cpus`, 'a cpulist', show(each.cpus))
    }
    for (const [cell, each] of resident.cells.entries()) {
      requireObject(`${where}.cells[${cell}]`, each)
      requireArray(`${where}.cells[${cell}].memory`, each.memory)
      for (const [part, range] of each.memory.entries()) {
        const place = `${where}.cells[${cell}].memory[${part}]`
        requireObject(place, range)
        requireId(`${place}.node`, range.node)
        requireId(`${place}.bytes`, range.bytes)
      }
    }
  }
}

function placesIn(machine: Machine, cpulist: string, where: string): Pick<PlacedThread, 'cpus' | 'nodes' | 'cores'> {
  const cpus = parseCpulist(cpulist, { allowEmpty: true, where }).flatMap((id) => machine.cpus.get(id) ?? [])
  if (cpus.length === 0) throw new InputError(where, 'a CPU of the host that is online', cpulist || 'none')
  const shareOf = (keyOf: (cpu: MachineCpu) => number) =>
    new Map([...groupBy(cpus, keyOf)].map(([key, members]) => [key, members.length / cpus.length]))
  return { cpus, nodes: shareOf((cpu) => cpu.node), cores: shareOf((cpu) => cpu.core) }
}

function isDedicated({ cpuPolicy, dedicatedVcpus }: RequestVm, vcpu: number): boolean {
  return cpuPolicy === 'dedicated' || (cpuPolicy === 'mixed' && dedicatedVcpus.includes(vcpu))
}
