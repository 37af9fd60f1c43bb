/** Room for VMs that are expected: which plan is taken of those that cost the same. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX, SOLVED } from '../../src/planner/generated/abi.js'
import { Planner } from '../../src/planner/planner.js'
import { buildProblem } from '../../src/planner/problem.js'
import { instantiatePlanner } from '../../src/planner/wasm.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Host, Plan } from '../../src/types.js'
import { type Room, roomBeside, verifyPlan } from '../../src/verify.js'
import { smallHosts } from '../small-hosts.js'
import { hostShape, makeHost, request } from './cases.js'

const planner = await Planner.load()

/** The plan of a request, checked, and the room that it keeps. */
function kept(host: Host, input: object, steps = 400): { plan: Plan; room: Room } {
  const parsed = parseRequest(input)
  const plan = verifyPlan(host, parsed, planner.plan(host, parsed, { steps }))
  return { plan, room: roomBeside(host, parsed, plan.vms) }
}

function nodeOf({ vms }: Plan, name: string): number | undefined {
  return vms.find((vm) => vm.name === name)?.vcpus[0]?.node
}

test('a VM goes to the smaller gap that it fits into, so that a larger one finds the other', () => {
  const host = syntheticHost('pack:2 [numa(memory=16GiB)] l3:1 core:8 pu:1')
  // 4 CPUs are left on one node, 2 on the other.
  const there = [
    { name: 'a', vcpus: 4, memory: '1GiB', cells: 1, memoryNodes: '0' },
    { name: 'b', vcpus: 6, memory: '1GiB', cells: 1, memoryNodes: '1' },
  ]
  const vms = [...there, { name: 'c', vcpus: 2, memory: '1GiB', cells: 1 }]
  for (const strategy of ['pack', 'spread']) {
    const expect = [{ vcpus: 4, memory: '1GiB' }]
    for (const steps of [0, 50]) {
      const { plan, room } = kept(host, { strategy, expect, vms }, steps)
      assert.is(nodeOf(plan, 'c'), 1)
      assert.is(room.mean, 1)
    }
    assert.is(kept(host, { strategy, vms }).room.mean, 0)
  }
  assert.is(nodeOf(kept(host, { strategy: 'pack', vms }).plan, 'c'), 0)
})

test('memory counts as CPUs do', () => {
  const host = syntheticHost('pack:2 [numa(memory=16GiB)] l3:1 core:8 pu:1')
  const expect = [{ vcpus: 1, memory: '10GiB' }]
  const vms = ['a', 'b'].map((name) => ({ name, vcpus: 1, memory: '6GiB', cells: 1 }))
  const { plan, room } = kept(host, { strategy: 'spread', expect, vms })
  // Apart, each leaves 10 GiB; together 4 GiB and 16 GiB.
  assert.is.not(nodeOf(plan, 'a'), nodeOf(plan, 'b'))
  assert.is(room.mean, 2)
  const more = { ...expect[0], memory: '11GiB' }
  const packed = kept(host, { strategy: 'spread', expect: [more], vms })
  assert.is(nodeOf(packed.plan, 'a'), nodeOf(packed.plan, 'b'))
  assert.is(packed.room.mean, 1)
})

test('what costs less is taken, whatever room it leaves', () => {
  const host = syntheticHost('pack:2 [numa(memory=16GiB)] l3:1 core:4 pu:1')
  const expect = [{ vcpus: 4, memory: '1GiB' }]
  const at = (node: number) => ({ devices: [{ node, strict: false }] })
  const vms = [
    { name: 'a', vcpus: 1, memory: '1GiB', ...at(0) },
    { name: 'b', vcpus: 1, memory: '1GiB', ...at(1) },
  ]
  assert.is(kept(host, { expect, vms }).room.mean, 0)
  assert.is(kept(host, { expect, vms, model: { device: 0 } }).room.mean, 1)
})

test('room is the mean of the sizes by their shares, each counted alone', () => {
  const host = syntheticHost('pack:2 [numa(memory=16GiB)] l3:1 core:4 pu:2')
  const expect = [
    { vcpus: 1, memory: '1GiB', share: 3 },
    { vcpus: 8, memory: '1GiB', share: 1 },
    // One cell on each node: neither holds 16.
    { vcpus: 16, memory: '32GiB' },
    { vcpus: 17, memory: '33GiB' },
    { vcpus: 2, memory: '9GiB', share: 0.5 },
  ]
  const { room } = kept(host, { expect, vms: [{ name: 'a', vcpus: 1, memory: '4KiB' }] })
  assert.equal(
    room.sizes.map((size) => size.room),
    // A core for each: nobody else may be on it.
    [7, 1, 0, 0, 2],
  )
  assert.is(room.mean, (3 * 7 + 1 + 0.5 * 2) / 6.5)
  const small = { expect: [{ vcpus: 12, memory: '2GiB' }], vms: [{ name: 'a', vcpus: 2, memory: '4KiB' }] }
  assert.is(kept(host, small).room.mean, 1)
})

test('shared demand needs its CPUs, and expected VMs keep off nodes of devices', () => {
  const host = syntheticHost('pack:2 [numa(memory=16GiB)] l3:1 core:8 pu:1')
  const expect = [{ vcpus: 1, memory: '1GiB' }]
  const vms = [{ name: 'a', vcpus: 5, memory: '1GiB', cpuPolicy: 'shared', demand: 1 }]
  assert.is(kept(host, { expect, vms, overcommit: 2 }).room.mean, 13)
  assert.is(kept(host, { expect, vms, overcommit: 1 }).room.mean, 11)
  assert.is(kept(host, { expect, vms, deviceNodes: '0' }).room.mean, 6)
})

test('the module and the verifier have the same room, and shown plans are never worse for it', async () => {
  const wasm = await instantiatePlanner()
  const size = fc.record({
    vcpus: fc.integer({ min: 1, max: 9 }),
    memory: fc.constantFrom('4KiB', '64MiB', '300MiB', '1GiB', '3GiB'),
    share: fc.constantFrom(0.25, 1, 1, 7.3),
  })
  const expected = fc.uniqueArray(size, {
    maxLength: 4,
    selector: ({ vcpus, memory }) => `${vcpus} ${memory}`,
  })
  let rooms = 0
  fc.assert(
    fc.property(hostShape, request, expected, (shape, input, expect) => {
      const host = makeHost(shape)
      const parsed = parseRequest({ ...input, expect })
      const plan = verifyPlan(host, parsed, planner.plan(host, parsed, { steps: 30 }))
      const { sizes } = roomBeside(host, parsed, plan.vms)
      const micro = sizes.reduce((sum, { share, room }) => sum + Math.floor(share * 1_000_000 + 0.5) * room, 0)
      buildProblem(wasm, host, parsed)
      wasm.solve(30, 1)
      assert.is(wasm.planRoom(), micro)
      rooms += micro
      // Nobody is refused for it, and nothing costs more than what is known to be the least.
      const without = planner.plan(host, parseRequest(input), { steps: 30 })
      if (without.status !== 'optimal' || plan.status !== 'optimal') return
      assert.is(plan.cost.lostVcpus, without.cost.lostVcpus)
    }),
    { numRuns: 150 },
  )
  assert.ok(rooms > 0)
})

test('no more VMs of a size, in one cell each, are added than there is room for', () => {
  const size = fc.record({ vcpus: fc.integer({ min: 1, max: 3 }), memory: fc.constantFrom('64MiB', '300MiB', '1GiB') })
  fc.assert(
    fc.property(hostShape, request, size, (shape, input, expected) => {
      const host = makeHost(shape)
      const { plan, room } = kept(host, { ...input, expect: [expected] }, 20)
      const [model] = parseRequest({
        deviceNodes: input.deviceNodes,
        vms: [{ name: 'more', ...expected, cells: 1 }],
      }).vms
      const widest = Math.max(...host.nodes.map(({ id }) => host.cpus.filter(({ node }) => node === id).length))
      if (plan.refused.length > 0 || expected.vcpus > widest) return
      const [found] = room.sizes
      const fits = planner.roomFor(model!)
      assert.ok(fits === 0 || fits <= found!.room, `${fits} fit, there is room for ${found!.room}`)
    }),
    { numRuns: 100 },
  )
})

/** VMs on hosts so small that each way to put VMs on nodes can be planned by itself. */
const tiny = fc.record({
  host: smallHosts,
  vms: fc.array(
    fc.record({
      vcpus: fc.integer({ min: 1, max: 3 }),
      memory: fc.constantFrom('512MiB', '1GiB', '2GiB'),
      cells: fc.constant(1),
      threadPolicy: fc.constantFrom('prefer', 'prefer', 'isolate', 'require', 'spread'),
      trust: fc.constantFrom('t', 'u'),
      devices: fc.constantFrom([], [], [{ node: 0, strict: false }]),
    }),
    { minLength: 2, maxLength: 4 },
  ),
  expect: fc.uniqueArray(
    fc.record({
      vcpus: fc.integer({ min: 1, max: 4 }),
      memory: fc.constantFrom('512MiB', '1GiB', '3GiB'),
      share: fc.constantFrom(1, 2, 0.3),
    }),
    { minLength: 1, maxLength: 3, selector: ({ vcpus, memory }) => `${vcpus} ${memory}` },
  ),
  strategy: fc.constantFrom('pack', 'spread'),
})

test('of all plans of the least cost none keeps more room, where the planner sees all of them', () => {
  let better = 0
  fc.assert(
    fc.property(tiny, ({ host, vms, ...others }) => {
      const named = vms.map((vm, at) => ({ ...vm, name: `v${at}` }))
      const { plan, room } = kept(host, { ...others, vms: named }, 5000)
      if (plan.refused.length > 0) return
      const nodes = host.nodes.map(({ id }) => id)
      let cost = Number.POSITIVE_INFINITY
      let most = 0
      for (let way = 0; way < nodes.length ** vms.length; way++) {
        const digits = named.map((_, at) => Math.floor(way / nodes.length ** at) % nodes.length)
        // Strict memory of one node: the vCPUs are there.
        const pinned = named.map((vm, at) => ({ ...vm, memoryNodes: `${nodes[digits[at]!]}` }))
        const other = kept(host, { ...others, vms: pinned })
        if (other.plan.refused.length > 0) continue
        const { lostVcpus } = other.plan.cost
        if (lostVcpus < cost) most = 0
        cost = Math.min(cost, lostVcpus)
        if (lostVcpus === cost) most = Math.max(most, other.room.mean)
      }
      assert.is(plan.cost.lostVcpus, cost)
      assert.is(room.mean, most)
      const { expect: _, ...unaware } = others
      const usual = parseRequest({ ...others, vms: named })
      if (roomBeside(host, usual, kept(host, { ...unaware, vms: named }).plan.vms).mean < most) better++
    }),
    { numRuns: 60 },
  )
  // Without saying what is expected some of them keep less.
  assert.ok(better > 0)
})

test('more than 24 VMs find room step by step', () => {
  const host = syntheticHost('pack:4 [numa(memory=64GiB)] l3:1 core:16 pu:1')
  const sizes = [3, 3, 1, 2, 1, 1, 2, 1, 1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
  const vms = sizes.map((vcpus, at) => ({ name: `v${at}`, vcpus, memory: '1GiB', cells: 1 }))
  const expect = [{ vcpus: 8, memory: '4GiB' }]
  const taken = sizes.reduce((sum, vcpus) => sum + vcpus, 0)
  const { plan, room } = kept(host, { strategy: 'spread', expect, vms }, 2000)
  assert.is(plan.status, 'optimal')
  assert.is(room.mean, Math.floor((64 - taken) / 8))
})

test('sizes are fixed before the first VM, and there are no more than the module takes', async () => {
  const wasm = await instantiatePlanner()
  wasm.reset()
  wasm.addNode(0, 1)
  assert.is(wasm.expectVm(1, 1, 1), -4)
  wasm.setPages(0, 12, 100)
  wasm.addCpu(0, 0, 0, 0, 1024, 1)
  for (const [vcpus, pages, share] of [
    [0, 1, 1],
    [MAX.VM_VCPUS + 1, 1, 1],
    [1, 0, 1],
    [1, 1.5, 1],
    [1, 1, 0],
    [1, 1, 1001],
    [1, 1, Number.NaN],
  ] as const) {
    assert.is(wasm.expectVm(vcpus, pages, share), -2)
  }
  for (let at = 0; at < MAX.EXPECTED; at++) assert.is(wasm.expectVm(1, 1 + at, 1), at)
  assert.is(wasm.expectVm(1, 1, 1), -5)
  assert.is(wasm.keepExpectedOff(7), -3)
  const vm = wasm.addVm(1, 1)
  assert.is(wasm.expectVm(1, 1, 1), -4)
  assert.is(wasm.keepExpectedOff(0), -4)
  assert.is(wasm.planRoom(), MAX.EXPECTED * 1e6)
  assert.is(wasm.solve(0, 1), SOLVED.OPTIMAL)
  assert.is(wasm.planRoom(), 0)
  wasm.removeVm(vm)
  assert.is(wasm.planRoom(), MAX.EXPECTED * 1e6)
  wasm.reset()
  assert.is(wasm.planRoom(), 0)
})

test('a size that is no whole number of pages of the host is refused by its place', () => {
  const host = syntheticHost('numa:1(memory=1GiB) core:1 pu:1')
  const nodes = host.nodes.map((node) => ({ ...node, pages: [{ size: 65536, total: 100, free: 100 }] }))
  const vms = [{ name: 'a', vcpus: 1, memory: '64KiB' }]
  const input = { expect: [{ vcpus: 1, memory: '68KiB' }], vms }
  assert.throws(
    () => kept({ ...host, nodes }, input),
    /expect\[0\]\.memory: expected a multiple of the host's page of 65536 bytes, got 69632 bytes/,
  )
})

test.run()
