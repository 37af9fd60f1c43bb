import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { solveExactly } from '../../../bench/planner/exact/solve.js'
import { parseRequest } from '../../../src/request.js'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import type { Plan, Request } from '../../../src/types.js'
import { checkPlan } from '../../../src/verify.js'
import { makeHost } from '../../planner/cases.js'
import { bestPlan } from './exhaustive.js'

function weightOf(request: Request, plan: Plan): number {
  const placed = new Set(plan.vms.map(({ name }) => name))
  return request.vms.reduce((sum, vm) => sum + (placed.has(vm.name) ? vm.weight : 0), 0)
}

const shape = fc.record({
  packages: fc.constant(1),
  nodes: fc.integer({ min: 1, max: 2 }),
  llcs: fc.integer({ min: 1, max: 2 }),
  cores: fc.integer({ min: 1, max: 2 }),
  threads: fc.integer({ min: 1, max: 2 }),
  memory: fc.constantFrom([1], [1, 2], [0, 2]),
  distance: fc.constantFrom(12, 21),
  spoil: fc.constantFrom(
    { offline: 0, disallowed: 0, slow: 0 },
    { offline: 0, disallowed: 5, slow: 3 },
    { offline: 5, disallowed: 0, slow: 2 },
  ),
})

const vm = fc.record({
  vcpus: fc.integer({ min: 1, max: 3 }),
  memory: fc.constantFrom('64MiB', '700MiB', '60KiB'),
  cpuPolicy: fc.constantFrom('dedicated', 'dedicated', 'dedicated', 'shared'),
  demand: fc.constantFrom(0.3, 1),
  threadPolicy: fc.constantFrom('prefer', 'require', 'isolate', 'spread'),
  cells: fc.constantFrom('auto', 1, 2),
  weight: fc.constantFrom(1, 1, 2.5),
  memoryBound: fc.constantFrom(0.3, 0.7),
  relation: fc.constantFrom('separateFrom', 'near', undefined, undefined),
  device: fc.constantFrom(true, false, undefined, undefined),
})

/** Small enough to try everything. */
const problem = fc
  .tuple(shape, fc.array(vm, { minLength: 1, maxLength: 3 }))
  .filter(([{ nodes, llcs, cores, threads }, vms]) => {
    const vcpus = vms.reduce((sum, own) => sum + own.vcpus, 0)
    return nodes * llcs * cores * threads <= (vcpus <= 4 ? 8 : 6) && vcpus <= 6
  })
  .map(([hostShape, vms]) => {
    const request = parseRequest({
      reserve: { memory: '64MiB' },
      overcommit: 2,
      vms: vms.map(({ cells, relation, device, ...own }, at) => ({
        ...own,
        name: `vm${at}`,
        pageSize: '4KiB',
        cells: typeof cells === 'number' ? Math.min(cells, own.vcpus) : cells,
        ...(relation === undefined || at === 0 ? {} : { [relation]: [`vm${at - 1}`] }),
        ...(device === undefined ? {} : { devices: [{ node: 0, strict: device }] }),
      })),
    })
    return { host: makeHost(hostShape), request }
  })

test('on tiny hosts HiGHS places the weight and pays the price that trying everything finds', () => {
  let compared = 0
  let refused = 0
  fc.assert(
    fc.property(problem, ({ host, request }) => {
      const exact = solveExactly(host, request, { seconds: 60 })
      if (exact.status === 'not-covered') return
      assert.is(exact.status, 'optimal')
      if (exact.status !== 'optimal') return
      assert.equal(checkPlan(host, request, exact.plan), [])
      const best = bestPlan(host, request)
      assert.is(weightOf(request, exact.plan), weightOf(request, best))
      assert.is(exact.plan.cost.lostVcpus, best.cost.lostVcpus)
      // What is known only shortens the way.
      const again = solveExactly(host, request, { seconds: 60, known: best })
      assert.is(again.status === 'optimal' && again.plan.cost.lostVcpus, best.cost.lostVcpus)
      compared++
      if (best.refused.length > 0) refused++
    }),
    { numRuns: 120, seed: 3, includeErrorInReport: true },
  )
  assert.ok(compared > 95 && refused > 10, `${compared} compared, ${refused} with refusals`)
})

test('what the model does not cover is said, not approximated', () => {
  const host = syntheticHost('numa:2 core:2 pu:2')
  const vm = { name: 'a', vcpus: 2, memory: '64MiB' }
  const why = (content: object) => {
    const exact = solveExactly(host, parseRequest(content), { seconds: 10 })
    return exact.status === 'not-covered' ? exact.why : exact.status
  }
  assert.is(why({ vms: [{ ...vm, span: true }] }), 'span')
  assert.is(why({ vms: [{ ...vm, memoryPolicy: 'preferred' }] }), 'memoryPolicy preferred')
  assert.is(
    why({
      vms: [
        { ...vm, trust: 't' },
        { ...vm, name: 'b', trust: 't' },
      ],
    }),
    'VMs that may share a core',
  )
  assert.is(why({ vms: [vm] }), 'optimal')
  assert.is(why({ vms: [vm, { ...vm, name: 'b' }] }), 'optimal')
})

test.run()
