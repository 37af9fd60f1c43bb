import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseRequest } from '../../src/request.js'
import type { Host } from '../../src/types.js'
import { costOf, totalOf } from '../../src/verify/cost.js'
import { checkPlan } from '../../src/verify.js'
import { coresOf, GIB, hostOf, planOf, type VmSpec } from './support.js'

/** Micro-vCPUs of each cause that is not zero, of the plan in all; the plan holds. */
function terms(host: Host, request: object, specs: Record<string, VmSpec>): Record<string, number> {
  const plan = planOf(host, request, specs)
  assert.equal(checkPlan(host, request, plan), [])
  const price = costOf(host, parseRequest(request), plan.vms)
  assert.is(Math.round(plan.cost.lostVcpus * 1e6), totalOf(price.terms))
  return Object.fromEntries(Object.entries(price.terms).filter(([, micro]) => micro !== 0))
}

function one(vcpus: number, more: object = {}): { vms: object[] } {
  return { vms: [{ name: 'a', vcpus, memory: '4GiB', ...more }] }
}

const FLAT = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([4, 4]) })
const SMT = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([2, 2], 2) })
const all0 = { 0: 4 * GIB }
const all1 = { 1: 4 * GIB }

test('a VM on one node, in one LLC, on whole cores loses nothing', () => {
  assert.equal(terms(FLAT, one(2), { a: { cells: [{ cpus: [0, 1], memory: all0 }], emulator: '2-3' } }), {})
})

test('a node without memory pays the distance to the nearest that has some, from its own side', () => {
  const host = hostOf({
    nodes: { 0: 8, 2: 8, 5: 0 },
    distances: [
      [10, 20, 99],
      [20, 10, 99],
      [15, 12, 10],
    ],
    cores: [{ node: 5, cpus: [8] }],
  })
  const a = { a: { cells: [{ cpus: [8], memory: { 2: 4 * GIB } }] } }
  // 0.3 x (12 / 10 - 1)
  assert.equal(terms(host, one(1), a), { remoteMemory: 60_000 })
  assert.equal(terms(host, one(1, { weight: 2.5 }), a), { remoteMemory: 150_000 })
  assert.equal(terms(host, one(1, { memoryBound: 0 }), a), {})
})

test('two cells pay for each other in each direction', () => {
  const host = hostOf({
    nodes: { 0: 8, 1: 8 },
    distances: [
      [10, 20],
      [30, 10],
    ],
    cores: coresOf([1, 1]),
  })
  const a = {
    a: {
      cells: [
        { cpus: [0], memory: { 0: 2 * GIB } },
        { cpus: [1], memory: { 1: 2 * GIB } },
      ],
    },
  }
  // 0.3 x 0.1 x 10 / 10 + 0.3 x 0.1 x 20 / 10; 0.1 x (20 + 30) / 10; 0.01 x 2 x 1
  assert.equal(terms(host, one(2), a), { remoteMemory: 90_000, communication: 500_000, cells: 20_000 })
  const model = { home: 0.5, communication: 0.2, cells: 0 }
  // 0.3 x 0.5 x 1 + 0.3 x 0.5 x 2; 0.2 x 5
  assert.equal(terms(host, { model, ...one(2) }, a), { remoteMemory: 450_000, communication: 1_000_000 })
})

test('cells beyond the first have a price, by the vCPUs of the VM and its weight', () => {
  const cells = (count: number) => ({
    a: {
      cells: Array.from({ length: count }, (_, at) => ({ cpus: [at], memory: { 0: (4 / count) * GIB } })),
      emulator: '',
    },
  })
  const host = hostOf({ nodes: { 0: 8 }, cores: coresOf([4]) })
  assert.equal(terms(host, one(1), withThreads(cells(1), '1-3')), {})
  // 0.01 x 4 x 3; with a weight and a coefficient 2.5 x 0.04 x 4 x 3
  assert.equal(terms(host, one(4), withThreads(cells(4), '0-3')), { cells: 120_000 })
  const dear = { model: { cells: 0.04 }, ...one(4, { weight: 2.5 }) }
  assert.equal(terms(host, dear, withThreads(cells(4), '0-3')), { cells: 1_200_000 })
})

function withThreads({ a }: { a: VmSpec }, emulator: string): Record<string, VmSpec> {
  return { a: { ...a, emulator } }
}

test("the other cells' memory counts by its bytes", () => {
  const host = hostOf({
    nodes: { 0: 8, 1: 8, 2: 8 },
    distances: [
      [10, 20, 40],
      [20, 10, 20],
      [40, 20, 10],
    ],
    cores: coresOf([1, 1, 1]),
  })
  const cells = ['1GiB', '3GiB', '1GiB'].map((memory, vcpu) => ({ vcpus: `${vcpu}`, memory }))
  const a = {
    a: {
      cells: [
        { cpus: [0], memory: { 0: GIB } },
        { cpus: [1], memory: { 1: 3 * GIB } },
        { cpus: [2], memory: { 2: GIB } },
      ],
    },
  }
  // Means of the others: (3 x 10 + 30) / 4 = 15, (10 + 10) / 2 = 10, 15; each x 0.3 x 0.1 / 10.
  const found = terms(host, one(3, { memory: '5GiB', cells }), a)
  assert.is(found.remoteMemory, 45_000 + 30_000 + 45_000)
  // (20 + 40 + 20 + 20 + 40 + 20) / 10 / 2 x 0.1
  assert.is(found.communication, 800_000)
})

test('a cell that spans pays for the memory that is on its other node', () => {
  const a = { a: { cells: [{ cpus: [0, 4], memory: { 0: 2 * GIB, 1: 2 * GIB } }], emulator: '1-3,5-7' } }
  // 2 x 0.3 x 5 / 10; 2 x 20 / 10 x 0.1
  assert.equal(terms(FLAT, one(2, { span: true }), a), { remoteMemory: 300_000, communication: 400_000 })
})

test('vCPUs in different LLCs of a node pay a hop', () => {
  const host = hostOf({
    nodes: { 0: 8 },
    cores: [
      { node: 0, cpus: [0], llc: 0 },
      { node: 0, cpus: [1], llc: 0 },
      { node: 0, cpus: [2], llc: 1 },
    ],
  })
  const a = { a: { cells: [{ cpus: [0, 1, 2], memory: all0 }] } }
  // 4 of the 6 ordered pairs, each 1 / 2 x 0.1
  assert.equal(terms(host, one(3), a), { communication: 200_000 })
  const traffic = [
    [5, 1, 3],
    [0, 0, 0],
    [2, 2, 9],
  ]
  // vCPU 0: 3/4 of its traffic; vCPU 1: none; vCPU 2: all of it
  assert.equal(terms(host, one(3, { traffic }), a), { communication: 175_000 })
  const shared = (demand: number) => one(2, { cpuPolicy: 'shared', demand })
  const floating = {
    a: {
      cells: [
        {
          cpus: [
            [0, 1, 2],
            [0, 1, 2],
          ],
          memory: all0,
        },
      ],
    },
  }
  assert.equal(terms(host, shared(0.5), floating), { communication: 100_000 })
})

test('an LLC that two nodes share costs no hop', () => {
  const host = hostOf({
    nodes: { 0: 8, 1: 8 },
    cores: [
      { node: 0, cpus: [0], llc: 0 },
      { node: 1, cpus: [1], llc: 0 },
    ],
  })
  const a = {
    a: {
      cells: [
        { cpus: [0], memory: { 0: 2 * GIB } },
        { cpus: [1], memory: { 1: 2 * GIB } },
      ],
    },
  }
  assert.equal(terms(host, { model: { cells: 0 }, ...one(2) }, a), { remoteMemory: 60_000 })
})

test('shared vCPUs of a node with one LLC talk for nothing', () => {
  const a = {
    a: {
      cells: [
        {
          cpus: [
            [0, 1, 2, 3],
            [0, 1, 2, 3],
          ],
          memory: all0,
        },
      ],
      emulator: '0-3',
    },
  }
  assert.equal(terms(FLAT, one(2, { cpuPolicy: 'shared' }), a), {})
})

test('threads that a VM spreads over cores are counted under prefer, busy siblings under spread', () => {
  const a = (...cpus: number[]) => ({ a: { cells: [{ cpus, memory: all0 }], emulator: '4-7' } })
  const request = (vcpus: number, threadPolicy: string) => ({
    reserve: { cpus: '4-7' },
    ...one(vcpus, { threadPolicy }),
  })
  assert.equal(terms(SMT, request(2, 'prefer'), a(0, 1)), {})
  assert.equal(terms(SMT, request(2, 'prefer'), a(0, 2)), { smt: 380_000 })
  assert.equal(terms(SMT, request(3, 'require'), a(0, 1, 2)), {})
  assert.equal(terms(SMT, request(2, 'spread'), a(0, 2)), {})
  assert.equal(terms(SMT, request(2, 'spread'), a(0, 1)), { smt: 760_000 })
  assert.equal(terms(SMT, request(2, 'isolate'), a(0, 2)), {})
})

test('VMs on one core pay for each other', () => {
  const vm = (name: string, more: object = {}) => ({ name, vcpus: 1, memory: '4GiB', trust: 't', ...more })
  const spec = (cpu: number) => ({ cells: [{ cpus: [cpu], memory: all0 }], emulator: '7' })
  const request = { reserve: { cpus: '7' }, vms: [vm('a'), vm('b', { weight: 3 })] }
  const price = costOf(SMT, parseRequest(request), planOf(SMT, request, { a: spec(0), b: spec(1) }).vms)
  assert.is(price.vms.get('a')!.smt, 380_000)
  assert.is(price.vms.get('b')!.smt, 1_140_000)
  assert.is(price.terms.smt, 1_520_000)
})

test('the widest core of the host is by its online CPUs', () => {
  const host = (offline: boolean) =>
    hostOf({
      nodes: { 0: 8 },
      cores: [
        { node: 0, cpus: [0] },
        { node: 0, cpus: [1] },
        { node: 0, cpus: [2] },
        { node: 0, cpus: [3, 4], offline },
      ],
    })
  const a = { a: { cells: [{ cpus: [0, 1], memory: all0 }], emulator: '2' } }
  const reserved = { reserve: { cpus: '2' }, ...one(2) }
  assert.equal(terms(host(true), reserved, a), {})
  assert.equal(terms(host(false), reserved, a), { smt: 380_000 })
})

test('slow cores are priced, shared ones by the mean of their node', () => {
  const host = hostOf({
    nodes: { 0: 8 },
    cores: [
      { node: 0, cpus: [0], capacity: 1024 },
      { node: 0, cpus: [1], capacity: 511 },
      { node: 0, cpus: [2], capacity: 512 },
    ],
  })
  const slow = { a: { cells: [{ cpus: [2], memory: all0 }], emulator: '0-1' } }
  assert.equal(terms(host, one(1), slow), { capacity: 500_000 })
  // The mean of 1024 and 511 is 767: 0.5 x 257 / 1024
  const request = { reserve: { cpus: '2' }, ...one(1, { cpuPolicy: 'shared', demand: 0.5 }) }
  const floating = { a: { cells: [{ cpus: [[0, 1]], memory: all0 }], emulator: '2' } }
  assert.equal(terms(host, request, floating), { capacity: 125_488 })
})

test('a soft device is priced by the nearest cell', () => {
  const devices = [
    { node: 1, strict: false },
    { node: 0, strict: false },
  ]
  const near = { a: { cells: [{ cpus: [0, 1], memory: all0 }], emulator: '2-3' } }
  // 0.05 x 2 vCPUs x (20 / 10 - 1)
  assert.equal(terms(FLAT, one(2, { devices }), near), { device: 100_000 })
  const both = {
    a: {
      cells: [
        { cpus: [0], memory: { 0: 2 * GIB } },
        { cpus: [4], memory: { 1: 2 * GIB } },
      ],
      emulator: '1-3,5-7',
    },
  }
  assert.is(terms(FLAT, one(2, { devices }), both).device, undefined)
})

test('shared demand beyond the shared CPUs is lost, on the node and not on a VM', () => {
  const floating = [0, 1, 2, 3]
  const a = { a: { cells: [{ cpus: Array(6).fill(floating), memory: all0 }], emulator: '0-3' } }
  const request = one(6, { cpuPolicy: 'shared', demand: 0.75 })
  assert.equal(terms(FLAT, request, a), { overcommit: 500_000 })
  assert.equal(planOf(FLAT, request, a).vms[0]!.cost, { lostVcpus: 0, terms: {} })
})

test('bandwidth beyond what a node has stalls the vCPUs that wait for memory', () => {
  const host = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([4, 4]), bandwidth: 1e9 })
  const a = { a: { cells: [{ cpus: [0, 1], memory: all0 }], emulator: '2-3' } }
  // (1 - 1/4) x 2 x 0.3
  assert.equal(terms(host, one(2, { bandwidth: '4GB/s' }), a), { bandwidth: 450_000 })
  assert.equal(terms(host, one(2, { bandwidth: 1e9 }), a), {})
  assert.equal(terms(FLAT, one(2, { bandwidth: '4GB/s' }), a), {})
})

test('a move is priced by its bytes and its vCPUs', () => {
  const current = {
    cells: [{ cell: 0, pageSize: 4096, memory: [{ node: 1, bytes: 4 * GIB }] }],
    vcpus: [
      { vcpu: 0, cell: 0, node: 1, cpus: '4', dedicated: true },
      { vcpu: 1, cell: 0, node: 1, cpus: '5', dedicated: true },
    ],
  }
  const on = (cpus: number[], memory: Record<number, number>, emulator: string) => ({
    a: { cells: [{ cpus, memory }], emulator },
  })
  // 4 GiB / 4 GiB/s / 600 s x 2 vCPUs, and two re-pinned
  assert.equal(terms(FLAT, one(2, { current }), on([0, 1], all0, '2-3')), { migration: 3333 + 2000 })
  assert.equal(terms(FLAT, one(2, { current }), on([4, 6], all1, '5,7')), { migration: 1000 })
  assert.equal(terms(FLAT, one(2, { current }), on([4, 5], all1, '6-7')), {})
})

test('a mixed VM counts each vCPU as what it is', () => {
  const host = hostOf({
    nodes: { 0: 8 },
    cores: [
      { node: 0, cpus: [0, 1], llc: 0 },
      { node: 0, cpus: [2, 3], llc: 1 },
    ],
  })
  const request = one(3, { cpuPolicy: 'mixed', dedicatedVcpus: '0', demand: 0.25 })
  const a = { a: { cells: [{ cpus: [0, [2, 3], [2, 3]], memory: all0 }], emulator: '2-3' } }
  // Every pair a hop: (1 + 0.25 + 0.25) x 2 peers / 2 x 0.1
  assert.equal(terms(host, request, a), { communication: 150_000 })
})

test.run()
