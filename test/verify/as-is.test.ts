import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCpulist } from '../../src/cpulist.js'
import { InputError } from '../../src/errors.js'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import { COST_TERMS, type Host, type PlanVm } from '../../src/types.js'
import { costOf } from '../../src/verify/cost.js'
import { costAsIs, type Resident } from '../../src/verify.js'
import { hostShape, makeHost, request } from '../planner/cases.js'
import { coresOf, GIB, hostOf } from './support.js'

/** Two nodes, 10 and 20 apart, of two cores with two threads each: CPUs 0-3 and 4-7. */
const HOST = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([2, 2], 2) })
/** Two nodes of four cores: CPUs 0-3 and 4-7. */
const FLAT = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([4, 4]) })

function resident(name: string, cpus: readonly string[], memory: Readonly<Record<number, number>>): Resident {
  const parts = Object.entries(memory).map(([node, bytes]) => ({ node: Number(node), bytes }))
  return { name, vcpus: cpus.map((list) => ({ cell: 0, cpus: list })), cells: [{ memory: parts }] }
}

function requestOf(vms: Readonly<Record<string, object>>): object {
  return { vms: Object.entries(vms).map(([name, more]) => ({ name, memory: '4GiB', ...more })) }
}

/** Lost vCPUs by cause, those that are not zero. */
function lost(host: Host, input: object, residents: readonly Resident[]): Record<string, number> {
  const { terms } = costAsIs(host, parseRequest(input), residents)
  return Object.fromEntries(Object.entries(terms).filter(([, vcpus]) => vcpus !== 0))
}

test('a vCPU that floats over both nodes is half of its time far from its memory', () => {
  const input = requestOf({ a: { vcpus: 1 } })
  // 0.3 x 1/2 x (20 - 10) / 10
  assert.equal(lost(FLAT, input, [resident('a', ['0-7'], { 0: 4 * GIB })]), { remoteMemory: 0.15 })
  // Three of four CPUs are on node 0.
  assert.equal(lost(FLAT, input, [resident('a', ['1-4'], { 0: 4 * GIB })]), { remoteMemory: 0.075 })
  assert.equal(lost(FLAT, input, [resident('a', ['0-3'], { 0: 4 * GIB })]), {})
})

test('pages count by their number, and what nobody has touched counts for nothing', () => {
  const input = requestOf({ a: { vcpus: 1 } })
  const spread = resident('a', ['0'], { 0: GIB, 1: 3 * GIB })
  assert.equal(lost(FLAT, input, [spread]), { remoteMemory: 0.225 })
  assert.equal(lost(FLAT, input, [resident('a', ['0'], { 0: 4096, 1: 3 * 4096 })]), { remoteMemory: 0.225 })
  assert.equal(lost(FLAT, input, [resident('a', ['0'], {})]), {})
  assert.is(costAsIs(FLAT, parseRequest(input), [spread]).vms[0]!.remote, 0.75)
  assert.is(costAsIs(FLAT, parseRequest(input), [resident('a', ['0-7'], { 1: GIB })]).vms[0]!.remote, 0.5)
})

test('two vCPUs that float over two nodes are apart half of the time', () => {
  const floating = resident('a', ['0-7', '0-7'], {})
  // 0.1 x 1/2 x 20 / 10 for each of the two: on one node they may be in one LLC, which is the only one there.
  assert.equal(lost(FLAT, requestOf({ a: { vcpus: 2 } }), [floating]), { communication: 0.2 })
  const traffic = [
    [0, 1],
    [0, 0],
  ]
  assert.equal(lost(FLAT, requestOf({ a: { vcpus: 2, traffic } }), [floating]), { communication: 0.1 })
})

test('siblings are busy by the chance that both have a CPU of the core', () => {
  // On each of two cores: one on the first CPU and one on the second, 2 x 1/4 x 1/4, seen from both VMs.
  const input = requestOf({ a: { vcpus: 1 }, b: { vcpus: 1 } })
  assert.equal(lost(HOST, input, [resident('a', ['0-3'], {}), resident('b', ['0-3'], {})]), { smt: 0.19 })
  assert.equal(lost(HOST, input, [resident('a', ['0'], {}), resident('b', ['1'], {})]), { smt: 0.76 })
  assert.equal(lost(HOST, input, [resident('a', ['0'], {}), resident('b', ['2'], {})]), {})
  // Under spread its own count too: 2 x 2 x 2 x 1/16.
  const spread = requestOf({ a: { vcpus: 2, threadPolicy: 'spread' } })
  assert.equal(lost(HOST, spread, [resident('a', ['0-3', '0-3'], {})]), { smt: 0.19 })
  // Under prefer the cores beyond one that two vCPUs are to be expected on: 2 x (1 - 1/4) - 1.
  assert.equal(lost(HOST, requestOf({ a: { vcpus: 2 } }), [resident('a', ['0-3', '0-3'], {})]), { smt: 0.19 })
})

test('what the CPUs cannot serve is lost, whoever of those who float makes room', () => {
  const input = requestOf({ a: { vcpus: 2 }, b: { vcpus: 2 }, c: { vcpus: 2 } })
  const none = { cpuPolicy: 'shared' }
  const shared = requestOf({ a: { vcpus: 2, ...none }, b: { vcpus: 2, ...none }, c: { vcpus: 2, ...none } })
  const at = (a: string, b: string, c: string) => [a, b, c].map((cpus, vm) => resident('abc'[vm]!, [cpus, cpus], {}))
  const overcommit = (residents: readonly Resident[], wanted = input) =>
    costAsIs(FLAT, parseRequest(wanted), residents).terms.overcommit
  assert.is(overcommit(at('0-1', '0-1', '0-1')), 4)
  assert.is(overcommit(at('0-3', '2-3', '2-3')), 2)
  assert.is(overcommit(at('0-5', '2-3', '2-3')), 2)
  assert.is(overcommit(at('0-3', '1-2', '3-4')), 1)
  assert.is(overcommit(at('0-1', '1-3', '3-6')), 0)
  assert.is(overcommit(at('0-1', '0-1', '0-1'), shared), 4)
  const idle = { cpuPolicy: 'shared', demand: 0.25 }
  const quarter = requestOf({ a: { vcpus: 2, ...idle }, b: { vcpus: 2, ...idle }, c: { vcpus: 2, ...idle } })
  assert.is(overcommit(at('0', '0', '0'), quarter), 0.5)
})

test('slow cores count by the mean over the CPUs of a vCPU', () => {
  const host = hostOf({ nodes: { 0: 8 }, cores: [...coresOf([1]), { node: 0, cpus: [1], capacity: 512 }] })
  assert.equal(lost(host, requestOf({ a: { vcpus: 1 } }), [resident('a', ['0-1'], {})]), { capacity: 0.25 })
})

test('a soft device is as far as the vCPU that happens to be nearest', () => {
  const device = { devices: [{ node: 1, strict: false }], memoryBound: 0 }
  const vcpus = (count: number) =>
    requestOf({
      a: {
        vcpus: count,
        traffic: [
          [0, 0],
          [0, 0],
        ]
          .slice(0, count)
          .map((r) => r.slice(0, count)),
        ...device,
      },
    })
  // 0.05 x 1/2 x 10 / 10; with two, both are on the other node one time of four.
  assert.equal(lost(FLAT, vcpus(1), [resident('a', ['0-7'], {})]), { device: 0.025 })
  assert.equal(lost(FLAT, vcpus(2), [resident('a', ['0-7', '0-7'], {})]), { device: 0.025 })
  assert.equal(lost(FLAT, vcpus(2), [resident('a', ['0-7', '4-7'], {})]), {})
})

test('memory bandwidth that is not there is lost by those whose vCPUs may be on the node', () => {
  const host = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([4, 4]), bandwidth: 1e9 })
  const input = requestOf({ a: { vcpus: 1, bandwidth: 4e9 } })
  // All of it from node 0, which has a quarter: (1 - 1/4) x 1/2 x 0.3.
  const found = lost(host, input, [resident('a', ['0-7'], { 0: 4 * GIB })])
  assert.equal(found, { remoteMemory: 0.15, bandwidth: 0.1125 })
})

test('cells have their vCPUs and pages, and cost as in a plan', () => {
  const cells = [
    { vcpus: '0', memory: '2GiB' },
    { vcpus: '1', memory: '2GiB' },
  ]
  const a: Resident = {
    name: 'a',
    vcpus: [
      { cell: 0, cpus: '4-7' },
      { cell: 1, cpus: '0-7' },
    ],
    cells: [{ memory: [{ node: 0, bytes: 2 * GIB }] }, { memory: [{ node: 0, bytes: 2 * GIB }] }],
  }
  // vCPU 0 has its own and the other's memory far, vCPU 1 both half of the time; 0.01 x 2 x (2 - 1).
  const found = lost(FLAT, requestOf({ a: { vcpus: 2, cells } }), [a])
  assert.equal(found, { remoteMemory: 0.45, communication: 0.2, cells: 0.02 })
})

test('what cannot be priced is refused with its place', () => {
  const parsed = parseRequest(requestOf({ a: { vcpus: 1 } }))
  const refused = (one: Resident, message: RegExp) =>
    assert.throws(
      () => costAsIs(FLAT, parsed, [one]),
      (error: Error) => error instanceof InputError && message.test(error.message),
    )
  refused(resident('b', ['0'], {}), /b: .*a VM of the request/)
  refused(resident('a', ['0', '1'], {}), /a: .*1 vCPUs/)
  refused(resident('a', ['64'], {}), /a, vCPU 0: .*a CPU of the host that is online/)
  refused({ name: 'a', vcpus: [{ cell: 1, cpus: '0' }], cells: [{ memory: [] }] }, /a, vCPU 0: .*a cell/)
})

function residentOf({ name, vcpus, cells }: PlanVm): Resident {
  return { name, vcpus, cells }
}

const planner = await Planner.load()

test('of the placement of a plan it is the cost of the plan, to the last digit', () => {
  let priced = 0
  fc.assert(
    fc.property(hostShape, request, (shape, input) => {
      const host = makeHost(shape)
      const parsed = parseRequest(input)
      const plan = planner.plan(host, parsed, { steps: 20 })
      const found = costAsIs(host, parsed, plan.vms.map(residentOf))
      const price = costOf(host, parsed, plan.vms)
      for (const term of COST_TERMS) {
        assert.is(Math.round(found.terms[term] * 1e6), price.terms[term], term)
        if (price.terms[term] > 0) priced++
      }
    }),
    { numRuns: 300 },
  )
  assert.ok(priced > 100, `terms that are not zero: ${priced}`)
})

test('of any placement it is finite and not negative, and only more CPUs for all make it less crowded', () => {
  const cpus = fc.uniqueArray(fc.nat(7), { minLength: 1 }).map(formatCpulist)
  const vms = fc.array(
    fc.record({
      cpus: fc.array(cpus, { minLength: 1, maxLength: 4 }),
      near: fc.nat(5),
      far: fc.nat(5),
      policy: fc.constantFrom('prefer', 'spread'),
    }),
    { minLength: 1, maxLength: 4 },
  )
  fc.assert(
    fc.property(vms, (specs) => {
      const input = parseRequest({
        vms: specs.map(({ cpus, policy }, at) => ({
          name: `vm${at}`,
          vcpus: cpus.length,
          memory: '1GiB',
          threadPolicy: policy,
        })),
      })
      const residents = specs.map(({ cpus, near, far }, at) =>
        resident(`vm${at}`, cpus, { 0: near * 4096, 1: far * 4096 }),
      )
      const found = costAsIs(HOST, input, residents)
      for (const term of COST_TERMS) assert.ok(found.terms[term] >= 0, `${term} ${found.terms[term]}`)
      for (const { remote } of found.vms) assert.ok(remote >= 0 && remote <= 1 + 1e-9)
      const wide = costAsIs(
        HOST,
        input,
        specs.map(({ cpus }, at) =>
          resident(
            `vm${at}`,
            cpus.map(() => '0-7'),
            {},
          ),
        ),
      )
      assert.ok(wide.terms.overcommit <= found.terms.overcommit)
      const demand = specs.reduce((sum, { cpus }) => sum + cpus.length, 0)
      assert.is(wide.terms.overcommit, Math.max(0, demand - 8))
    }),
  )
})

test.run()
