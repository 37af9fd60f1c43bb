import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Planner } from '../../src/planner/planner.js'
import { buildProblem } from '../../src/planner/problem.js'
import { instantiatePlanner } from '../../src/planner/wasm.js'
import { parseRequest } from '../../src/request.js'
import { checkPlan } from '../../src/verify.js'
import { hostShape, makeHost, request } from './cases.js'

const planner = await Planner.load()

test('every plan holds: the verifier, which shares no code with the planner, finds nothing', () => {
  let placed = 0
  let refused = 0
  fc.assert(
    fc.property(hostShape, request, fc.integer({ min: 0, max: 40 }), (shape, input, steps) => {
      const host = makeHost(shape)
      const plan = planner.plan(host, parseRequest(input), { steps })
      placed += plan.vms.length
      refused += plan.refused.length
      assert.equal(checkPlan(host, input, plan), [])
    }),
    { numRuns: 500 },
  )
  assert.ok(placed > 300 && refused > 50, `both outcomes are met: ${placed} placed, ${refused} refused`)
})

test('every refusal names constraints, and every nearest change has a price', () => {
  const named = new Set<string>()
  fc.assert(
    fc.property(hostShape, request, (shape, input) => {
      const plan = planner.plan(makeHost(shape), parseRequest(input), { steps: 0 })
      for (const { because, nearest } of plan.refused) {
        assert.ok(because.length > 0)
        for (const { constraint, text } of because) {
          named.add(constraint)
          assert.match(text, /node 0|no whole number of pages|all nodes together/)
        }
        for (const { change, lostVcpus } of nearest) assert.ok(change !== '' && Number.isFinite(lostVcpus))
      }
    }),
    { numRuns: 300 },
  )
  for (const constraint of ['cpu-exclusive', 'memory-capacity', 'thread-policy', 'separate']) {
    assert.ok(named.has(constraint), `${constraint} is among ${[...named].join(', ')}`)
  }
})

test('the same host, request, seed and steps give the same plan, also in another instance', async () => {
  const other = await Planner.load()
  fc.assert(
    fc.property(hostShape, request, fc.nat(), (shape, input, seed) => {
      const host = makeHost(shape)
      const parsed = parseRequest(input)
      const first = JSON.stringify(planner.plan(host, parsed, { steps: 30, seed }))
      assert.is(JSON.stringify(other.plan(host, parsed, { steps: 30, seed })), first)
    }),
    { numRuns: 80 },
  )
})

test('solving goes on where it stopped and never makes a plan worse', async () => {
  const wasm = await instantiatePlanner()
  fc.assert(
    fc.property(hostShape, request, (shape, input) => {
      const parsed = parseRequest(input)
      const problem = buildProblem(wasm, makeHost(shape), parsed)
      let weight = 0
      let cost = Number.POSITIVE_INFINITY
      for (const steps of [0, 5, 20, 75]) {
        wasm.solve(steps, 7)
        const placed = parsed.vms.reduce((sum, vm, at) => {
          return wasm.cellCount(problem.handles[at] ?? -1) > 0 ? sum + vm.weight : sum
        }, 0)
        assert.ok(placed > weight || (placed === weight && wasm.planCost() <= cost))
        weight = placed
        cost = wasm.planCost()
      }
    }),
    { numRuns: 60 },
  )
})

test.run()
