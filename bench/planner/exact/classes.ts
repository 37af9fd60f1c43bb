/**
 * The host up to symmetry, as the exact solver sees it: cores that can stand for one another are counted, not named.
 * What this solver does not cover is said here, too.
 */

import type { CpuId, Host, NodeId, Request, RequestVm } from '../../../src/types.js'
import { groupBy, type Machine, machineOf } from '../../../src/verify/machine.js'

/** Cores of one LLC with the same number of usable CPUs of the same capacity. */
export interface CoreClass {
  readonly node: NodeId
  readonly llc: number
  /** Usable CPUs of each core: 1 or 2. */
  readonly width: number
  readonly capacity: number
  readonly cores: readonly (readonly CpuId[])[]
}

export interface ExactHost {
  readonly machine: Machine
  readonly classes: readonly CoreClass[]
  /** The nodes with usable CPUs, ascending, each with the indices of its classes. */
  readonly nodes: readonly { readonly id: NodeId; readonly classes: readonly number[] }[]
}

export function exactHost(host: Host, request: Request): ExactHost {
  const machine = machineOf(host, request)
  const classes: CoreClass[] = []
  for (const members of groupBy(machine.usableOfCore.values(), classKey).values()) {
    const { node, llc, capacity } = members[0]![0]!
    classes.push({
      node,
      llc,
      capacity,
      width: members[0]!.length,
      cores: members.map((cpus) => cpus.map(({ id }) => id)),
    })
  }
  const ids = [...new Set(classes.map(({ node }) => node))].sort((a, b) => a - b)
  return { machine, classes, nodes: nodesOf(ids, classes) }
}

/** With LLCs and capacities left aside: what fits does not depend on them. */
export function withoutCaches({ machine, classes, nodes }: ExactHost): ExactHost {
  const merged = [...groupBy(classes, ({ node, width }) => `${node}/${width}`).values()].map((own) => ({
    ...own[0]!,
    cores: own.flatMap(({ cores }) => cores),
  }))
  const ids = nodes.map(({ id }) => id)
  return { machine, classes: merged, nodes: nodesOf(ids, merged) }
}

function nodesOf(ids: readonly NodeId[], classes: readonly CoreClass[]): ExactHost['nodes'] {
  return ids.map((id) => ({ id, classes: [...classes.keys()].filter((at) => classes[at]!.node === id) }))
}

function classKey(cpus: readonly { readonly node: number; readonly llc: number; readonly capacity: number }[]): string {
  const { node, llc, capacity } = cpus[0]!
  return `${node}/${llc}/${cpus.length}/${capacity}`
}

/** Why the exact model does not cover this problem; undefined if it does. */
export function whyNotCovered(host: Host, request: Request): string | undefined {
  const { machine, classes } = exactHost(host, request)
  const cores = [...machine.usableOfCore.values()]
  if (cores.some((cpus) => cpus.length > 2)) return 'cores of more than two usable CPUs'
  if (cores.some((cpus) => new Set(cpus.map(({ capacity }) => capacity)).size > 1)) return 'cores of mixed capacity'
  if (cores.some((cpus) => new Set(cpus.map(({ node, llc }) => `${node}/${llc}`)).size > 1)) return 'cores across LLCs'
  const llcNodes = groupBy(machine.cpus.values(), ({ llc }) => llc)
  if ([...llcNodes.values()].some((cpus) => new Set(cpus.map(({ node }) => node)).size > 1)) return 'LLCs across nodes'
  // A VM without `trust` has a domain of its own.
  const trusts = request.vms.flatMap(({ cpuPolicy, trust }) =>
    cpuPolicy === 'dedicated' && trust !== null ? [trust] : [],
  )
  if (new Set(trusts).size < trusts.length && cores.some((cpus) => cpus.length > 1)) return 'VMs that may share a core'
  if (request.vms.some(({ bandwidth }) => bandwidth > 0)) return 'bandwidth'
  const huge = host.nodes.some(({ pages }) =>
    pages.some(({ size, free }) => size > machine.pageSizes[0]! && free !== 0),
  )
  for (const vm of request.vms) {
    const why = whyVmNotCovered(vm, huge)
    if (why !== undefined) return why
  }
  const uneven = [...groupBy(classes, ({ node }) => node).values()].some(
    (own) => new Set(own.map(({ capacity }) => capacity)).size > 1,
  )
  return uneven && request.vms.some(({ cpuPolicy }) => cpuPolicy === 'shared')
    ? 'shared vCPUs on hybrid nodes'
    : undefined
}

function whyVmNotCovered(vm: RequestVm, huge: boolean): string | undefined {
  if (vm.span) return 'span'
  if (vm.cpuPolicy === 'mixed') return 'mixed'
  if (vm.memoryPolicy !== 'strict') return `memoryPolicy ${vm.memoryPolicy}`
  if (vm.traffic !== null) return 'traffic'
  if (vm.current !== null) return 'current'
  if (vm.emulator === 'dedicated') return 'emulator threads with CPUs of their own'
  if (vm.pageSize === 'any' && huge) return 'pageSize any where there are huge pages'
  return undefined
}
