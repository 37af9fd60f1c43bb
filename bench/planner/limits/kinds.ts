/** Requests at the limits of the planner, by what makes them hard, each in any number of VMs (or of vCPUs of one VM). */

import { parseHost, syntheticHost } from '../../../src/topology/index.js'
import type { Host } from '../../../src/types.js'

/** One problem: the host, and the content of a request file. */
export interface Problem {
  readonly host: Host
  readonly request: Readonly<Record<string, unknown>> & { readonly vms: readonly Vm[] }
}

type Vm = Readonly<Record<string, unknown>>

export interface Kind {
  readonly name: string
  /** The most VMs, or vCPUs of its one VM. */
  readonly most: number
  /** With so many VMs (or vCPUs) on a host of so many nodes. */
  make(count: number, nodes?: number): Problem
}

const NODES = 64
const GIB = 2 ** 30

/** Nodes of 64 CPUs in four LLCs, 4,096 CPUs in all where there are 64. */
function wide(nodes: number, memory = '512GiB', units = 'l3:4 core:8 pu:2'): Host {
  return syntheticHost(`group:${nodes} [numa(memory=${memory})] ${units}`)
}

/** The host with its nodes changed. */
function withNodes(host: Host, change: (node: Host['nodes'][number], at: number) => object): Host {
  return parseHost({ ...host, nodes: host.nodes.map((node, at) => ({ ...node, ...change(node, at) })) })
}

/** As many distances as pairs of nodes, all between 11 and 60, none like the other way round. */
function withUnevenDistances(host: Host): Host {
  const distances = host.nodes.map((_, from) => {
    return host.nodes.map((_, to) => (from === to ? 10 : 11 + ((from * 37 + to * 101 + from * to) % 50)))
  })
  return parseHost({ ...host, distances })
}

function many(count: number, make: (at: number) => Vm): Vm[] {
  return Array.from({ length: count }, (_, at) => ({ name: `vm${at}`, vcpus: 1, memory: '1GiB', ...make(at) }))
}

/** A kind of many VMs that are told one by one, on the wide host unless it says otherwise. */
function kind(
  name: string,
  most: number,
  vm: (at: number, count: number, nodes: number) => Vm,
  more: Options = {},
): Kind {
  const { host = wide, request = {} } = more
  const make = (count: number, nodes = NODES): Problem => {
    const vms = many(count, (at) => vm(at, count, nodes))
    return { host: host(nodes), request: { ...request, vms } }
  }
  return { name, most, make }
}

interface Options {
  readonly host?: (nodes: number) => Host
  readonly request?: Readonly<Record<string, unknown>>
}

/** A kind of one VM that grows. */
function single(name: string, most: number, vm: (vcpus: number) => Vm, host: (nodes: number) => Host = wide): Kind {
  const make = (vcpus: number, nodes = NODES): Problem => {
    return { host: host(nodes), request: { vms: [{ name: 'vm', vcpus, memory: '64GiB', ...vm(vcpus) }] } }
  }
  return { name, most, make }
}

const apart = (at: number, from: number) =>
  Array.from({ length: Math.min(at, from) }, (_, back) => `vm${at - 1 - back}`)

/** Uneven, and denser near the diagonal, as of a ring of workers. */
function trafficOf(vcpus: number): number[][] {
  return Array.from({ length: vcpus }, (_, from) => {
    return Array.from({ length: vcpus }, (_, to) =>
      from === to ? 0 : ((from * 7 + to * 13) % 11) / (1 + Math.abs(from - to)),
    )
  })
}

/** Where the VM is now: its vCPUs on consecutive CPUs of a node of 64 CPUs, its memory there. */
function currentAt(vcpus: number, first: number, bytes: number, cells = 1): object {
  const nodeOf = (vcpu: number) => (first + vcpu) >> 6
  const cellOf = (vcpu: number) => Math.floor((vcpu * cells) / vcpus)
  return {
    cells: Array.from({ length: cells }, (_, cell) => {
      const node = nodeOf(Math.ceil((cell * vcpus) / cells))
      return { cell, pageSize: 4096, memory: [{ node, bytes: bytes / cells }] }
    }),
    vcpus: Array.from({ length: vcpus }, (_, vcpu) => {
      return { vcpu, cell: cellOf(vcpu), node: nodeOf(vcpu), cpus: `${first + vcpu}`, dedicated: true }
    }),
  }
}

const hugePages = (nodes: number) =>
  withNodes(wide(nodes), ({ pages }) => ({
    pages: [...pages, { size: 2 ** 21, total: 16384, free: 16384 }, { size: GIB, total: 32, free: 32 }],
  }))

/** Every other core is slow. */
const hybrid = (nodes: number) => {
  const host = wide(nodes)
  return parseHost({
    ...host,
    cpus: host.cpus.map((cpu) => ({ ...cpu, capacity: (cpu.core ?? 0) % 2 === 0 ? 1024 : 512 })),
  })
}

export const KINDS: readonly Kind[] = [
  kind('small', 4096, (at) => ({ vcpus: 1 + (at % 2) })),
  kind('separate', 4000, (at) => ({ separateFrom: apart(at, 4) })),
  kind('separate from one', 4096, (at) => ({ separateFrom: at === 0 ? [] : ['vm0'] })),
  kind('near chain', 1500, (at) => ({ vcpus: 2, near: apart(at, 1) })),
  kind('near chains', 4000, (at) => ({ near: at % 8 === 0 ? [] : apart(at, 1) })),
  kind('preferred', 2000, (at) => ({ memoryPolicy: 'preferred', memory: `${1 + (at % 3)}GiB` }), {
    host: (nodes) => wide(nodes, '64GiB'),
  }),
  kind('shared', 4096, () => ({ vcpus: 4, cpuPolicy: 'shared', demand: 0.25 })),
  kind('overcommitted', 4096, (at) => ({ vcpus: 4, cpuPolicy: 'shared', demand: 0.5 + (at % 5) / 10 })),
  kind('mixed', 2500, () => ({ vcpus: 6, cpuPolicy: 'mixed', dedicatedVcpus: '0', demand: 0.2 })),
  kind('trust', 4096, (at) => ({ trust: `domain ${at % 300}` })),
  kind('isolate', 2048, () => ({ threadPolicy: 'isolate' })),
  kind('require', 1300, (at) => ({ vcpus: 1 + (at % 5), threadPolicy: 'require' })),
  kind('spread', 2400, (at) => ({ vcpus: 1 + (at % 3), threadPolicy: 'spread' }), { request: { strategy: 'spread' } }),
  kind('interleave', 1024, () => ({ vcpus: 4, cells: 2, memoryPolicy: 'interleave', memory: '4GiB' })),
  kind('huge pages', 4096, (at) => ({ pageSize: at % 3 === 0 ? '1GiB' : at % 3 === 1 ? '2MiB' : 'any' }), {
    host: hugePages,
  }),
  kind('bandwidth', 3000, (at) => ({ bandwidth: (1 + (at % 7)) * GIB }), {
    host: (nodes) => withNodes(wide(nodes), () => ({ bandwidth: 100 * GIB })),
  }),
  kind('emulator', 1200, (at) => ({ vcpus: 1 + (at % 2), emulator: 'dedicated', iothreads: 1 })),
  kind('weights', 4096, (at) => ({
    vcpus: 1 + (at % 3),
    weight: 1 + ((at * 7919) % 997) / 100,
    memoryBound: (at % 10) / 10,
  })),
  kind('devices', 3000, (at, _, nodes) => ({ devices: [{ node: (at * 17) % nodes, strict: at % 2 === 0 }] })),
  kind('hybrid', 3000, (at) => ({ memoryBound: (at % 4) / 4 }), { host: hybrid }),
  kind('refused', 4096, (at) => ({ vcpus: at % 2 === 0 ? 1 : 3, memory: at % 2 === 0 ? '1GiB' : '600GiB', cells: 1 })),
  kind('no memory', 4096, () => ({}), { host: (nodes) => wide(nodes, '1GiB') }),
  kind('no CPU each', 1000, () => ({ vcpus: 16, cells: 2 })),
  kind('span', 512, () => ({ vcpus: 8, span: true, cells: 1, memory: '8GiB' })),
  kind('node-sized', 64, () => ({ vcpus: 64, memory: '100GiB' })),
  kind('wider than nodes', 24, () => ({ vcpus: 170, memory: '200GiB' })),
  kind('256 cells', 16, () => ({ vcpus: 256, cells: 256, memory: '256GiB' })),
  kind('traffic of many', 256, () => ({ vcpus: 16, traffic: trafficOf(16) })),
  kind('current', 2048, (at) => ({ vcpus: 2, current: currentAt(2, 2 * at, GIB) })),
  kind('current elsewhere', 2048, (at, count) => ({
    vcpus: 2,
    near: apart(at, 1).slice(at % 2),
    current: currentAt(2, 2 * ((at * 331) % count), GIB),
  })),
  kind('current in a ring', 1024, (at, count, nodes) => ({
    vcpus: 4,
    devices: [{ node: Math.floor((((at + 16) % count) * 4) / 64) % nodes }],
    current: currentAt(4, 4 * at, GIB),
  })),
  kind('small on 256 nodes', 4096, () => ({}), {
    host: (nodes) => withUnevenDistances(wide(4 * nodes, '64GiB', 'l3:1 core:8 pu:2')),
  }),
  kind('four cells on 256 nodes', 256, () => ({ vcpus: 16, cells: 4, memory: '16GiB' }), {
    host: (nodes) => withUnevenDistances(wide(4 * nodes, '64GiB', 'l3:1 core:8 pu:2')),
  }),
  single('one VM', 4096, () => ({})),
  single(
    'one VM on 256 nodes',
    4096,
    () => ({}),
    (nodes) => withUnevenDistances(wide(4 * nodes, '64GiB', 'l3:1 core:8 pu:2')),
  ),
  single('one VM of a cell with span', 4096, () => ({ span: true, cells: 1 })),
  single('one VM of 16 cells with span', 4096, () => ({ span: true, cells: 16 })),
  single('one VM of 256 cells', 4096, () => ({ cells: 256 })),
  single('one shared VM', 4096, () => ({ cpuPolicy: 'shared', demand: 1 })),
  single(
    'one VM with traffic',
    1000,
    (vcpus) => ({ traffic: trafficOf(vcpus), cells: 16 }),
    () => wide(16),
  ),
  single(
    'one VM with traffic, auto',
    1000,
    (vcpus) => ({ traffic: trafficOf(vcpus) }),
    () => wide(16),
  ),
  single('one VM, interleave', 4096, () => ({ memoryPolicy: 'interleave', cells: 64 })),
  single('one VM with current', 4096, (vcpus) => ({ cells: 64, current: currentAt(vcpus, 0, 64 * GIB, 64) })),
]
