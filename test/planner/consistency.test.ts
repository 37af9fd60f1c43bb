/** What has to hold between plans of problems that are related. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import type { Plan } from '../../src/types.js'
import { costOf, totalOf } from '../../src/verify/cost.js'
import { hostShape, makeHost, request } from './cases.js'

const planner = await Planner.load()
const MICRO = 1_000_000

function micro(lostVcpus: number): number {
  return Math.round(lostVcpus * MICRO)
}

function weightOf(plan: Plan, vms: readonly { name: string; weight: number }[]): number {
  const placed = new Set(plan.vms.map(({ name }) => name))
  return vms.reduce((sum, vm) => (placed.has(vm.name) ? sum + vm.weight : sum), 0)
}

test('the order of the VMs and their names change nothing in what is proven', () => {
  let proven = 0
  // How many of a round are proven depends on what comes: some have next to none.
  for (let round = 0; round < 6 && proven <= 5; round++) {
    fc.assert(
      fc.property(hostShape, request, (shape, input) => {
        const host = makeHost(shape)
        // Few VMs: of many some are refused, or nothing is proven.
        const few = input.vms.slice(0, 2)
        const renamed = (name: string) => `other ${name}`
        const vms = few.map((vm: (typeof input.vms)[number] & { separateFrom?: string[]; near?: string[] }) => ({
          ...vm,
          name: renamed(vm.name),
          ...(vm.separateFrom && { separateFrom: vm.separateFrom.map(renamed) }),
          ...(vm.near && { near: vm.near.map(renamed) }),
        }))
        const plan = planner.plan(host, parseRequest({ ...input, vms: few }), { steps: 300 })
        const other = planner.plan(host, parseRequest({ ...input, vms: vms.reverse() }), { steps: 300 })
        if (plan.status !== 'optimal' || other.status !== 'optimal') return
        proven++
        assert.is(micro(other.cost.lostVcpus), micro(plan.cost.lostVcpus))
      }),
      { numRuns: 300 },
    )
  }
  assert.ok(proven > 5, `${proven} proven both ways`)
})

test('what the others lose beside one more VM is nothing that the bound without it rules out', () => {
  let compared = 0
  fc.assert(
    fc.property(hostShape, request, (shape, input) => {
      const host = makeHost(shape)
      const names = new Set(input.vms.slice(0, -1).map(({ name }) => name))
      if (names.size === 0) return
      const rest = parseRequest({ ...input, vms: input.vms.slice(0, -1) })
      const without = planner.plan(host, rest, { steps: 50 })
      const beside = planner.plan(host, parseRequest(input), { steps: 50 }).vms.filter(({ name }) => names.has(name))
      if (without.refused.length > 0 || beside.length < names.size) return
      compared++
      const cost = totalOf(costOf(host, rest, beside).terms)
      assert.ok(cost >= micro(without.cost.lowerBound), `${cost} is below the bound ${without.cost.lowerBound}`)
    }),
    { numRuns: 200 },
  )
  assert.ok(compared > 3, `${compared} compared`)
})

test('more steps place no less, and what is placed then costs no more', () => {
  fc.assert(
    fc.property(hostShape, request, (shape, input) => {
      const host = makeHost(shape)
      const parsed = parseRequest(input)
      const soon = planner.plan(host, parsed, { steps: 0 })
      const late = planner.plan(host, parsed, { steps: 100 })
      const [before, after] = [weightOf(soon, parsed.vms), weightOf(late, parsed.vms)]
      assert.ok(after > before || (after === before && micro(late.cost.lostVcpus) <= micro(soon.cost.lostVcpus)))
    }),
    { numRuns: 100 },
  )
})

test.run()
