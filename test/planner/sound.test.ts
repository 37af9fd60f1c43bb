/** What the planner claims and refuses, each on an instance on which it was wrong; the exact solver says what is right. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/index.js'
import type { Host, HostCpu, Plan } from '../../src/types.js'
import { verifyPlan } from '../../src/verify.js'
import { compare } from './exact/compare.js'

const planner = await Planner.load()
const PAGE = 4096

interface Node {
  /** Threads of each core; a core that is not shared is isolated. */
  readonly cores: readonly number[]
  readonly pages: number
  /** Pages of 8 KiB. */
  readonly large?: number
  readonly isolated?: boolean
}

function hostOf(nodes: readonly Node[], distances: readonly (readonly number[])[]): Host {
  const cpus: HostCpu[] = []
  let core = 0
  for (const [node, { cores, isolated = false }] of nodes.entries()) {
    for (const threads of cores) {
      for (let thread = 0; thread < threads; thread++) {
        const place = { id: cpus.length, node, package: node, llc: node, core, thread }
        cpus.push({ ...place, online: true, allowed: true, isolated, capacity: 1024 })
      }
      core++
    }
  }
  return {
    schemaVersion: 1,
    kind: 'Host',
    nodes: nodes.map(({ pages, large }, id) => ({
      id,
      memory: { total: pages === 0 ? 0 : 2 ** 20, free: pages * PAGE },
      pages: [
        { size: PAGE, total: pages, free: pages },
        ...(large === undefined ? [] : [{ size: 2 * PAGE, total: large, free: large }]),
      ],
    })),
    distances,
    cpus,
  }
}

type Vm = Readonly<Record<string, unknown>>

/** The plan of these VMs, of so many vCPUs and pages; it is as good as it says. */
function planned(host: Host, ...vms: readonly (readonly [vcpus: number, pages: number, rest?: Vm])[]): Plan {
  const request = {
    vms: vms.map(([vcpus, pages, rest], at) => ({ name: `v${at}`, vcpus, memory: `${pages * PAGE}B`, ...rest })),
  }
  const { faults, tooLarge } = compare(planner, { host, request })
  assert.equal(faults, [])
  assert.is(tooLarge, undefined)
  return planner.plan(host, parseRequest(request))
}

const refused = (plan: Plan) => plan.refused.map(({ name }) => name)
const near21 = [
  [10, 21],
  [21, 10],
]

test('a VM that another has to be near begins where that one finds room, though it is placed first', () => {
  const host = hostOf(
    [
      { cores: [1, 1], pages: 8 },
      { cores: [1, 1, 1], pages: 8 },
    ],
    near21,
  )
  const plan = planned(host, [3, 6, { cells: 3 }], [2, 2, { cells: 1, near: ['v0'], trust: 'a' }])
  assert.equal(refused(plan), [])
  const first = plan.vms.map(({ vcpus }) => vcpus[0]?.node)
  assert.is(first[0], first[1])
})

test('the bound of a plan that refuses a VM holds for the plan that refuses another', () => {
  // v0 needs both nodes and loses by it; v1 would lose nothing in its place.
  const host = hostOf(
    [
      { cores: [1], pages: 8 },
      { cores: [1], pages: 8 },
    ],
    near21,
  )
  const plan = planned(host, [2, 8], [1, 8])
  assert.is(plan.vms.length, 1)
  assert.ok(plan.cost.lowerBound <= 0, `${plan.cost.lowerBound}`)
})

test('where as many of the same VMs are placed as there is room for, the bound is theirs', () => {
  // Each of the two is on the node without memory: 0.3 x 11 / 10.
  const host = hostOf(
    [
      { cores: [1, 1], pages: 0 },
      { cores: [], pages: 8 },
    ],
    near21,
  )
  const plan = planned(host, [1, 1], [1, 1], [1, 1])
  assert.is(plan.vms.length, 2)
  assert.is(plan.cost.lowerBound, 0.66)
  assert.is(plan.cost.gap, 0)
})

test('what a VM was kept apart from does not raise its bound', () => {
  const host = hostOf(
    [
      { cores: [1], pages: 0 },
      { cores: [1], pages: 8 },
    ],
    [
      [10, 11],
      [11, 10],
    ],
  )
  const device = [{ node: 0, strict: false }]
  const plan = planned(host, [1, 1, { devices: device, weight: 3, memoryBound: 0 }], [2, 4, { separateFrom: ['v0'] }])
  assert.equal(refused(plan), ['v1'])
  assert.is(plan.cost.lowerBound, 0)
})

test('a page that is over is on the node that has it free', () => {
  // Strict, 6 pages: 4.5 and 1.5 of them by vCPUs. Interleaved in two cells of 3: the nodes have 2 and 4 small pages.
  const three = { cores: [1, 1, 1], pages: 4 }
  const spans = planned(hostOf([three, { cores: [1], pages: 12 }], near21), [4, 6, { cells: 1, span: true }])
  assert.equal(refused(spans), [])
  const pages = [
    { cores: [1], pages: 2, large: 0 },
    { cores: [1], pages: 4, large: 0 },
  ]
  assert.equal(refused(planned(hostOf(pages, near21), [2, 6, { memoryPolicy: 'interleave', cells: 2 }])), [])
})

test('memory that may be elsewhere makes room for memory that may not', () => {
  const host = hostOf(
    [
      { cores: [1, 1], pages: 6 },
      { cores: [], pages: 8 },
    ],
    near21,
  )
  assert.equal(refused(planned(host, [1, 4, { memoryPolicy: 'preferred', weight: 2 }], [1, 6])), [])
})

test('pages of any size leave the large ones to a VM that takes no others', () => {
  const host = hostOf([{ cores: [1, 1, 1], pages: 8, large: 3 }], [[10]])
  assert.equal(refused(planned(host, [1, 2, { weight: 3 }], [1, 6, { pageSize: '8KiB' }])), [])
})

test('threads of a VMM leave shared vCPUs a CPU to float over', () => {
  const host = hostOf(
    [
      { cores: [1], pages: 8 },
      { cores: [1], pages: 8, isolated: true },
    ],
    near21,
  )
  const one: Host = { ...host, cpus: host.cpus.map((cpu) => ({ ...cpu, node: 0, llc: 0, package: 0 })) }
  assert.equal(refused(planned(one, [1, 2, { cpuPolicy: 'shared', emulator: 'dedicated' }])), [])
})

test('threads of a VMM take one core for all of them rather than parts of several', () => {
  const host = hostOf([{ cores: [1, 2], pages: 8 }], [[10]])
  const plan = planned(host, [3, 3, { cpuPolicy: 'shared', emulator: 'dedicated', iothreads: 1 }])
  assert.equal([plan.vms[0]?.emulator, plan.vms[0]?.iothreads, plan.vms[0]?.vcpus[0]?.cpus], ['1', ['2'], '0'])
})

test('a cell that spans nodes begins where the threads of its VMM find room', () => {
  const host = hostOf(
    [
      { cores: [1], pages: 8 },
      { cores: [2], pages: 8 },
    ],
    near21,
  )
  assert.equal(refused(planned(host, [2, 1, { span: true, emulator: 'dedicated' }])), [])
})

test('a cell that spans nodes has its shared vCPUs on one and its dedicated ones on another', () => {
  const host = hostOf(
    [
      { cores: [1, 1], pages: 8 },
      { cores: [2], pages: 8 },
    ],
    near21,
  )
  const mixed = { span: true, cpuPolicy: 'mixed', dedicatedVcpus: '2,3' }
  assert.equal(refused(planned(host, [4, 1, mixed], [1, 3])), [])
})

test('vCPUs that float go where the dedicated ones of their VM, and its threads, leave CPUs for them', () => {
  for (const nodes of [2, 8, 256]) {
    const host = syntheticHost(`group:${nodes} [numa(memory=64GiB)] core:2 pu:4`)
    const mixed = { name: 'a', vcpus: 43, memory: '6GiB', cpuPolicy: 'mixed', dedicatedVcpus: '0', demand: 0.9 }
    for (const [cells, span] of [
      [1, true],
      [2, true],
      [8, true],
      [16, true],
      [36, true],
      [8, false],
      [16, false],
      [36, false],
    ]) {
      for (const threads of span ? [{}] : [{}, { emulator: 'dedicated' }]) {
        const request = parseRequest({ vms: [{ ...mixed, ...threads, cells, span }] })
        const plan = planner.plan(host, request, { steps: 0 })
        const what = `${nodes} nodes, ${cells} cells, ${span}, ${JSON.stringify(threads)}`
        assert.equal(plan.refused, [], what)
        verifyPlan(host, request, plan)
      }
    }
  }
})

test('a proof that would take more nested calls than a runtime has room for is left', () => {
  const host = syntheticHost('group:256 [numa(memory=64GiB)] core:2 pu:4')
  const vm = { name: 'a', vcpus: 100, memory: '900GiB', cells: 90, span: true, cpuPolicy: 'shared', demand: 0.1 }
  for (const memoryNodes of ['1-3', '3,100,200', '250-252']) {
    const plan = planner.plan(host, parseRequest({ vms: [{ ...vm, memoryNodes }] }), { steps: 0 })
    assert.equal(refused(plan), ['a'])
  }
})

test.run()
