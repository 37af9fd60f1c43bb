/** What counting proves of refusals, and where a first plan begins. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import { parseHost, syntheticHost } from '../../src/topology/index.js'
import type { Host, Plan } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'

const planner = await Planner.load()
const MIB = 2 ** 20

type Vm = Readonly<Record<string, unknown>>

function planned(host: Host, vms: readonly Vm[], steps?: number): Plan {
  const request = parseRequest({ vms: vms.map((vm) => ({ memory: '64MiB', ...vm })) })
  const plan = planner.plan(host, request, steps === undefined ? {} : { steps })
  assert.equal(checkPlan(host, request, plan), [])
  return plan
}

const refusals = ({ refused }: Plan) => refused.map(({ name, proven }) => [name, proven])

test('a core too few beside a VM on whole cores and its emulator is proven', () => {
  const host = syntheticHost('numa:1(memory=8GiB) core:3 pu:2')
  const whole = { name: 'whole', vcpus: 4, threadPolicy: 'require', emulator: 'dedicated', trust: 'blue' }
  assert.equal(refusals(planned(host, [whole, { name: 'other', vcpus: 1 }])), [['other', true]])
  assert.equal(refusals(planned(host, [whole, { name: 'other', vcpus: 1, trust: 'blue' }])), [])
})

test('it is proven that only so many of a hundred VMs find cores of their own, and that a hundred that share them do', () => {
  const host = syntheticHost('numa:4(memory=8GiB) core:16 pu:2')
  const many = (rest: Vm) => Array.from({ length: 100 }, (_, at) => ({ name: `vm${at}`, vcpus: 1, ...rest }))
  const { vms, refused } = planned(host, many({}))
  assert.is(vms.length, 64)
  assert.ok(refused.every(({ proven }) => proven))
  assert.equal(refusals(planned(host, many({ trust: 'one' }))), [])
})

test('interleaved memory that one of the nodes has not is proven to fit nowhere', () => {
  const host = syntheticHost('numa:2(memory=64MiB) core:2 pu:1')
  const wide = { name: 'wide', vcpus: 4, cells: 2, memory: '120MiB', memoryPolicy: 'interleave' }
  assert.equal(refusals(planned(host, [wide])), [])
  const small = parseHost({
    ...host,
    nodes: host.nodes.map((node, at) => (at === 0 ? node : withMemory(node, 32 * MIB))),
  })
  assert.equal(refusals(planned(small, [wide])), [['wide', true]])
})

function withMemory(node: Host['nodes'][number], bytes: number): Host['nodes'][number] {
  const pages = bytes / 4096
  return { ...node, memory: { total: bytes, free: bytes }, pages: [{ size: 4096, total: pages, free: pages }] }
}

/** CPUs and MiB of each node. */
const UNEVEN = [
  [5, 100],
  [20, 0],
  [4, 16384],
  [4, 7000],
  [7, 44000],
  [10, 200],
  [20, 9000],
  [2, 98000],
] as const

/** Nodes of such CPUs and memory, at this distance from each other. */
function unevenHost(distance: number): Host {
  const host = syntheticHost('numa:8(memory=1GiB) core:20 pu:1')
  const seen = new Map<number, number>()
  const cpus = host.cpus.filter(({ node }) => {
    const before = seen.get(node!) ?? 0
    seen.set(node!, before + 1)
    return before < UNEVEN[node!]![0]
  })
  const nodes = host.nodes.map((node, at) => withMemory(node, UNEVEN[at]![1] * MIB))
  const distances = nodes.map((_, from) => nodes.map((_, to) => (from === to ? 10 : distance)))
  return parseHost({ ...host, cpus, nodes, distances })
}

test('a VM of many cells is on the one node that takes them all, though the first node that takes one comes before it', () => {
  for (const distance of [10, 20]) {
    for (const steps of [0, 5000]) {
      const { cost } = planned(unevenHost(distance), [{ name: 'vm', vcpus: 12, memory: '4GiB', cells: 11 }], steps)
      assert.is(cost.lostVcpus, cost.terms.cells, `distance ${distance}, ${steps} steps`)
    }
  }
})

test.run()
