import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { plan } from '../../src/plan.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Host, Plan } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'

/** Two nodes of two LLCs of four cores of two threads, 64 GiB each. */
const twoNodes = syntheticHost('pack:2 [numa(memory=64GiB)] l3:2 core:4 pu:2')

function withDistance(host: Host, distance: number): Host {
  const distances = host.distances.map((row, from) => row.map((_, to) => (from === to ? 10 : distance)))
  return { ...host, distances }
}

async function planned(host: Host, ...vms: object[]): Promise<Plan> {
  const request = { vms: vms.map((vm, at) => ({ name: `vm${at}`, memory: '1GiB', ...vm })) }
  const result = await plan(host, request, { steps: 200 })
  assert.equal(checkPlan(host, request, result), [])
  return result
}

function cpusOf(result: Plan, at = 0): number[] {
  return (result.vms[at]?.vcpus ?? []).map(({ cpus }) => Number(cpus))
}

test('a VM that fits into one LLC costs nothing and is proven optimal', async () => {
  const result = await planned(twoNodes, { vcpus: 8 })
  assert.is(result.status, 'optimal')
  assert.is(result.cost.lostVcpus, 0)
  assert.equal(cpusOf(result), [0, 1, 2, 3, 4, 5, 6, 7])
})

test('over two LLCs of a node: a tenth of the traffic that crosses', async () => {
  // 8 + 4 vCPUs: 2 x 8 x 4 of the 12 x 11 pairs cross, each of hop 1: 0.1 x 64 / 11 = 0.581818.
  const result = await planned(twoNodes, { vcpus: 12, cells: 1 })
  assert.is(result.cost.lostVcpus, 0.581818)
  assert.is(result.status, 'optimal')
})

test('over two nodes: traffic and the other cell’s memory at their distance', async () => {
  // Two cells of 10 at distance 21: communication 0.1 x (2 x 10 x 10 x 2.1 + 2 x 2 x (8 x 2)) / 19,
  // remote memory 20 x 0.3 x 0.1 x 1.1 = 0.66.
  const result = await planned(withDistance(twoNodes, 21), { vcpus: 20, cells: 2 })
  assert.is(result.cost.terms.remoteMemory, 0.66)
  assert.is(result.cost.terms.communication, 2.547368)
  assert.is(result.status, 'optimal')
})

test('with the number of cells open, the cheapest is taken: finer cells divide a VM more unevenly', async () => {
  const host = withDistance(twoNodes, 21)
  const costs = []
  for (let cells = 1; cells <= 20; cells++) costs.push((await planned(host, { vcpus: 20, cells })).cost.lostVcpus)
  const result = await planned(host, { vcpus: 20 })
  assert.is(result.cost.lostVcpus, Math.min(...costs.filter((cost) => cost > 0)))
  assert.is(result.status, 'optimal')
  assert.equal(result.vms[0]?.vcpus.filter(({ node }) => node === 0).length, 16)
})

test('isolate: one vCPU a core, and the siblings stay idle', async () => {
  const result = await planned(twoNodes, { vcpus: 4, threadPolicy: 'isolate' }, { vcpus: 4, threadPolicy: 'isolate' })
  const cores = [0, 1].flatMap((at) => cpusOf(result, at)).map((cpu) => cpu >> 1)
  assert.is(new Set(cores).size, 8)
})

test('require: whole cores only', async () => {
  const result = await planned(twoNodes, { vcpus: 5, threadPolicy: 'require' }, { vcpus: 1, trust: 'vm0' })
  const cores = new Set(cpusOf(result, 0).map((cpu) => cpu >> 1))
  assert.is(cores.size, 3)
  assert.not.ok(cores.has((cpusOf(result, 1)[0] ?? 0) >> 1))
})

test('VMs that do not trust each other share no core', async () => {
  const host = syntheticHost('core:2 pu:2')
  const result = await planned(host, { vcpus: 1, memory: '64MiB' }, { vcpus: 1, memory: '64MiB' })
  assert.is.not((cpusOf(result, 0)[0] ?? 0) >> 1, (cpusOf(result, 1)[0] ?? 0) >> 1)
})

test('reserved CPUs are left alone and are where the emulator goes', async () => {
  const request = {
    reserve: { cpus: '0-1', memory: '1GiB' },
    vms: [{ name: 'a', vcpus: 4, memory: '1GiB', iothreads: 1 }],
  }
  const result = await plan(twoNodes, request)
  assert.equal(checkPlan(twoNodes, request, result), [])
  assert.ok(cpusOf(result).every((cpu) => cpu > 1))
  assert.is(result.vms[0]?.emulator, '0-1')
  assert.equal(result.vms[0]?.iothreads, ['0-1'])
})

test('with all CPUs but some reserved, VMs are on those; with all, nowhere', async () => {
  const vms = [{ name: 'a', vcpus: 2, memory: '1GiB' }]
  const some = { reserve: { cpus: 'all,^2-3' }, vms }
  const result = await plan(twoNodes, some)
  assert.equal(checkPlan(twoNodes, some, result), [])
  assert.equal(cpusOf(result), [2, 3])
  const none = { reserve: { cpus: 'all' }, vms }
  const refusal = await plan(twoNodes, none)
  assert.equal(checkPlan(twoNodes, none, refusal), [])
  assert.is(refusal.status, 'infeasible')
})

test('emulator: "dedicated" has CPUs of its own on the first node, which nobody else is on', async () => {
  const host = syntheticHost('numa:2 l3:1 core:4 pu:1')
  const vm = { vcpus: 2, memory: '64MiB', emulator: 'dedicated', iothreads: 1 }
  const shared = { vcpus: 2, memory: '64MiB', cpuPolicy: 'shared', demand: 0.5 }
  const result = await planned(host, { ...vm, weight: 2 }, { ...vm, weight: 2 }, shared)
  assert.is(result.vms.length, 2)
  const [first] = result.vms
  const threads = [Number(first?.emulator), ...(first?.iothreads ?? []).map(Number)]
  assert.is(new Set([...threads, ...cpusOf(result, 0)]).size, 4)
  assert.ok(threads.every((cpu) => host.cpus[cpu]?.node === first?.vcpus[0]?.node))
  assert.equal(
    result.refused[0]?.because.map(({ constraint }) => constraint),
    ['overcommit'],
  )
})

test('a VM that leaves no CPU for its emulator is refused for that', async () => {
  const result = await planned(syntheticHost('core:2 pu:1'), { vcpus: 2, memory: '64MiB', emulator: 'dedicated' })
  assert.ok(result.refused[0]?.because.some(({ constraint }) => constraint === 'emulator'))
  assert.ok(result.refused[0]?.nearest.some(({ change }) => change === 'emulator: "housekeeping"'))
})

test('shared vCPUs float over the cores that no dedicated vCPU is on', async () => {
  const host = syntheticHost('l3:1 core:4 pu:2')
  const shared = { vcpus: 4, memory: '64MiB', cpuPolicy: 'shared', demand: 0.5 }
  const result = await planned(host, { vcpus: 2, memory: '64MiB' }, shared)
  assert.equal(
    result.vms[1]?.vcpus.map(({ cpus }) => cpus),
    ['2-7', '2-7', '2-7', '2-7'],
  )
})

test('huge pages are taken where they divide a cell’s memory and are free', async () => {
  const host: Host = {
    ...twoNodes,
    nodes: twoNodes.nodes.map((node) => ({
      ...node,
      pages: [...node.pages, { size: 2 ** 21, total: 512, free: node.id === 1 ? 512 : 0 }],
    })),
  }
  const result = await planned(host, { vcpus: 2, pageSize: '2MiB' }, { vcpus: 2, memory: '513MiB' })
  assert.is(result.vms[0]?.cells[0]?.pageSize, 2 ** 21)
  assert.is(result.vms[0]?.vcpus[0]?.node, 1)
  assert.is(result.vms[1]?.cells[0]?.pageSize, 4096)
})

test('slow cores are taken last', async () => {
  const host = syntheticHost('l3:1 core:4 pu:1')
  const hybrid = { ...host, cpus: host.cpus.map((cpu) => ({ ...cpu, capacity: cpu.id < 2 ? 512 : 1024 })) }
  const result = await planned(hybrid, { vcpus: 3, memory: '64MiB' })
  assert.equal(cpusOf(result), [0, 2, 3])
  assert.is(result.cost.terms.capacity, 0.5)
  assert.is(result.status, 'optimal')
})

test('memory bandwidth that a node does not have is lost by the vCPUs that wait for it', async () => {
  const host = { ...twoNodes, nodes: twoNodes.nodes.map((node) => ({ ...node, bandwidth: 10e9 })) }
  const vm = { vcpus: 8, bandwidth: '20GB/s', memoryBound: 0.3 }
  // Half of what it asks for: (1 - 10 / 20) x 8 x 0.3.
  const one = await planned(host, { ...vm, cells: 1 })
  assert.is(one.cost.terms.bandwidth, 1.2)
  // Two VMs of half of that find one node each.
  const two = await planned(host, { ...vm, bandwidth: '10GB/s' }, { ...vm, bandwidth: '10GB/s' })
  assert.is(two.cost.lostVcpus, 0)
  assert.is.not(two.vms[0]?.vcpus[0]?.node, two.vms[1]?.vcpus[0]?.node)
})

test('CPUs of a node without memory use that of the nearest node, at its price', async () => {
  const host = withDistance(syntheticHost('pack:2 [numa(memory=4GiB)] core:2 pu:1'), 16)
  const [first, second] = host.nodes
  if (first === undefined || second === undefined) throw new Error('two nodes expected')
  const bare = { ...first, memory: { total: 0, free: 0 }, pages: [{ size: 4096, total: 0, free: 0 }] }
  const result = await planned({ ...host, nodes: [bare, second] }, { vcpus: 2 }, { vcpus: 2 })
  const far = result.vms.find(({ vcpus }) => vcpus[0]?.node === 0)
  assert.equal(far?.cells[0]?.memory, [{ node: 1, bytes: 2 ** 30 }])
  // 2 vCPUs x 0.3 x (16 / 10 - 1)
  assert.is(far?.cost.lostVcpus, 0.36)
})

test('a refusal says what clashes with the numbers of each node, and what would help', async () => {
  const result = await planned(twoNodes, { vcpus: 20, cells: 1 })
  assert.is(result.status, 'infeasible')
  const [refused] = result.refused
  assert.ok(refused?.because.some(({ constraint }) => constraint === 'cell-node'))
  assert.match(refused?.because[0]?.text ?? '', /node 0 has room for 16, node 1 has room for 16/)
  assert.ok(refused?.nearest.some(({ change }) => change === 'cells: 2'))
  const prices = refused?.nearest.map(({ lostVcpus }) => lostVcpus) ?? []
  assert.equal(
    prices,
    [...prices].sort((a, b) => a - b),
  )
})

test('memory that no node has is named with what is free', async () => {
  const result = await planned(twoNodes, { vcpus: 2, memory: '200GiB' })
  assert.equal(
    result.refused[0]?.because.map(({ constraint }) => constraint),
    ['memory-capacity'],
  )
  assert.match(
    result.refused[0]?.because[0]?.text ?? '',
    /200 GiB of memory: node 0 has 64 GiB free, node 1 has 64 GiB free/,
  )
})

test('the others are placed when one is refused', async () => {
  const result = await planned(twoNodes, { vcpus: 4 }, { vcpus: 400 }, { vcpus: 4 })
  assert.is(result.status, 'partial')
  assert.equal(
    result.vms.map(({ name }) => name),
    ['vm0', 'vm2'],
  )
})

for (const options of [{ steps: -1 }, { steps: 1.5 }, { steps: Number.NaN }, { seed: -1 }, { seed: 2 ** 31 }]) {
  test(`${Object.entries(options).join(' ').replace(',', ' ')}: refused`, async () => {
    await plan(twoNodes, { vms: [{ name: 'a', vcpus: 1, memory: '1GiB' }] }, options).then(
      () => assert.unreachable(),
      (error) => assert.is(error.where, Object.keys(options)[0]),
    )
  })
}

test.run()
