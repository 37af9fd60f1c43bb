/** VMs that are placed, for the formats' tests. */

import { type Guest, guestOf } from '../../src/formats/guest.js'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Host, Plan, PlanVm } from '../../src/types.js'

export const GIB = 2 ** 30
export const MIB = 2 ** 20

const planner = await Planner.load()

/** Two packages with a node each, two LLCs a node, four cores an LLC, two threads a core, huge pages. */
export const TWO_NODES: Host = withHugePages(syntheticHost('pack:2 [numa(memory=64GB)] l3:2 core:4 pu:2'))

function withHugePages(host: Host): Host {
  const nodes = host.nodes.map((node) => ({
    ...node,
    pages: [...node.pages, { size: 2 * MIB, total: 4096, free: 4096 }],
  }))
  return { ...host, nodes }
}

export function planFor(input: unknown, host: Host = TWO_NODES): Plan {
  return planner.plan(host, parseRequest(input), { steps: 0 })
}

/** The VM of a request with one, placed. */
export function placed(vm: object, host: Host = TWO_NODES): PlanVm {
  const { vms, refused } = planFor({ vms: [{ name: 'db', vcpus: 4, memory: '1GiB', ...vm }] }, host)
  if (vms[0] === undefined) throw new Error(JSON.stringify(refused))
  return vms[0]
}

/** As the formats have it, with the host where it is given. */
export function guest(vm: object = {}, host: Host = TWO_NODES): Guest {
  const { memoryPolicy } = parseRequest({ vms: [{ name: 'db', vcpus: 4, memory: '1GiB', ...vm }] }).vms[0]!
  return guestOf(placed(vm, host), memoryPolicy, host)
}

/** A VM by hand: the CPUs of its vCPUs cell by cell, and the bytes of each cell by node. */
export function guestBy(
  cells: readonly {
    readonly cpus: readonly string[]
    readonly memory: Readonly<Record<number, number>>
    readonly pageSize?: number
  }[],
  more: Partial<PlanVm> & { readonly policy?: Guest['policy']; readonly host?: Host } = {},
): Guest {
  const { policy, host, ...fields } = more
  const vcpus = cells.flatMap(({ cpus, memory }, cell) =>
    cpus.map((list) => ({ cell, cpus: list, node: Number(Object.keys(memory)[0]), dedicated: /^\d+$/.test(list) })),
  )
  const vm: PlanVm = {
    name: 'db',
    cost: { lostVcpus: 0, terms: {} },
    cells: cells.map(({ memory, pageSize = 4096 }, cell) => ({
      cell,
      pageSize,
      memory: Object.entries(memory).map(([node, bytes]) => ({ node: Number(node), bytes })),
    })),
    vcpus: vcpus.map((vcpu, at) => ({ vcpu: at, ...vcpu })),
    emulator: '0',
    iothreads: [],
    ...fields,
  }
  return guestOf(vm, policy, host ?? null)
}
