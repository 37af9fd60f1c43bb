/** Hosts built by hand, and a placer so simple that it is right: first fit, one cell for each node that it is told. */

import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { orderMoves } from '../../src/planner/moves.js'
import { parseRequest } from '../../src/request.js'
import { COST_TERMS, type Host, type HostNode, type Plan, type PlanVm, type RequestVm } from '../../src/types.js'
import { costOf, totalOf } from '../../src/verify/cost.js'

export const GIB = 2 ** 30

export interface CoreSpec {
  readonly node: number
  /** Its CPUs. */
  readonly cpus: readonly number[]
  readonly llc?: number
  readonly capacity?: number
  readonly offline?: boolean
  readonly allowed?: boolean
  readonly isolated?: boolean
  readonly package?: number
  /** The host does not say which node it is on. */
  readonly nodeless?: boolean
}

export interface HostSpec {
  /** Gigabytes by node id. */
  readonly nodes: Readonly<Record<number, number>>
  readonly distances?: readonly (readonly number[])[]
  readonly cores: readonly CoreSpec[]
  /** Free pages of 2 MiB on every node. */
  readonly hugePages?: number
  readonly bandwidth?: number
  /** Gigabytes of page cache by node id, beyond what is free. */
  readonly reclaimable?: Readonly<Record<number, number>>
  /** Nodes whose memory the cpuset keeps this process from. */
  readonly forbidden?: readonly number[]
  readonly limits?: Host['limits']
}

export function hostOf(spec: HostSpec): Host {
  const nodes = Object.entries(spec.nodes).map(([id, gib]): HostNode => {
    const bytes = gib * GIB
    const pages = [{ size: 4096, total: bytes / 4096, free: bytes / 4096 }]
    if (spec.hugePages !== undefined) pages.push({ size: 2 ** 21, total: spec.hugePages, free: spec.hugePages })
    const given = spec.bandwidth === undefined ? {} : { bandwidth: spec.bandwidth }
    const cache = (spec.reclaimable?.[Number(id)] ?? 0) * GIB
    const memory = { total: bytes + cache, free: bytes, ...(cache === 0 ? {} : { reclaimable: cache }) }
    const allowed = spec.forbidden?.includes(Number(id)) ? { allowed: false } : {}
    return { id: Number(id), memory, pages, ...allowed, ...given }
  })
  const cpus = spec.cores.flatMap((one, core) => {
    const { node, cpus: ids, llc = node, capacity = 1024, offline = false, allowed = true, isolated = false } = one
    return ids
      .map((id, thread) =>
        offline
          ? { id, node: null, package: null, llc: null, core: null, thread: null, capacity: null }
          : { id, node: one.nodeless ? null : node, package: one.package ?? 0, llc, core, thread, capacity },
      )
      .map((cpu) => ({ ...cpu, online: !offline, allowed, isolated }))
  })
  return {
    schemaVersion: 1,
    kind: 'Host',
    nodes,
    distances: spec.distances ?? nodes.map((a) => nodes.map((b) => (a === b ? 10 : 20))),
    cpus: cpus.sort((a, b) => a.id - b.id),
    ...(spec.limits === undefined ? {} : { limits: spec.limits }),
  }
}

/** Cores of `threads` CPUs each, numbered one after another: `perNode[i]` of them on node i. */
export function coresOf(perNode: readonly number[], threads = 1): CoreSpec[] {
  let next = 0
  return perNode.flatMap((count, node) =>
    Array.from({ length: count }, () => {
      const cpus = Array.from({ length: threads }, (_, at) => next + at)
      next += threads
      return { node, cpus }
    }),
  )
}

export interface CellSpec {
  /** CPU of each vCPU; a set of CPUs for one that floats. */
  readonly cpus: readonly (number | readonly number[])[]
  /** Bytes by node. */
  readonly memory: Readonly<Record<number, number>>
  readonly pageSize?: number
  /** Node of the vCPUs where their CPUs do not tell. */
  readonly node?: number
}

export interface VmSpec {
  readonly cells: readonly CellSpec[]
  readonly emulator?: string
  readonly iothreads?: readonly string[]
}

/** A plan of these VMs that prices itself right, with the moves where it is a re-plan; VMs that are not given are refused. */
export function planOf(host: Host, input: unknown, specs: Readonly<Record<string, VmSpec>>): Plan {
  const request = parseRequest(input)
  const vms = request.vms.flatMap((vm) => {
    const spec = specs[vm.name]
    return spec === undefined ? [] : [planVmOf(host, vm, spec)]
  })
  const names = new Set(vms.map((vm) => vm.name))
  const refused = request.vms.filter((vm) => !names.has(vm.name))
  const price = costOf(host, request, vms)
  const total = totalOf(price.terms) / 1e6
  const plan: Plan = {
    schemaVersion: 1,
    kind: 'Plan',
    status: vms.length === 0 ? 'infeasible' : refused.length > 0 ? 'partial' : total > 0 ? 'feasible' : 'optimal',
    cost: { lostVcpus: total, lowerBound: 0, gap: total, terms: inVcpus(price.terms) as Plan['cost']['terms'] },
    vms: vms.map((vm) => {
      const terms = price.vms.get(vm.name)!
      return { ...vm, cost: { lostVcpus: totalOf(terms) / 1e6, terms: inVcpus(terms, (micro) => micro !== 0) } }
    }),
    refused: refused.map(({ name }) => ({
      name,
      proven: false,
      because: [{ constraint: 'memory-capacity', text: 'it does not fit' }],
      nearest: [],
    })),
    solver: { planner: '0.0.0', seed: 1, steps: 0 },
  }
  return request.vms.some((vm) => vm.current !== null) ? { ...plan, ...orderMoves(host, request, plan) } : plan
}

function inVcpus(terms: Readonly<Record<string, number>>, keep: (micro: number) => boolean = () => true) {
  const kept = COST_TERMS.filter((term) => keep(terms[term]!))
  return Object.fromEntries(kept.map((term) => [term, terms[term]! / 1e6]))
}

function planVmOf(host: Host, vm: RequestVm, spec: VmSpec): PlanVm {
  const nodeOf = new Map(host.cpus.map((cpu) => [cpu.id, cpu.node]))
  // Cells given as a list may hold any vCPUs; else they are contiguous.
  let next = 0
  const vcpus = spec.cells.flatMap((cell, at) =>
    cell.cpus.map((cpus, index) => {
      const set = typeof cpus === 'number' ? [cpus] : cpus
      return {
        vcpu: typeof vm.cells === 'object' ? vm.cells[at]!.vcpus[index]! : next++,
        cell: at,
        node: cell.node ?? nodeOf.get(set[0]!) ?? 0,
        cpus: formatCpulist(set),
        dedicated: typeof cpus === 'number',
      }
    }),
  )
  vcpus.sort((a, b) => a.vcpu - b.vcpu)
  return {
    name: vm.name,
    cost: { lostVcpus: 0, terms: {} },
    cells: spec.cells.map((cell, at) => ({
      cell: at,
      pageSize: cell.pageSize ?? 4096,
      memory: Object.entries(cell.memory).map(([node, bytes]) => ({ node: Number(node), bytes })),
    })),
    vcpus,
    emulator: spec.emulator ?? formatCpulist(vcpus.flatMap((vcpu) => parseCpulist(vcpu.cpus, { allowEmpty: true }))),
    iothreads: spec.iothreads ?? [],
  }
}
