/** The common set of problems: what every runtime is given. */

import * as fc from 'fast-check'
import type { Planner, PlanOptions } from '../../../src/planner/planner.js'
import { parseRequest } from '../../../src/request.js'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import type { Host, HostCpu, HostNode, PlanVm, Request } from '../../../src/types.js'
import { hostShape, makeHost, request } from '../cases.js'

/** A problem in objects. Request is complete, as `parseRequest` returns it. */
export interface Problem {
  readonly name: string
  readonly host: Host
  readonly request: Request
  readonly options: PlanOptions
}

const GIB = 2 ** 30

type Change<T> = (one: T) => Partial<T>

/** A host of a synthetic description, with some of its nodes and CPUs changed. */
function hostWith(spec: string, node: Change<HostNode>, cpu: Change<HostCpu> = () => ({})): Host {
  const host = syntheticHost(spec)
  return {
    ...host,
    nodes: host.nodes.map((one) => ({ ...one, ...node(one) })),
    cpus: host.cpus.map((one) => ({ ...one, ...cpu(one) })),
  }
}

function memory(gibibytes: number, huge = 0): Partial<HostNode> {
  const total = gibibytes * GIB
  return {
    memory: { total, free: total },
    pages: [
      { size: 4096, total: total / 4096, free: total / 4096 },
      { size: 2 ** 21, total: huge, free: huge },
    ],
  }
}

const even = hostWith('pack:2 numa:2 l3:2 core:4 pu:2', () => memory(16))
const uneven = hostWith(
  'pack:2 numa:2 l3:1 core:4 pu:2',
  ({ id }) => ({ ...memory([8, 0, 2, 32][id] ?? 1, id === 3 ? 2048 : 0), bandwidth: 2e9 }),
  ({ id }) => ({ allowed: id % 7 !== 0 }),
)
const hybrid = hostWith(
  'numa:1 l3:2 core:4 pu:1',
  () => memory(16),
  ({ id }) => ({ capacity: id < 4 ? 1024 : 540 }),
)

/** A host with a node that has memory alone, as CXL memory does, and ids with gaps. */
function sparse(): Host {
  const far = { ...(even.nodes[0] as HostNode), ...memory(64), id: 40 as HostNode['id'] }
  const nodes = [...even.nodes.map((node) => ({ ...node, id: (node.id * 3) as HostNode['id'] })), far]
  const distances = nodes.map((_, from) => nodes.map((__, to) => (from === to ? 10 : to === 4 || from === 4 ? 26 : 14)))
  const cpus = even.cpus.map((cpu) => ({
    ...cpu,
    id: (cpu.id * 5) as HostCpu['id'],
    node: ((cpu.node ?? 0) * 3) as HostNode['id'],
  }))
  return { ...even, nodes, distances, cpus }
}

const uniform = [...Array(4)].map((_, row) =>
  [...Array(4)].map((__, column) => (row === column ? 0 : (row + column) % 3)),
)

/** A request by feature of docs/model.md, and the host that it is for. */
const FEATURES: Readonly<
  Record<string, { readonly on: Host; readonly vms: readonly object[]; readonly rest?: object }>
> = {
  'many VMs': { on: even, vms: [1, 2, 3, 5, 8].map((vcpus, at) => ({ name: `v${at}`, vcpus, memory: '1GiB' })) },
  'thread policies and trust': {
    on: even,
    vms: ['prefer', 'require', 'isolate', 'spread'].map((threadPolicy, at) => {
      return { name: `v${at}`, vcpus: 3, memory: '1GiB', threadPolicy, trust: at < 2 ? 'ours' : `other ${at}` }
    }),
  },
  'given cells': {
    on: uneven,
    vms: [
      {
        name: 'a',
        vcpus: 4,
        memory: '3GiB',
        cells: [
          { vcpus: '0,3', memory: '1GiB' },
          { vcpus: '1-2', memory: '2GiB' },
        ],
      },
    ],
  },
  'pages, devices, bandwidth': {
    on: uneven,
    vms: [
      { name: 'a', vcpus: 2, memory: '2GiB', pageSize: '2MiB', devices: [{ node: 1, strict: false }] },
      {
        name: 'b',
        vcpus: 2,
        memory: '1GiB',
        devices: [{ node: 2, strict: true }],
        bandwidth: '3GB/s',
        memoryBound: 0.6,
      },
    ],
  },
  'shared vCPUs and overcommit': {
    on: hybrid,
    vms: [0.2, 0.9, 1].map((demand, at) => ({ name: `v${at}`, vcpus: 6, memory: '1GiB', cpuPolicy: 'shared', demand })),
    rest: { overcommit: 3, strategy: 'spread' },
  },
  'threads of the VMM, relations, reserve': {
    on: even,
    vms: [
      { name: 'a', vcpus: 2, memory: '1GiB', emulator: 'dedicated', iothreads: 2 },
      { name: 'b', vcpus: 2, memory: '1GiB', separateFrom: ['a'], weight: 3 },
      { name: 'c', vcpus: 2, memory: '1GiB', near: ['b'] },
    ],
    rest: { reserve: { cpus: '0-1', memory: '1GiB' }, model: { home: 0.7, communication: 0.2, smt: 0.3, device: 0.1 } },
  },
  refusals: {
    on: uneven,
    vms: [
      { name: 'a', vcpus: 7, memory: '9GiB', cells: 1 },
      { name: 'b', vcpus: 12, memory: '40GiB', threadPolicy: 'isolate' },
      { name: 'c', vcpus: 1, memory: '1GiB' },
    ],
  },
  'gaps in ids, memory without CPUs': {
    on: sparse(),
    vms: [
      { name: 'a', vcpus: 9, memory: '9GiB' },
      { name: 'b', vcpus: 4, memory: '15GiB' },
    ],
  },
  span: { on: even, vms: [{ name: 'a', vcpus: 12, memory: '20GiB', cells: 1, span: true }] },
  mixed: { on: even, vms: [{ name: 'a', vcpus: 6, memory: '2GiB', cpuPolicy: 'mixed', dedicatedVcpus: '0-1' }] },
  'preferred memory': { on: sparse(), vms: [{ name: 'a', vcpus: 2, memory: '30GiB', memoryPolicy: 'preferred' }] },
  'interleaved memory': {
    on: even,
    vms: [{ name: 'a', vcpus: 12, memory: '5GiB', cells: 2, memoryPolicy: 'interleave' }],
  },
  traffic: {
    on: even,
    vms: [
      { name: 'a', vcpus: 4, memory: '1GiB', traffic: uniform },
      { name: 'b', vcpus: 10, memory: '1GiB' },
    ],
  },
}

/** The plan that a request has now, as `current` wants it: planned on the same host without one. */
function replanned(planner: Planner, on: Host): Problem {
  const vms = [1, 2, 3].map((at) => ({ name: `v${at}`, vcpus: 2 * at, memory: '1GiB', cells: 1 }))
  const { vms: placed } = planner.plan(on, parseRequest({ vms }), { steps: 0 })
  const [first, , third] = vms.map((vm, at) => {
    const { cells, vcpus } = placed[at] as PlanVm
    return { ...vm, current: { cells, vcpus } }
  })
  return { name: 're-plan', host: on, request: parseRequest({ vms: [first, third] }), options: { steps: 200 } }
}

/** Requests at random, always the same ones. */
function sampled(count: number): Problem[] {
  return fc.sample(fc.tuple(hostShape, request), { numRuns: count, seed: 20260401 }).map(([shape, input], at) => {
    return {
      name: `sample ${at}`,
      host: makeHost(shape),
      request: parseRequest(input),
      options: { steps: 10, seed: at },
    }
  })
}

/** As it comes out of JSON, which is how it reaches the runtimes. */
function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}

/** One problem for each feature of the model, a re-plan, and so many samples of the property tests' hosts and requests. */
export function commonProblems(planner: Planner, samples: number): Problem[] {
  const byFeature = Object.entries(FEATURES).map(([name, { on, vms, rest }]): Problem => {
    return { name, host: on, request: parseRequest({ ...rest, vms }), options: { steps: 100, seed: 7 } }
  })
  return [...byFeature, replanned(planner, even), ...sampled(samples)].map(plain)
}
