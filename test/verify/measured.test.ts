/** What was measured of a host takes the place of what its firmware says (docs/model.md, "What is measured"). */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import type { Host, Measures } from '../../src/types.js'
import { machineOf } from '../../src/verify/machine.js'
import { checkPlan } from '../../src/verify.js'
import { hostShape, makeHost, request as requests } from '../planner/cases.js'
import { coresOf, GIB, hostOf, planOf, type VmSpec } from './support.js'

const planner = await Planner.load()

const PLAIN = hostOf({
  nodes: { 0: 8, 1: 8 },
  distances: [
    [10, 32],
    [32, 10],
  ],
  cores: coresOf([2, 2], 2),
})
const apart: Record<string, VmSpec> = {
  a: {
    cells: [
      { cpus: [0, 1], memory: { 0: GIB } },
      { cpus: [4, 5], memory: { 1: GIB } },
    ],
    emulator: '2-3,6-7',
  },
}
const APART = { vms: [{ name: 'a', vcpus: 4, memory: '2GiB', cells: 2 }] }

/** The terms of a plan that holds; the planner says the same of its own. */
function termsOn(measures: Measures, request: object = APART, specs = apart): Record<string, number> {
  const host = { ...PLAIN, ...measures }
  const plan = planOf(host, request, specs)
  assert.equal(checkPlan(host, request, plan), [])
  return Object.fromEntries(Object.entries(plan.cost.terms).filter(([, lost]) => lost !== 0))
}

const latencies = [
  [80, 124],
  [130, 82],
]

test('by the firmware another node is 3.2 times as far, by latency 1.6 times', () => {
  // 0.3 x 4 vCPUs x 0.1 of their accesses x (3.2 - 1); hops of 3.2 to 2 of 3 peers, 0.1 each.
  assert.equal(termsOn({}), { remoteMemory: 0.264, communication: 0.853333, cells: 0.04 })
  assert.equal(termsOn({ latencies }), { remoteMemory: 0.072, communication: 0.426667, cells: 0.04 })
})

test('hops are those that were measured, in units of what it takes to leave an LLC', () => {
  const nodes = [
    [null, 125],
    [125, null],
  ]
  // (125 - 50) / (100 - 50) = 1.5
  const hops = { core: 20, llc: 50, node: 100, nodes }
  assert.equal(termsOn({ hops }), { remoteMemory: 0.264, communication: 0.4, cells: 0.04 })
  // One LLC a node: local memory is outside of it. (125 - 50) / (80 - 50) = 2.5
  const one = { ...hops, node: null }
  assert.is(termsOn({ latencies, hops: one }).communication, 0.666667)
  assert.is(termsOn({ hops: one }).communication, 0.853333)
  assert.is(termsOn({ hops: { ...hops, llc: null } }).communication, 0.853333)
  // Nothing is nearer than another LLC of the node.
  assert.is(
    termsOn({ hops: { ...hops, nodes: nodes.map((row) => row.map((ns) => ns && 60)) } }).communication,
    0.266667,
  )
})

test('a row in which a node with memory is not known is as the firmware says', () => {
  const host = { ...PLAIN, latencies: [latencies[0]!, [null, 82]] }
  const machine = machineOf(host, parseRequest(APART))
  assert.equal([machine.distance(0, 1), machine.distance(1, 0), machine.distance(1, 1)], [16, 32, 10])
  // Of memory that the cpuset forbids nothing can be measured, and no VM gets any.
  const nodes = host.nodes.map((node) => (node.id === 0 ? { ...node, allowed: false } : node))
  assert.is(machineOf({ ...host, nodes }, parseRequest(APART)).distance(1, 0), 32)
  assert.is(
    machineOf(
      {
        ...host,
        nodes,
        latencies: [
          [null, 160],
          [null, 80],
        ],
      },
      parseRequest(APART),
    ).distance(0, 1),
    20,
  )
})

test('two siblings that yield 1.3 together lose 0.35 each, unless the request says otherwise', () => {
  const beside = { vms: ['a', 'b'].map((name) => ({ name, vcpus: 1, memory: '1GiB', threadPolicy: 'spread' })) }
  const specs = Object.fromEntries(
    ['a', 'b'].map((name, cpu) => [name, { cells: [{ cpus: [cpu], memory: { 0: GIB } }], emulator: '2-3' }]),
  )
  const trusting = { vms: beside.vms.map((vm) => ({ ...vm, trust: 'us' })) }
  assert.equal(termsOn({}, trusting, specs), { smt: 0.76 })
  assert.equal(termsOn({ smt: 1.3 }, trusting, specs), { smt: 0.7 })
  assert.equal(termsOn({ smt: null }, trusting, specs), { smt: 0.76 })
  assert.equal(termsOn({ smt: 2.1 }, trusting, specs), {})
  assert.equal(termsOn({ smt: 1.3 }, { ...trusting, model: { smt: 0.5 } }, specs), { smt: 1 })
})

test('the bandwidth of a node is the most that any CPUs got from it', () => {
  const one = { vms: [{ name: 'a', vcpus: 2, memory: '2GiB', cells: 1, bandwidth: '4GB/s' }] }
  const specs = { a: { cells: [{ cpus: [0, 1], memory: { 0: 2 * GIB } }], emulator: '2-3' } }
  const bandwidths = [
    [2e9, 5e9],
    [1e9, null],
  ]
  // Half of what it asks for: half of the 0.3 of 2 vCPUs.
  assert.equal(termsOn({ bandwidths }, one, specs), { bandwidth: 0.3 })
  assert.equal(termsOn({ bandwidths: bandwidths.map((row) => [null, row[1]!]) }, one, specs), {})
})

test('planner and verifier agree on hosts that were measured; on others nothing changes', () => {
  let measuredOnes = 0
  fc.assert(
    fc.property(hostShape, requests, fc.constantFrom(1, 2), (shape, input, measured) => {
      const host: Host = makeHost({ ...shape, measured })
      const request = parseRequest(input)
      const plan = planner.plan(host, request, { steps: 20 })
      assert.equal(checkPlan(host, request, plan), [])
      if (plan.cost.lostVcpus > 0) measuredOnes++
      const plain = makeHost({ ...shape, measured: 0 })
      const unknown = {
        ...plain,
        latencies: plain.nodes.map(() => plain.nodes.map(() => null)),
        bandwidths: plain.nodes.map(() => plain.nodes.map(() => null)),
        hops: { core: null, llc: null, node: null, nodes: plain.nodes.map(() => plain.nodes.map(() => null)) },
        smt: null,
      }
      assert.equal(planner.plan(unknown, request, { steps: 20 }), planner.plan(plain, request, { steps: 20 }))
    }),
    { numRuns: 60 },
  )
  assert.ok(measuredOnes > 10, `${measuredOnes}`)
})

test.run()
