/** What it costs vCPUs that their memory is where it is (docs/model.md, `remoteMemory`). */

import { formatCpulist } from '../../../src/cpulist.js'
import { parseRequest } from '../../../src/request.js'
import { LOCAL_DISTANCE, REMOTE_DISTANCE } from '../../../src/topology/limits.js'
import type { Host, NodeId } from '../../../src/types.js'
import { costOf } from '../../../src/verify/cost.js'

/** SLIT units between two nodes; what the host does not say is 10 within a node and 20 between two. */
export function distancesOf(host: Host): (from: NodeId, to: NodeId) => number {
  const index = new Map(host.nodes.map(({ id }, at) => [id, at]))
  return (from, to) =>
    host.distances[index.get(from) ?? -1]?.[index.get(to) ?? -1] ?? (from === to ? LOCAL_DISTANCE : REMOTE_DISTANCE)
}

const NAME = 'vm'

/**
 * Millionths of a lost vCPU, as the verifier computes them for one VM of one cell.
 * @param users the node of each vCPU
 * @param memory bytes by node, each a whole number of pages, and some in all
 */
export function remoteMemoryCost(host: Host, users: readonly NodeId[], memory: ReadonlyMap<NodeId, number>): number {
  if (users.length === 0) return 0
  const parts = [...memory].filter(([, bytes]) => bytes > 0).map(([node, bytes]) => ({ node, bytes }))
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  const request = parseRequest({ vms: [{ name: NAME, vcpus: users.length, memory: `${total}B`, cpuPolicy: 'shared' }] })
  const cpusOf = (node: NodeId) => formatCpulist(host.cpus.filter((cpu) => cpu.node === node).map(({ id }) => id))
  const vm = {
    name: NAME,
    cost: { lostVcpus: 0, terms: {} },
    cells: [{ cell: 0, pageSize: host.nodes[0]!.pages[0]!.size, memory: parts }],
    vcpus: users.map((node, vcpu) => ({ vcpu, cell: 0, node, cpus: cpusOf(node), dedicated: false })),
    emulator: '',
    iothreads: [],
  }
  return costOf(host, request, [vm]).terms.remoteMemory
}
