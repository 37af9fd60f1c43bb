/** What a request makes of a host (docs/model.md, "Host"): who runs on which CPU, and what memory there is for VMs. */

import type { CpuId, Host, HostCpu, HostNode, NodeId, Request } from '../types.js'
import { CPU } from './generated/abi.js'

/** An online CPU, with every number known. */
export interface OnlineCpu {
  readonly id: CpuId
  readonly node: NodeId
  /** Host-wide numbers from 0. */
  readonly llc: number
  readonly core: number
  readonly capacity: number
  /** A number of `CPU`. */
  readonly use: number
  /** Whether threads of VMMs can run there, where it is reserved. */
  readonly keepsHouse: boolean
}

const FULL_CAPACITY = 1024
const BASE_PAGE = 4096

function isReserved({ id }: HostCpu, { reserve: { cpus } }: Request): boolean {
  return 'allBut' in cpus ? !cpus.allBut.includes(id) : cpus.includes(id)
}

function useOf(cpu: HostCpu, request: Request): number {
  if (isReserved(cpu, request)) return CPU.HOST
  if (!cpu.allowed) return CPU.ELSEWHERE
  return cpu.isolated ? CPU.ISOLATED : CPU.GUESTS
}

/** Numbers from 0, the same for the same key, in the order in which they are asked for. */
function numbering(): (key: string) => number {
  const numbers = new Map<string, number>()
  return (key) => {
    const number = numbers.get(key) ?? numbers.size
    numbers.set(key, number)
    return number
  }
}

const cpusOf = new WeakMap<Host, { readonly reserve: Request['reserve']; readonly cpus: readonly OnlineCpu[] }>()

/** The online CPUs, ascending: the same array for the same host and reserve as the last time. */
export function onlineCpus(host: Host, request: Request): readonly OnlineCpu[] {
  const known = cpusOf.get(host)
  if (known?.reserve === request.reserve) return known.cpus
  const cpus = makeOnlineCpus(host, request)
  cpusOf.set(host, { reserve: request.reserve, cpus })
  return cpus
}

function makeOnlineCpus(host: Host, request: Request): OnlineCpu[] {
  const online = host.cpus.filter((cpu) => cpu.online)
  const nodeOf = nodesOfCpus(host, request, online)
  const llcOf = numbering()
  const coreOf = numbering()
  return online.map((cpu) => {
    const { id, llc, core, capacity, allowed, isolated } = cpu
    const node = nodeOf(cpu)
    return {
      id,
      node,
      // If caches are unknown, the node counts as one LLC. A CPU whose core is unknown counts as a core of its own.
      llc: llcOf(llc === null ? `node ${node}` : `${llc}`),
      core: coreOf(core === null ? `CPU ${id}` : `${core}`),
      capacity: capacity ?? FULL_CAPACITY,
      use: useOf(cpu, request),
      keepsHouse: allowed && !isolated,
    }
  })
}

/** The node of an online CPU. If the host gives none: its package's node, else the lowest node with memory, else the lowest. */
function nodesOfCpus(host: Host, request: Request, online: readonly HostCpu[]): (cpu: HostCpu) => NodeId {
  const byPackage = new Map<number, NodeId>()
  for (const cpu of online) {
    if (cpu.node !== null && cpu.package !== null && !byPackage.has(cpu.package)) byPackage.set(cpu.package, cpu.node)
  }
  const fallback = (host.nodes.find((node) => hasMemory(node, request)) ?? host.nodes[0])?.id ?? 0
  return (cpu) => cpu.node ?? (cpu.package === null ? undefined : byPackage.get(cpu.package)) ?? fallback
}

/** Whether dedicated threads of VMs may have a CPU of this use. */
export function isUsable({ use }: Pick<OnlineCpu, 'use'>): boolean {
  return use === CPU.GUESTS || use === CPU.ISOLATED
}

/** Whether VMs may have memory on the node. */
export function hasMemory({ id, memory, allowed }: HostNode, { reserve }: Request): boolean {
  return memory.total !== 0 && allowed !== false && !reserve.nodes.includes(id)
}

const sizesOf = new WeakMap<Host, readonly number[]>()

/** All page sizes of the host in bytes, ascending: the first is the base page. */
export function pageSizesOf(host: Host): readonly number[] {
  const known = sizesOf.get(host)
  if (known !== undefined) return known
  const found = new Set(host.nodes.flatMap(({ pages }) => pages.map(({ size }) => size)))
  const sizes = found.size === 0 ? [BASE_PAGE] : [...found].sort((a, b) => a - b)
  sizesOf.set(host, sizes)
  return sizes
}

/** Pages of the size that the node has for VMs. */
export function freePages(node: HostNode, request: Request, size: number, basePage: number): number {
  if (!hasMemory(node, request)) return 0
  if (size !== basePage) return node.pages.find((pool) => pool.size === size)?.free ?? 0
  const { free, reclaimable = 0 } = node.memory
  const bytes = (free ?? 0) + (request.freeMemoryOnly ? 0 : reclaimable) - request.reserve.memory
  return Math.max(0, Math.floor(bytes / basePage))
}
