/** Which node memory comes from, and where it moves: the choice alone, on made-up nodes. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type PlacedBlock, planMoves } from '../../../../executor/accel/optimizer/rebalance.js'
import {
  type AllocationStrategy,
  type NodeLoad,
  rankNodes,
  requireStrategy,
  type Site,
} from '../../../../executor/accel/optimizer/strategy.js'
import { InputError } from '../../../../src/errors.js'

const STRATEGIES: readonly AllocationStrategy[] = ['LocalFirst', 'LoadBalanced', 'BandwidthOptimized', 'Adaptive']

/** A ring of four: neighbours 16, opposite 22. */
const RING = [
  [10, 16, 22, 16],
  [16, 10, 16, 22],
  [22, 16, 10, 16],
  [16, 22, 16, 10],
]

function load(node: number, given: Partial<NodeLoad> = {}): NodeLoad {
  const budget = given.budget ?? 100
  const used = given.used ?? 0
  return { node, budget, used, room: budget - used, vcpus: 0, capacity: null, traffic: null, ...given }
}

function ring(given: readonly Partial<NodeLoad>[], users: readonly number[] = []): Site {
  const distance = (from: number, to: number) => RING[from]![to]!
  const cost = (node: number, near: number | null) =>
    (near === null ? users : [near]).reduce((sum, user) => sum + distance(user, node) - 10, 0)
  return { nodes: given.map((each, node) => load(node, each)), distance, cost }
}

const order = (strategy: AllocationStrategy, bytes: number, near: number | null, site: Site) =>
  rankNodes(strategy, bytes, near, site).map(({ node }) => node)

test('LocalFirst takes the preferred node, then the nearest that has room', () => {
  assert.equal(order('LocalFirst', 10, 1, ring([{}, {}, {}, {}])), [1, 0, 2, 3])
  assert.equal(order('LocalFirst', 10, 1, ring([{ used: 95 }, { used: 91 }, {}, {}])), [2, 3])
  assert.equal(order('LocalFirst', 10, 1, ring([{ room: 9 }, {}, {}, {}])), [1, 2, 3])
  assert.equal(order('LocalFirst', 10, null, ring([{}, {}])), [0, 1])
})

test('LoadBalanced takes the node of whose budget the least is in use, whatever is preferred', () => {
  assert.equal(
    order('LoadBalanced', 10, 0, ring([{ used: 50 }, { used: 20 }, { used: 30 }, { used: 40 }])),
    [1, 2, 3, 0],
  )
  // Shares, not bytes: 60 of 200 are less than 40 of 100.
  assert.equal(order('LoadBalanced', 10, 0, ring([{ used: 40 }, { used: 60, budget: 200 }])), [1, 0])
  assert.equal(order('LoadBalanced', 10, 2, ring([{}, {}, {}, {}])), [2, 1, 3, 0])
})

test('BandwidthOptimized goes by what is measured where every node is', () => {
  const [best, second] = rankNodes(
    'BandwidthOptimized',
    10,
    0,
    ring([
      { traffic: 900, vcpus: 0 },
      { traffic: 100, vcpus: 9 },
    ]),
  )
  assert.is(best!.node, 1)
  assert.is(best!.basis, 'measured bandwidth')
  assert.is(second!.node, 0)
  // 1000 less 900 is less than 500 less 200.
  assert.equal(
    order(
      'BandwidthOptimized',
      10,
      0,
      ring([
        { traffic: 900, capacity: 1000 },
        { traffic: 200, capacity: 500 },
      ]),
    ),
    [1, 0],
  )
  // 1000 less 500 is more than 400 less 100.
  assert.equal(
    order(
      'BandwidthOptimized',
      10,
      1,
      ring([
        { traffic: 500, capacity: 1000 },
        { traffic: 100, capacity: 400 },
      ]),
    ),
    [0, 1],
  )
})

test('BandwidthOptimized goes by vCPUs and memory there where a node is not measured, and says so', () => {
  const choices = rankNodes(
    'BandwidthOptimized',
    10,
    0,
    ring([{ traffic: 1, vcpus: 2 }, { vcpus: 1 }, { vcpus: 1, used: 50 }]),
  )
  assert.equal(
    choices.map(({ node }) => node),
    [1, 2, 0],
  )
  assert.is(choices[0]!.basis, 'vCPUs and memory there')
  // A fast node with one vCPU gives one more than a slow one without any.
  const uneven = ring([{ vcpus: 1, capacity: 100 }, { capacity: 20 }])
  assert.equal(order('BandwidthOptimized', 10, 1, uneven), [0, 1])
})

test('nodes without a budget are not waited for to be measured', () => {
  const site = ring([{ traffic: 5 }, { traffic: 3 }, { budget: 0, room: 0 }])
  assert.is(rankNodes('BandwidthOptimized', 10, 0, site)[0]!.basis, 'measured bandwidth')
})

test('Adaptive takes the node that costs its users the least, and of equal ones the emptier', () => {
  assert.equal(order('Adaptive', 10, null, ring([{}, {}, {}, {}], [0, 1, 2])).slice(0, 1), [1])
  assert.equal(order('Adaptive', 10, 3, ring([{}, {}, {}, {}], [0, 1, 2])).slice(0, 1), [3])
  // Opposite users: every node costs the same.
  assert.equal(
    order('Adaptive', 10, null, ring([{ used: 3 }, { used: 2 }, { used: 1 }, { used: 4 }], [0, 2])),
    [2, 1, 0, 3],
  )
})

test('four strategies are known by name', () => {
  for (const strategy of STRATEGIES) assert.is(requireStrategy(strategy), strategy)
  assert.throws(
    () => requireStrategy('RoundRobin'),
    (error: unknown) =>
      error instanceof InputError &&
      error.message === `strategy: expected one of ${STRATEGIES.join(', ')}, got "RoundRobin"`,
  )
})

// ------------------------------------------------------------------------------------------------------- moves

const block = (address: number, node: number, near: number | null = null, bytes = 10): PlacedBlock => ({
  address,
  bytes,
  node,
  near,
})
const steps = (strategy: AllocationStrategy, blocks: readonly PlacedBlock[], site: Site) =>
  planMoves(strategy, blocks, site).map(({ address, to }) => [address, to])

test('LocalFirst brings memory that was given out elsewhere home when there is room', () => {
  const blocks = [block(1, 1, 0), block(2, 2, 0), block(3, 3, 3)]
  assert.equal(steps('LocalFirst', blocks, ring([{}, { used: 10 }, { used: 10 }, { used: 10 }])), [
    [1, 0],
    [2, 0],
  ])
  // With room for one of them at home, the other one comes as near as it can, which is where it is.
  assert.equal(steps('LocalFirst', blocks, ring([{ used: 90 }, { used: 10 }, { used: 10 }, { used: 10 }])), [
    [1, 0],
    [2, 1],
  ])
  assert.equal(steps('LocalFirst', [block(1, 2)], ring([{}, {}, { used: 10 }])), [])
})

test('LoadBalanced moves until no block makes the fuller node emptier', () => {
  const blocks = [1, 2, 3, 4].map((address) => block(address, 0))
  const site = ring([{ used: 40 }, {}])
  assert.equal(steps('LoadBalanced', blocks, site), [
    [1, 1],
    [2, 1],
  ])
  assert.equal(steps('LoadBalanced', [block(1, 0)], ring([{ used: 10 }, {}])), [])
})

test('Adaptive follows the vCPUs', () => {
  const blocks = [block(1, 0), block(2, 0), block(3, 0, 0)]
  assert.equal(steps('Adaptive', blocks, ring([{ used: 30 }, {}, {}, {}], [2, 2])), [
    [1, 2],
    [2, 2],
  ])
})

test('with measured traffic one block moves, and none for a difference within the noise', () => {
  const blocks = [block(1, 0), block(2, 0)]
  assert.equal(steps('BandwidthOptimized', blocks, ring([{ used: 20, traffic: 1000 }, { traffic: 100 }])), [[1, 1]])
  assert.equal(steps('BandwidthOptimized', blocks, ring([{ used: 20, traffic: 1000 }, { traffic: 950 }])), [])
})

const MAX_NODES = 4
const loads = fc.array(
  fc.record({
    budget: fc.integer({ min: 1, max: 100 }),
    vcpus: fc.nat(8),
    capacity: fc.option(fc.integer({ min: 1, max: 1000 })),
    traffic: fc.option(fc.nat(1000)),
  }),
  { minLength: 1, maxLength: MAX_NODES },
)
const sizes = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 60 }), near: fc.option(fc.nat(99)) }), {
  maxLength: 12,
})

/** Gives out what fits, one after the other. */
function giveOut(
  strategy: AllocationStrategy,
  given: readonly Partial<NodeLoad>[],
  wanted: readonly { readonly bytes: number; readonly near: number | null }[],
): { site: Site; blocks: PlacedBlock[] } {
  let site = ring(given, [0])
  const blocks: PlacedBlock[] = []
  for (const [address, { bytes, near: any }] of wanted.entries()) {
    const near = any === null ? null : any % given.length
    const [choice] = rankNodes(strategy, bytes, near, site)
    if (choice === undefined) continue
    blocks.push({ address, bytes, node: choice.node, near })
    site = withMore(site, choice.node, bytes)
  }
  return { site, blocks }
}

function withMore(site: Site, node: number, bytes: number): Site {
  const nodes = site.nodes.map((each) =>
    each.node === node ? { ...each, used: each.used + bytes, room: each.room - bytes } : each,
  )
  return { ...site, nodes }
}

test('every choice has room, every node with room is a choice, and no score before it is better', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...STRATEGIES),
      loads,
      sizes,
      fc.integer({ min: 1, max: 60 }),
      (strategy, given, wanted, bytes) => {
        const { site } = giveOut(strategy, given, wanted)
        const choices = rankNodes(strategy, bytes, 0, site)
        const fitting = site.nodes.filter(({ room }) => room >= bytes).map(({ node }) => node)
        assert.equal([...choices.map(({ node }) => node)].sort(), fitting)
        for (const [i, { score }] of choices.entries()) assert.ok(i === 0 || choices[i - 1]!.score <= score)
        for (const { used, budget, room } of site.nodes) assert.ok(used <= budget && room === budget - used)
      },
    ),
  )
})

test('moves end, each has room when it is made, and afterwards there is nothing to move', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...STRATEGIES),
      fc.constantFrom(...STRATEGIES),
      loads,
      sizes,
      (first, then, given, wanted) => {
        const { site, blocks } = giveOut(first, given, wanted)
        let state = site
        const at = new Map(blocks.map((each) => [each.address, each]))
        const moves = planMoves(then, blocks, site)
        for (const { address, to } of moves) {
          const moved = at.get(address)!
          assert.is.not(moved.node, to)
          state = withMore(withMore(state, moved.node, -moved.bytes), to, moved.bytes)
          at.set(address, { ...moved, node: to })
          for (const { room } of state.nodes) assert.ok(room >= 0)
        }
        const isMeasured = given.every(({ traffic }) => traffic !== null)
        if (then !== 'BandwidthOptimized') assert.equal(planMoves(then, [...at.values()], state), [])
        else if (isMeasured) assert.ok(moves.length <= 1)
      },
    ),
  )
})

test.run()
