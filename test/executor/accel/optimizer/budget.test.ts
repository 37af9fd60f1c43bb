import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { budgetsOf, type MemoryPerNode, NodeBudgets } from '../../../../executor/accel/optimizer/budget.js'
import { InputError } from '../../../../src/errors.js'
import { syntheticHost } from '../../../../src/topology/index.js'
import type { Host } from '../../../../src/types.js'

const GiB = 1024 ** 3
const host = syntheticHost('pack:3 [numa(memory=2GiB)] core:2 pu:1')

/** The host with another total on some nodes. */
function withTotals(totals: Readonly<Record<number, number | null>>): Host {
  const nodes = host.nodes.map((node) => {
    const total = totals[node.id]
    return total === undefined ? node : { ...node, memory: { total, free: total } }
  })
  return { ...host, nodes }
}

function refusal(from: Host, memoryPerNode: MemoryPerNode): string {
  try {
    budgetsOf(from, memoryPerNode)
  } catch (error) {
    assert.instance(error, InputError)
    return (error as InputError).message
  }
  throw new Error('nothing was refused')
}

test('a number is the budget of every node that has memory', () => {
  assert.equal(
    [...budgetsOf(withTotals({ 1: 0 }), GiB)],
    [
      [0, GiB],
      [1, 0],
      [2, GiB],
    ],
  )
  const closed = { ...host, nodes: host.nodes.map((node) => (node.id === 2 ? { ...node, allowed: false } : node)) }
  assert.is(budgetsOf(closed, GiB).get(2), 0)
  // Where the kernel does not say how much there is, anything may be there.
  assert.is(budgetsOf(withTotals({ 0: null }), 2 * GiB).get(0), 2 * GiB)
})

test('nodes have what a map or an object says, the others nothing', () => {
  const expected = [
    [0, 0],
    [1, GiB],
    [2, 4096],
  ]
  assert.equal(
    [
      ...budgetsOf(
        host,
        new Map([
          [2, 4096],
          [1, GiB],
        ]),
      ),
    ],
    expected,
  )
  assert.equal([...budgetsOf(host, { 1: GiB, 2: 4096 })], expected)
  assert.equal(
    [...budgetsOf(host, {})].map(([, bytes]) => bytes),
    [0, 0, 0],
  )
})

test('more than a node has is refused, as is what is no budget', () => {
  assert.is(
    refusal(host, 3 * GiB),
    'memoryPerNode[0]: expected at most 2 GiB, what this process can have of it, got 3 GiB',
  )
  assert.match(refusal(withTotals({ 1: GiB }), 2 * GiB), /^memoryPerNode\[1\]: expected at most 1 GiB.*got 2 GiB$/)
  assert.match(refusal(withTotals({ 1: 0 }), { 1: 1 }), /^memoryPerNode\[1\]: expected at most 0 bytes.*got 1 bytes$/)
  assert.is(refusal(host, { 7: GiB }), 'memoryPerNode: expected nodes among 0-2, got 7')
  assert.match(refusal(host, new Map([[0, -1]])), /^memoryPerNode\[0\]: expected a whole number of bytes, got -1$/)
  assert.match(refusal(host, 0.5), /a whole number of bytes, got 0.5/)
  assert.match(refusal(host, Number.NaN), /a whole number of bytes, got NaN/)
  assert.match(refusal(host, '1GiB' as never), /^memoryPerNode: expected bytes, or bytes by node, got "1GiB"$/)
  assert.match(refusal(host, null as never), /got null/)
})

const NODES = [0, 2, 5]
const steps = fc.array(fc.record({ take: fc.boolean(), node: fc.constantFrom(...NODES), bytes: fc.nat(40) }))

test('what is taken and given back adds up, and is never more than the budget nor less than nothing', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const budgets = new NodeBudgets(new Map(NODES.map((node) => [node, 20 * (node + 1)])))
      const used = new Map(NODES.map((node) => [node, 0]))
      for (const { take, node, bytes } of taken) {
        const next = used.get(node)! + (take ? bytes : -bytes)
        const fits = next >= 0 && next <= 20 * (node + 1)
        const change = () => (take ? budgets.take(node, bytes) : budgets.giveBack(node, bytes))
        if (fits) {
          change()
          used.set(node, next)
        } else assert.throws(change, RangeError)
        for (const each of NODES) {
          assert.is(budgets.used(each), used.get(each))
          assert.is(budgets.left(each), 20 * (each + 1) - used.get(each)!)
        }
      }
    }),
  )
})

test('nodes without a budget are not listed, and nothing can be taken there', () => {
  const budgets = new NodeBudgets(
    new Map([
      [0, 0],
      [3, 10],
    ]),
  )
  assert.equal(budgets.nodes, [3])
  assert.throws(() => budgets.take(0, 1), RangeError)
  assert.throws(() => budgets.take(9, 1), RangeError)
})

test.run()
