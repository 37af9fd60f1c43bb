/** Small hosts and VMs for the engine: two nodes of four CPUs, all vCPUs shared. */

import type { Observation, Planning, Situation } from '../../executor/balance/types.js'
import { Planner } from '../../src/planner/index.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/synthetic.js'

const GIB = 2 ** 30
const PAGE = 4096

export const HOST = syntheticHost('pack:2 [numa(memory=64GB)] l3:1 core:4 pu:1')
/** cpulists of its nodes. */
export const NODES = ['0-3', '4-7'] as const
export const SECOND = 1000

export interface VmAt {
  readonly name: string
  readonly vcpus?: number
  readonly cpus: string
  /** GiB by node. */
  readonly memory: readonly number[]
  readonly use: number
  readonly delay?: number
  readonly mayNot?: string
  readonly maxBytes?: number
  /** Fields of the request. */
  readonly fields?: object
}

export function observationOf(vms: readonly VmAt[], at: number, interval = 10 * SECOND): Observation {
  return {
    at,
    interval,
    pressure: { cpu: null, memory: null },
    vms: vms.map(({ name, vcpus = 2, use, delay = 0 }) => ({
      key: `key of ${name}`,
      name,
      vcpus: Array.from({ length: vcpus }, () => ({ use, delay })),
    })),
  }
}

/** @param demandOf by key */
export function situationOf(
  vms: readonly VmAt[],
  at: number,
  demandOf: ReadonlyMap<string, { readonly demand: number }>,
  host = HOST,
): Situation {
  const placed = vms.map(({ name, vcpus = 2, cpus, memory, fields = {} }) => {
    const parts = memory.flatMap((size, node) => (size > 0 ? [{ node, bytes: size * GIB }] : []))
    const node = host.cpus.find(({ id }) => id === Number.parseInt(cpus, 10))!.node ?? 0
    const seats = Array.from({ length: vcpus }, (_, vcpu) => ({ vcpu, cell: 0, node, cpus, dedicated: false }))
    const total = memory.reduce((sum, size) => sum + size, 0)
    const demand = demandOf.get(`key of ${name}`)?.demand ?? 0.01
    const shared = { cpuPolicy: 'shared', demand, memory: `${total}GiB`, pageSize: '4KiB', cells: 1, span: true }
    const current = { cells: [{ cell: 0, pageSize: PAGE, memory: parts }], vcpus: seats }
    return { request: { name, vcpus, ...shared, ...fields, current }, seats, parts }
  })
  return {
    at,
    host,
    request: parseRequest({
      overcommit: 1000,
      model: { horizonSeconds: 3600 },
      vms: placed.map(({ request }) => request),
    }),
    residents: placed.map(({ request, seats, parts }) => ({
      name: request.name,
      vcpus: seats.map(({ cell, cpus }) => ({ cell, cpus })),
      cells: [{ memory: parts }],
    })),
    vms: vms.map(({ name, mayNot = null, maxBytes = null }) => ({ key: `key of ${name}`, name, mayNot, maxBytes })),
  }
}

export async function planning(): Promise<Planning> {
  const planner = await Planner.load()
  return async ({ host, request }) => ({ plan: planner.plan(host, request, { steps: 300 }), kept: [] })
}
