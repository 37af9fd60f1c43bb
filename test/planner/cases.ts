/** Hosts and requests for planner tests: made from specs, and at random (reproducible through fast-check). */

import * as fc from 'fast-check'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Host, HostCpu, Measures } from '../../src/types.js'

const GIB = 2 ** 30

/** A host of even shape, with some CPUs switched off, of odd speed, and memory of its own on each node. */
export interface HostShape {
  readonly packages: number
  readonly nodes: number
  readonly llcs: number
  readonly cores: number
  readonly threads: number
  /** GiB by node, cyclically; 0: without memory. */
  readonly memory: readonly number[]
  readonly distance: number
  /** CPUs that are offline, not allowed, isolated or slow, cores that are of no node: (id * factor) % modulus == 0. */
  readonly spoil: {
    readonly offline: number
    readonly disallowed: number
    readonly isolated?: number
    readonly nodeless?: number
    readonly slow: number
  }
  /** GiB on each node that can be reclaimed, GiB of base pages that all nodes together give, a node outside of the cpuset; 0: none. */
  readonly reclaimable?: number
  readonly limit?: number
  readonly closed?: number
  /** What is measured of it; 0 or absent: nothing, 2: some figures are not known. */
  readonly measured?: number
}

function every(id: number, modulus: number): boolean {
  return modulus > 0 && (id * 7 + 3) % modulus === 0
}

function spoilCpu(
  cpu: HostCpu,
  { offline, disallowed, isolated = 0, nodeless = 0, slow }: HostShape['spoil'],
): HostCpu {
  if (every(cpu.id, offline)) {
    return { ...cpu, online: false, node: null, package: null, llc: null, core: null, thread: null, capacity: null }
  }
  const capacity = slow > 0 && (cpu.core ?? 0) % slow === 0 ? 512 : 1024
  const node = every(cpu.core ?? 0, nodeless) ? null : cpu.node
  return { ...cpu, node, allowed: !every(cpu.id, disallowed), isolated: every(cpu.id, isolated), capacity }
}

export function makeHost(shape: HostShape): Host {
  const { packages, nodes, llcs, cores, threads, memory, distance, reclaimable = 0, limit = 0, closed = 0 } = shape
  const host = syntheticHost(`pack:${packages} numa:${nodes} l3:${llcs} core:${cores} pu:${threads}`)
  const bytesOf = (node: number) => (memory[node % memory.length] ?? 0) * GIB
  return {
    ...host,
    nodes: host.nodes.map(({ id }) => {
      const bytes = bytesOf(id)
      const hugePages = bytes > 0 && id % 2 === 0 ? 256 : 0
      return {
        id,
        memory: {
          total: bytes,
          free: Math.max(0, bytes - reclaimable * GIB),
          ...(reclaimable > 0 ? { reclaimable: Math.min(bytes, reclaimable * GIB) } : {}),
        },
        ...(closed > 0 && id === closed ? { allowed: false } : {}),
        ...(shape.spoil.slow > 0 ? { bandwidth: 4e9 } : {}),
        pages: [
          { size: 4096, total: bytes / 4096, free: bytes / 4096 },
          { size: 2 ** 21, total: hugePages, free: hugePages },
        ],
      }
    }),
    distances: host.distances.map((row, from) =>
      row.map((_, to) => (from === to ? 10 : distance + ((from * 3 + to) % 3) * 5)),
    ),
    cpus: host.cpus.map((cpu) => spoilCpu(cpu, shape.spoil)),
    ...measuresOf(shape, host.nodes.length),
    ...(limit > 0 ? { limits: [{ size: 4096, pages: (limit * GIB) / 4096, cause: 'memory.max of /vms' }] } : {}),
  }
}

function measuresOf({ measured = 0, distance, llcs }: HostShape, nodes: number): Measures {
  if (measured === 0) return {}
  const matrix = (figure: (from: number, to: number) => number | null) =>
    Array.from({ length: nodes }, (_, from) => Array.from({ length: nodes }, (__, to) => figure(from, to)))
  const unknown = (from: number, to: number) => measured === 2 && from + 1 === nodes && to === 0
  return {
    latencies: matrix((from, to) => (unknown(from, to) ? null : from === to ? 80 + from : 90 + distance * 2 + to * 7)),
    bandwidths: matrix((from, to) => (from === to ? (measured === 2 ? null : 5e9) : 2e9)),
    hops: {
      core: 20,
      llc: 45.5,
      node: llcs > 1 ? 110 : null,
      nodes: matrix((from, to) => (from === to || unknown(to, from) ? null : 100 + 3.7 * distance + from + to)),
    },
    smt: measured === 2 ? null : 1.37,
  }
}

export const hostShape: fc.Arbitrary<HostShape> = fc.record({
  packages: fc.integer({ min: 1, max: 2 }),
  nodes: fc.integer({ min: 1, max: 3 }),
  llcs: fc.integer({ min: 1, max: 3 }),
  cores: fc.integer({ min: 1, max: 4 }),
  threads: fc.integer({ min: 1, max: 2 }),
  memory: fc.array(fc.constantFrom(0, 1, 4, 16), { minLength: 1, maxLength: 3 }),
  distance: fc.oneof(fc.constant(10), fc.integer({ min: 11, max: 40 })),
  spoil: fc.record({
    offline: fc.constantFrom(0, 5, 7),
    disallowed: fc.constantFrom(0, 6, 9),
    isolated: fc.constantFrom(0, 0, 2, 4),
    nodeless: fc.constantFrom(0, 0, 3),
    slow: fc.constantFrom(0, 3),
  }),
  reclaimable: fc.constantFrom(0, 0, 1),
  limit: fc.constantFrom(0, 0, 0, 3),
  closed: fc.constantFrom(0, 0, 0, 1),
  measured: fc.constantFrom(0, 0, 1, 2),
})

const vmShape = fc.record(
  {
    vcpus: fc.integer({ min: 1, max: 9 }),
    mebibytes: fc.integer({ min: 1, max: 3000 }),
    cells: fc.oneof(fc.constant('auto' as const), fc.integer({ min: 1, max: 3 })),
    cpuPolicy: fc.constantFrom('dedicated', 'dedicated', 'shared', 'mixed'),
    span: fc.constantFrom(false, false, true),
    memoryPolicy: fc.constantFrom('strict', 'strict', 'preferred', 'interleave'),
    traffic: fc.constantFrom('uniform', 'uniform', 'uniform', 'ring', 'pairs', 'one-way'),
    threadPolicy: fc.constantFrom('prefer', 'require', 'isolate', 'spread'),
    pageSize: fc.constantFrom('any', 'any', '4KiB', '2MiB'),
    demand: fc.constantFrom(0.1, 0.37, 1),
    weight: fc.constantFrom(1, 1, 2.5),
    memoryBound: fc.constantFrom(0, 0.3, 0.7),
    iothreads: fc.constantFrom(0, 2),
    emulator: fc.constantFrom('housekeeping', 'housekeeping', 'dedicated'),
    bandwidth: fc.constantFrom(0, 0, '3GB/s'),
    trust: fc.constantFrom('ours', 'theirs', undefined, undefined),
    memoryNodes: fc.constantFrom(undefined, undefined, undefined, '0'),
    avoidDeviceNodes: fc.constantFrom(undefined, undefined, false, true),
    relation: fc.constantFrom('separateFrom', 'near', undefined),
    device: fc.option(fc.record({ node: fc.integer({ min: 0, max: 1 }), strict: fc.boolean() }), { nil: undefined }),
  },
  { noNullPrototype: true },
)

/** vCPU-to-vCPU traffic of a certain shape. */
function trafficOf(shape: string, vcpus: number): number[][] | 'uniform' {
  if (shape === 'uniform') return 'uniform'
  const amount = (from: number, to: number): number => {
    if (shape === 'ring') return (from + 1) % vcpus === to ? 3 : 0
    if (shape === 'pairs') return from % 2 === to % 2 ? 5.5 : 0.25
    return from < to ? from + 1 : 0
  }
  return Array.from({ length: vcpus }, (_, from) => Array.from({ length: vcpus }, (_, to) => amount(from, to)))
}

/** The content of a request file. VMs relate to the one before them; devices are on nodes that every such host has. */
export const request = fc
  .record({
    vms: fc.array(vmShape, { minLength: 1, maxLength: 6 }),
    strategy: fc.constantFrom('pack', 'spread'),
    overcommit: fc.constantFrom(1, 4),
    reserve: fc.constantFrom('', '0'),
    without: fc.constantFrom('', '', '', '0'),
    deviceNodes: fc.constantFrom('', '', '', '0'),
    freeMemoryOnly: fc.boolean(),
  })
  .map(({ vms, strategy, overcommit, reserve, without, deviceNodes, freeMemoryOnly }) => ({
    schemaVersion: 1,
    kind: 'Request',
    strategy,
    overcommit,
    reserve: { cpus: reserve, memory: '64MiB', nodes: without },
    deviceNodes,
    freeMemoryOnly,
    vms: vms.map(
      ({ mebibytes, cells, trust, memoryNodes, avoidDeviceNodes, relation, device, traffic, ...vm }, at) => ({
        ...vm,
        ...(vm.cpuPolicy === 'mixed' ? { dedicatedVcpus: vm.vcpus > 2 ? `0,2-${vm.vcpus - 1}:3` : '0' } : {}),
        traffic: trafficOf(traffic, vm.vcpus),
        name: `vm${at}`,
        memory: `${mebibytes}MiB`,
        cells: cells === 'auto' ? cells : Math.min(cells, vm.vcpus),
        ...(trust === undefined ? {} : { trust }),
        ...(avoidDeviceNodes === undefined ? {} : { avoidDeviceNodes }),
        // Of its nodes some have to be for it.
        ...(memoryNodes === undefined ||
        without !== '' ||
        (deviceNodes !== '' && (avoidDeviceNodes ?? device === undefined))
          ? {}
          : { memoryNodes }),
        ...(relation === undefined || at === 0 ? {} : { [relation]: [`vm${at - 1}`] }),
        ...(device === undefined ? {} : { devices: [{ node: 0, strict: device.strict }] }),
      }),
    ),
  }))
