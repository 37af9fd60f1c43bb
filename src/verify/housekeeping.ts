/** The constraint `emulator`: where the VMM's own threads are. Floating ones give way to whom they may not be beside. */

import { formatCpulist } from '../cpulist.js'
import type { Finding } from '../errors.js'
import type { CpuId, NodeId } from '../types.js'
import { domainOf, type TrustDomain } from './cores.js'
import { isolatedOf } from './cpus.js'
import { groupBy, type Machine } from './machine.js'
import { type Holder, type Occupancy, vmmThreads } from './occupancy.js'
import { firstNode, type PlacedVm } from './placement.js'

type Problem = Pick<Finding, 'constraint' | 'text'>

export function checkEmulator(machine: Machine, occupancy: Occupancy, vms: readonly PlacedVm[]): Finding[] {
  const housekeepingOf = housekeeping(machine, occupancy)
  return vms.flatMap((vm) => {
    const isDedicated = vm.request.emulator === 'dedicated'
    const wanted = isDedicated ? [] : housekeepingOf(vm)
    return vmmThreads(vm).flatMap(({ text, cpus }) => {
      const problem = isDedicated ? dedicatedProblem(machine, vm, cpus) : housekeepingProblem(machine, cpus, wanted)
      return problem === undefined ? [] : [{ ...problem, vm: vm.name, text: `${vm.name}: ${text} ${problem.text}` }]
    })
  })
}

function dedicatedProblem(machine: Machine, vm: PlacedVm, cpus: readonly CpuId[]): Problem | undefined {
  const [cpu] = cpus
  if (cpu === undefined || cpus.length > 1) {
    return { constraint: 'emulator', text: `has ${cpus.length} CPUs, not one of its own` }
  }
  const node = firstNode(vm)
  const at = machine.cpus.get(cpu)?.node ?? node
  if (at === node) return undefined
  return { constraint: 'emulator', text: `is on CPU ${cpu} of node ${at}, the first cell is on node ${node}` }
}

function housekeepingProblem(machine: Machine, given: readonly CpuId[], wanted: readonly CpuId[]): Problem | undefined {
  if (given.length === wanted.length && given.every((cpu, at) => cpu === wanted[at])) return undefined
  const isolated = isolatedOf(machine, given).filter((cpu) => !wanted.includes(cpu))
  const text = `has CPUs ${formatCpulist(given) || 'none'}, housekeeping is on ${formatCpulist(wanted)}`
  return { constraint: isolated.length > 0 ? 'isolated' : 'emulator', text }
}

/**
 * The CPUs of a VM's housekeeping threads, ascending: the reserved ones of its nodes, else of the host, else the shared ones of its
 * nodes, without those where they may not be; else its own.
 */
export function housekeeping(machine: Machine, occupancy: Occupancy): (vm: PlacedVm) => readonly CpuId[] {
  const mayShare = sharing(occupancy)
  const posts = machine.housekeeping.map(({ id, node, core }): Post => {
    return { id, node, isShared: occupancy.sharedCores.has(core), gate: gateOf(occupancy.ofCore.get(core) ?? []) }
  })
  const postsOf = groupBy(posts, ({ node }) => node)
  const open = (vm: PlacedVm, some: readonly Post[]) => {
    const mayPass = ({ isClosed, domain = domainOf(vm), vm: only = vm }: Gate) =>
      !isClosed && domain === domainOf(vm) && only === vm
    const mayJoin = ({ gate, isShared, node }: Post) => mayPass(gate) && (!isShared || mayShare(vm, node))
    return some.filter(mayJoin).map(({ id }) => id)
  }
  return (vm) => {
    const near = vm.nodes.map((node) => open(vm, postsOf.get(node) ?? []))
    if (near.some(isNotEmpty)) return joined(near)
    const far = open(vm, posts)
    if (isNotEmpty(far)) return far
    const shared = vm.nodes.filter((node) => mayShare(vm, node)).map((node) => occupancy.shared(node).cpus)
    return joined(shared.some(isNotEmpty) ? shared : vm.vcpus.map(({ cpus }) => cpus))
  }
}

/** A reserved CPU that threads of VMMs can run on. */
interface Post {
  readonly id: CpuId
  readonly node: NodeId
  /** Whether shared vCPUs may be on its core. */
  readonly isShared: boolean
  readonly gate: Gate
}

/** Whom the dedicated threads of a core let onto it: everybody, where there are none. */
interface Gate {
  readonly isClosed: boolean
  readonly domain?: TrustDomain
  readonly vm?: PlacedVm
}

function gateOf(holders: readonly Holder[]): Gate {
  const [first] = holders
  if (first === undefined) return { isClosed: false }
  const domain = domainOf(first.vm)
  const policies = groupBy(
    holders.filter(({ vcpu }) => vcpu !== undefined),
    ({ vm }) => vm.request.threadPolicy,
  )
  const [vm, ...others] = new Set(policies.get('require')?.map((holder) => holder.vm))
  const isClosed =
    policies.has('isolate') || others.length > 0 || holders.some((holder) => domainOf(holder.vm) !== domain)
  return { isClosed, domain, ...(vm === undefined ? {} : { vm }) }
}

/** Whether threads that float may be beside the shared vCPUs of a node: those of their domain, or of VMs that name none as theirs. */
function sharing({ sharers }: Occupancy): (vm: PlacedVm, node: NodeId) => boolean {
  const names = new Map(
    [...sharers].map(([node, vms]) => [node, new Set([...vms].map(({ request }) => request.trust))]),
  )
  return ({ request: { trust } }, node) => {
    const there = names.get(node)
    return there === undefined || (there.size === 1 && there.has(trust))
  }
}

function isNotEmpty(cpus: readonly CpuId[]): boolean {
  return cpus.length > 0
}

/** Ascending, each once. */
function joined(sets: readonly (readonly CpuId[])[]): readonly CpuId[] {
  const [first] = sets
  if (first !== undefined && sets.every((set) => set === first)) return first
  return [...new Set(sets.flat())].sort((a, b) => a - b)
}
