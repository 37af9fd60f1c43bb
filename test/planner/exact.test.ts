import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Host } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'
import { compareMany } from './exact/campaign.js'
import { planOf } from './exact/plan.js'
import { problemOf } from './exact/problem.js'
import { randomInstance } from './exact/random.js'
import { shrink } from './exact/shrink.js'
import { solve } from './exact/solve.js'

/** Two nodes at distance 20, each of two cores with two threads, with so many free pages. */
function hostOf(...pages: readonly number[]): Host {
  const host = syntheticHost('numa:2 l3:1 core:2 pu:2')
  return {
    ...host,
    nodes: host.nodes.map((node, at) => {
      const free = pages[at]!
      return { ...node, memory: { total: 2 ** 20, free: free * 4096 }, pages: [{ size: 4096, total: free, free }] }
    }),
    distances: [
      [10, 20],
      [20, 10],
    ],
  }
}

function solved(host: Host, ...vms: readonly object[]): { weight: number; cost: number; placed: string[] } {
  const request = parseRequest({ vms: vms.map((vm, at) => ({ name: `v${at}`, ...vm })) })
  const problem = problemOf(host, request)
  const best = solve(problem)!
  const { plan, cost } = planOf(problem, best)
  assert.equal(checkPlan(host, request, plan), [])
  assert.is(cost, best.cost)
  return { weight: best.weight, cost, placed: best.placed.map(({ layout }) => layout.vm.request.name) }
}

test('the exact solver finds what a hand reckons', () => {
  // All on one node, on whole cores.
  assert.is(solved(hostOf(8, 8), { vcpus: 4, memory: '16KiB' }).cost, 0)
  // Two cells: 0.01 x 4 of cells; of 12 pairs 8 are apart at 20, 0.1 x 8 x 20 / 10 / 3; the other's memory is 10 farther, 0.3 x 0.1 x 4.
  assert.is(solved(hostOf(2, 2), { vcpus: 4, memory: '16KiB' }).cost, 40_000 + 533_333 + 120_000)
  // One page of four is 10 farther: 0.3 x 4 / 4.
  assert.is(solved(hostOf(3, 1), { vcpus: 4, memory: '16KiB', memoryPolicy: 'preferred' }).cost, 300_000)
  // One core is too few: its second thread is beside the other VM, for both, 0.38 each.
  const three = { vcpus: 3, memory: '8KiB', cells: 1, trust: 'all' }
  assert.is(solved(hostOf(8, 0), three, { ...three, vcpus: 1 }).cost, 4 * 380_000 * 0.5)
})

test('the exact solver places the most weight, and leaves out what does not fit', () => {
  const small = { vcpus: 2, memory: '16KiB', cells: 1 }
  assert.equal(solved(hostOf(4, 0), small, { ...small, weight: 3 }), { weight: 3_000_000, cost: 0, placed: ['v1'] })
  assert.is(solve(problemOf(hostOf(1, 1), parseRequest({ vms: [{ name: 'v', ...small }] })))!.weight, 0)
})

test('the exact solver finds nothing better than the best', () => {
  const problem = problemOf(hostOf(2, 2), parseRequest({ vms: [{ name: 'v', vcpus: 4, memory: '16KiB' }] }))
  const best = solve(problem)!
  assert.is(solve(problem, best)!.cost, best.cost)
  assert.is(solve(problem, { ...best, cost: best.cost - 1 }), undefined)
})

test('on random tiny instances the planner is right wherever everything can be tried', async () => {
  const { summary, faults, compared } = await compareMany({ count: 150, seed: 20_261 })
  assert.is(faults, 0, summary)
  assert.ok(compared >= 140, summary)
})

test('an instance with a fault is made as small as the fault allows', () => {
  const instance = randomInstance(7)
  const hasVms = (request: { readonly vms: readonly unknown[] }) => request.vms.length >= 1
  const least = shrink(instance, ({ host, request }) => hasVms(request) && host.cpus.length >= 2)
  assert.is(least.request.vms.length, 1)
  assert.is(least.host.cpus.length, 2)
  assert.equal(Object.keys(least.request), ['vms'])
})

test.run()
