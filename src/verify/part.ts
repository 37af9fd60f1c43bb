/** A part of a plan: some VMs go to their places, all others stay where they are. What that costs is reckoned here, not claimed. */

import type { Finding } from '../errors.js'
import { COST_TERMS, type CostTerms, type Host, type Plan, type PlanVm, type Request } from '../types.js'
import type { Resident } from './as-is/residents.js'
import { type AsIsCost, priceAsIs } from './as-is.js'
import { checkSeats, checkState } from './constraints.js'
import { checkEmulator } from './housekeeping.js'
import { type Machine, machineOf } from './machine.js'
import { MICRO } from './micro.js'
import { migration } from './migration.js'
import { checkMoves } from './moves.js'
import { occupancyOf } from './occupancy.js'
import { checkShape, type PlacedVm, placedVms } from './placement.js'
import { findingOf, isLeftOf } from './violation.js'

/** The part as a plan of these VMs alone, or what is wrong with it. */
export type ExaminedPart = { readonly plan: Plan } | { readonly findings: readonly Finding[] }

/** @param part has a plan's format */
export function examinePart(host: Host, request: Request, part: Plan, residents: readonly Resident[]): ExaminedPart {
  const machine = machineOf(host, request)
  const names = new Set(part.vms.map(({ name }) => name))
  const asked = { ...request, vms: request.vms.filter(({ name }) => names.has(name)) }
  const shape = [...checkShape(machine, asked, part), ...checkStart(request, names)]
  if (shape.length > 0) return { findings: shape }
  const all = beside(request, part)
  const findings = [...checkMoves(machine, request, { ...part, vms: all }), ...checkEnd(machine, request, all, names)]
  if (findings.length > 0) return { findings }
  const after = priceAsIs(host, request, residentsAfter(residents, part.vms))
  return { plan: { ...part, ...priced(part, after, migrations(request, part)) } }
}

/** Where VMs are after a part of a plan. */
export function residentsAfter(
  residents: readonly Resident[],
  vms: readonly Pick<PlanVm, 'name' | 'cells' | 'vcpus'>[],
): Resident[] {
  const planned = new Map(vms.map((vm) => [vm.name, vm]))
  return residents.map((resident) => planned.get(resident.name) ?? resident)
}

function checkStart(request: Request, names: ReadonlySet<string>): Finding[] {
  const nowhere = request.vms.filter(({ name, current }) => names.has(name) && current === null)
  return nowhere.map(({ name }) => ({ constraint: 'moves', vm: name, text: `${name} is nowhere yet` }))
}

/** All VMs that are there, in the order of the request: those of the part at their places. */
function beside(request: Request, part: Plan): PlanVm[] {
  const planned = new Map(part.vms.map((vm) => [vm.name, vm]))
  return request.vms.flatMap(({ name, current }): PlanVm[] => {
    if (current === null) return []
    const stays = { name, cost: { lostVcpus: 0, terms: {} }, ...current, emulator: '', iothreads: [] }
    return [planned.get(name) ?? stays]
  })
}

/** What states on the way do not have: where the part's threads float, and those of the VMMs. */
function checkEnd(machine: Machine, request: Request, all: readonly PlanVm[], names: ReadonlySet<string>): Finding[] {
  const start = placedVms(
    request,
    all.map((vm) => ({ ...vm, ...request.vms.find(({ name }) => name === vm.name)!.current! })),
  )
  const placed = placedVms(request, all)
  const occupancy = occupancyOf(machine, placed)
  const own = placed.filter(({ name }) => names.has(name))
  const before = occupancyOf(machine, start)
  const drift = [...checkSeats(machine, before, start), ...checkState(machine, before, request, start)]
  const seats = checkSeats(machine, occupancy, placed).filter(
    (violation) => !drift.some((known) => isLeftOf(violation, known)),
  )
  return [...seats.map(findingOf), ...checkFloats(occupancy, own), ...checkEmulator(machine, occupancy, own)]
}

function checkFloats(occupancy: ReturnType<typeof occupancyOf>, vms: readonly PlacedVm[]): Finding[] {
  return vms.flatMap(({ name, vcpus }) =>
    vcpus.flatMap(({ vcpu, node, cpulist, dedicated }) => {
      const wanted = occupancy.shared(node).cpulist
      if (dedicated || cpulist === wanted) return []
      const text = `${name}: vCPU ${vcpu} floats over CPUs ${cpulist || 'none'}, the shared CPUs of node ${node} are ${wanted || 'none'}`
      return [{ constraint: 'cpu-usable', vm: name, vcpu, text }]
    }),
  )
}

function migrations(request: Request, part: Plan): ReadonlyMap<string, number> {
  const placed = placedVms(request, part.vms)
  return new Map(placed.map((vm) => [vm.name, migration(request.model, vm)]))
}

/** With what it takes to get there; all is lost that `all` lose, not only the VMs of the part. */
function priced(part: Plan, after: AsIsCost, moving: ReadonlyMap<string, number>): Pick<Plan, 'cost' | 'vms'> {
  const micro = (value: number) => Math.round(value * MICRO)
  const total = [...moving.values()].reduce((sum, each) => sum + each, 0)
  const terms: CostTerms = { ...after.terms, migration: total / MICRO }
  const lostVcpus = COST_TERMS.reduce((sum, term) => sum + micro(terms[term]), 0) / MICRO
  const ofVm = new Map(after.vms.map(({ name, cost }) => [name, cost]))
  const vms = part.vms.map((vm) => {
    const cost = ofVm.get(vm.name) ?? { lostVcpus: 0, terms: {} }
    const own = moving.get(vm.name)!
    const withMoving = own === 0 ? cost.terms : { ...cost.terms, migration: own / MICRO }
    return { ...vm, cost: { lostVcpus: (micro(cost.lostVcpus) + own) / MICRO, terms: withMoving } }
  })
  return { cost: { lostVcpus, lowerBound: 0, gap: lostVcpus, terms }, vms }
}
