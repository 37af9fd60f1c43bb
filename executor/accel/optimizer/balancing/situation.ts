/** Guests as what may be planned: where they are, as busy as they were measured. */

import { formatCpulist } from '../../../../src/cpulist.js'
import { parseRequest, withVms } from '../../../../src/request.js'
import type { CurrentPlacement, Host, NodeId, PlanCell, Request } from '../../../../src/types.js'
import type { Settings } from '../../../balance/settings.js'
import type { Demand, Planning, Situation } from '../../../balance/types.js'
import { withFreed } from '../../../found/freed.js'
import type { GuestNow } from './guest.js'

/** What a situation is made of. */
export interface Circumstances {
  /** The time of the observation before it. */
  readonly at: number
  readonly host: Host
  readonly guests: readonly { readonly name: string; readonly now: GuestNow }[]
  /** By key. */
  readonly demands: ReadonlyMap<string, Demand>
  readonly settings: Pick<Settings, 'horizon' | 'copyBytesPerSecond'>
}

/** Where guests share CPUs, they do so already: what it costs is the cost model's affair. */
const MOST_OVERCOMMIT = 1000

/**
 * A vCPU that may use one CPU alone, which no other vCPU is pinned to, keeps a CPU to itself. All others share. A cell of a guest is on one node. Who may
 * not move its memory is bound to the nodes where it is.
 */
export function situate({ at, host, guests, demands, settings }: Circumstances): Situation {
  const placed = guests.map(({ name, now }) => ({ name, now, ...placeOf(now, host) }))
  const pinned = new Map<string, number>()
  for (const { cpus } of placed.flatMap(({ vcpus }) => vcpus)) pinned.set(cpus, (pinned.get(cpus) ?? 0) + 1)
  const isAlone = (cpus: string) => /^\d+$/.test(cpus) && pinned.get(cpus) === 1
  const vms = placed.map(({ name, now, vcpus, cells }) => {
    const own = vcpus.flatMap(({ cpus }, vcpu) => (isAlone(cpus) ? [vcpu] : []))
    const here = cells.flatMap(({ memory }) => memory.map(({ node }) => node))
    return {
      name,
      vcpus: vcpus.length,
      memory: bytesText(sumOf(cells)),
      pageSize: bytesText(cells[0]!.pageSize),
      cells: cells.length === 1 ? 1 : cells.map((cell) => cellText(cell, vcpus)),
      memoryNodes: nodeList(now.nodes.length === 0 ? here : now.nodes),
      ...policyOf(own, vcpus.length),
      ...(own.length === vcpus.length ? {} : { demand: demands.get(now.guest.key)?.demand ?? 1 }),
      current: { cells, vcpus: vcpus.map((vcpu, at) => ({ ...vcpu, dedicated: own.includes(at) })) },
    }
  })
  const { horizon: horizonSeconds, copyBytesPerSecond } = settings
  const frame = { overcommit: MOST_OVERCOMMIT, model: { horizonSeconds, copyBytesPerSecond } }
  return {
    at,
    host: withFreed(
      host,
      placed.flatMap(({ cells }) => cells),
    ),
    request: vms.length === 0 ? nobody(frame) : parseRequest({ ...frame, vms }),
    residents: placed.map(({ name, vcpus, cells }) => ({ name, vcpus, cells })),
    vms: guests.map(({ name, now: { guest, nodes } }) => {
      return { key: guest.key, name, mayNot: null, maxBytes: nodes.length === 0 ? 0 : null }
    }),
  }
}

export const planAll: Planning = async ({ host, request }) => {
  const { plan } = await import('../../../../src/plan.js')
  return { plan: await plan(host, request), kept: [] }
}

/** vCPUs are numbered anew, without those that have halted. */
function placeOf({ vcpus, parts, cells }: GuestNow, host: Host): Pick<CurrentPlacement, 'cells' | 'vcpus'> {
  const nodeOf = new Map(host.cpus.flatMap(({ id, node, online }) => (online ? [[id, node ?? 0] as const] : [])))
  const pageSize = Math.min(...parts.map((part) => part.pageSize))
  return {
    cells: Array.from({ length: cells }, (_, cell) => {
      const own = parts.filter((part) => part.cell === cell)
      const nodes = [...new Set(own.map(({ node }) => node))].sort((a, b) => a - b)
      const bytesOn = (node: NodeId) => own.reduce((sum, part) => sum + (part.node === node ? part.bytes : 0), 0)
      return { cell, pageSize, memory: nodes.map((node) => ({ node, bytes: bytesOn(node) })) }
    }),
    vcpus: vcpus.map(({ cpus, cell }, vcpu) => {
      const online = cpus.filter((cpu) => nodeOf.has(cpu))
      const node = mostFrequent(online.map((cpu) => nodeOf.get(cpu)!))
      return { vcpu, cell, node, cpus: formatCpulist(online), dedicated: false }
    }),
  }
}

function policyOf(own: readonly number[], vcpus: number): object {
  if (own.length === 0) return { cpuPolicy: 'shared' }
  if (own.length === vcpus) return { cpuPolicy: 'dedicated' }
  return { cpuPolicy: 'mixed', dedicatedVcpus: formatCpulist(own) }
}

function cellText({ cell, memory }: PlanCell, vcpus: CurrentPlacement['vcpus']): object {
  const own = vcpus.flatMap((vcpu) => (vcpu.cell === cell ? [vcpu.vcpu] : []))
  return { vcpus: formatCpulist(own), memory: bytesText(sumOf([{ memory }])) }
}

function sumOf(cells: readonly Pick<PlanCell, 'memory'>[]): number {
  return cells.flatMap(({ memory }) => memory).reduce((sum, { bytes }) => sum + bytes, 0)
}

function bytesText(bytes: number): string {
  return `${bytes}B`
}

function nodeList(nodes: readonly NodeId[]): string {
  return formatCpulist([...new Set(nodes)].sort((a, b) => a - b))
}

function mostFrequent(nodes: readonly NodeId[]): NodeId {
  const count = (node: NodeId) => nodes.filter((each) => each === node).length
  return [...new Set(nodes)].reduce((best, node) => (count(node) > count(best) ? node : best), nodes[0] ?? 0)
}

/** A request has a VM at least, and here there is none. */
function nobody(frame: object): Request {
  return withVms(parseRequest({ ...frame, vms: [{ name: 'nobody', vcpus: 1, memory: '4KiB' }] }), [])
}
