/** The constraints on who is on a core together: thread-policy, trust. Housekeeping threads give way (housekeeping.ts). */

import { formatCpulist } from '../cpulist.js'
import { assertNever } from '../errors.js'
import type { NodeId } from '../types.js'
import { partiesOf, placeOf } from './cpus.js'
import { groupBy, type Machine } from './machine.js'
import type { Holder, Occupancy } from './occupancy.js'
import type { PlacedCell, PlacedVm } from './placement.js'
import type { Violation } from './violation.js'

export function checkThreadPolicy(machine: Machine, occupancy: Occupancy, vms: readonly PlacedVm[]): Violation[] {
  return vms.flatMap((vm) => {
    const { threadPolicy } = vm.request
    switch (threadPolicy) {
      case 'prefer':
      case 'spread':
        return []
      case 'isolate':
        return checkAlone(machine, occupancy, vm, () => true)
      case 'require':
        return [
          ...checkAlone(machine, occupancy, vm, (other) => other.vm !== vm),
          ...checkCellCores(machine, occupancy, vm),
        ]
      default:
        return assertNever(threadPolicy)
    }
  })
}

/** That the cores of its vCPUs hold nobody who is not wanted beside them. The host never is, and shared vCPUs never are there. */
function checkAlone(
  machine: Machine,
  occupancy: Occupancy,
  vm: PlacedVm,
  isStranger: (other: Holder) => boolean,
): Violation[] {
  return ownHolders(occupancy, vm).flatMap((holder) => {
    if (holder.core === undefined) return []
    const others = (occupancy.ofCore.get(holder.core) ?? []).filter(
      (other) => other.cpu !== holder.cpu && isStranger(other),
    )
    const host = (machine.reservedOfCore.get(holder.core) ?? []).filter(({ id }) => id !== holder.cpu)
    const strangers = [...partiesOf(others), ...host.map(({ id }) => `the host on CPU ${id}`)]
    if (strangers.length === 0) return []
    const [own] = partiesOf([holder])
    const text = `${own} shares its core with ${strangers.join(', ')}`
    return [{ constraint: 'thread-policy', ...placeOf(holder), text, parties: [own!, ...strangers] }]
  })
}

/** Of the cores that a cell touches, all but one have every usable CPU taken by the VM. */
function checkCellCores(machine: Machine, occupancy: Occupancy, vm: PlacedVm): Violation[] {
  const taken = new Set(occupancy.ofVm.get(vm)?.map(({ cpu }) => cpu))
  return [...groupBy(ownHolders(occupancy, vm), ({ cell }) => cell)].flatMap(([cell, holders]) => {
    const touched = [...new Set(holders.map(({ core }) => core))]
    const usable = touched.map((core) => (core === undefined ? [] : (machine.usableOfCore.get(core) ?? [])))
    const idle = usable.filter((cpus) => cpus.some(({ id }) => !taken.has(id))).map((cpus) => cpus.map(({ id }) => id))
    if (idle.length < 2) return []
    const text = `${vm.name}: cell ${cell} leaves ${idle.length} cores partly idle (CPUs ${idle.map(formatCpulist).join('; ')}), not 1`
    const parties = idle.map((cpus) => `cell ${cell} of ${vm.name} on ${formatCpulist(cpus)}`)
    return [{ constraint: 'thread-policy', vm: vm.name, ...cellOf(cell), text, parties }]
  })
}

function cellOf(cell: PlacedCell['cell'] | undefined) {
  return cell === undefined ? {} : { cell }
}

function ownHolders(occupancy: Occupancy, vm: PlacedVm): Holder[] {
  return (occupancy.ofVm.get(vm) ?? []).filter((holder) => holder.vcpu !== undefined)
}

/** Two VMs without `trust` are of different domains, each its own. */
export type TrustDomain = string | PlacedVm

export function domainOf(vm: PlacedVm): TrustDomain {
  return vm.request.trust ?? vm
}

/** Of dedicated threads, and of those that share CPUs: two VMs may, where neither names its domain. */
export function checkTrust(occupancy: Occupancy): Violation[] {
  return [
    ...[...occupancy.ofCore].flatMap(([core, holders]) => (core === undefined ? [] : checkHolders(holders))),
    ...[...occupancy.sharers].flatMap(([node, sharers]) => checkSharers(occupancy, node, sharers)),
  ]
}

function checkHolders(holders: readonly Holder[]): Violation[] {
  const domains = new Set(holders.map(({ vm }) => domainOf(vm)))
  if (domains.size < 2) return []
  const parties = partiesOf(holders)
  const text = `a core holds ${listed(domains)}: ${parties.join(', ')}`
  return [{ constraint: 'trust', ...placeOf(holders[0]!), text, parties }]
}

function checkSharers(occupancy: Occupancy, node: NodeId, sharers: ReadonlySet<PlacedVm>): Violation[] {
  const domains = new Set([...sharers].map(domainOf))
  const { cpulist } = occupancy.shared(node)
  if (cpulist === '' || domains.size < 2 || ![...domains].some((domain) => typeof domain === 'string')) return []
  const [first] = sharers
  const text = `the shared vCPUs on CPUs ${cpulist} of node ${node} are of ${listed(domains)}`
  const parties = [...sharers].map((vm) => `shared vCPUs of ${vm.name} on node ${node}`)
  return [{ constraint: 'trust', vm: first!.name, text, parties }]
}

function listed(domains: ReadonlySet<TrustDomain>): string {
  const names = [...domains].map((domain) => (typeof domain === 'string' ? domain : `that of ${domain.name} alone`))
  return `trust domains ${names.join(', ')}`
}
