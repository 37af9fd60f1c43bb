/** What is suggested for which figures. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Facts, type NodeStats, suggest } from '../../../../executor/accel/optimizer/suggestions.js'
import { NO_STATS } from '../../../../executor/accel/stats/node-stats.js'

const NUMA = { numa_hit: 100, numa_miss: 0, numa_foreign: 0, interleave_hit: 0, local_node: 100, other_node: 0 }

/** A node with which nothing is wrong. */
function fine(node: number, given: Partial<NodeStats> = {}): NodeStats {
  return {
    ...NO_STATS,
    node,
    seconds: 1,
    cpuUsage: 0.6,
    memory: { total: 1000, free: 500, usage: 0.5 },
    numa: NUMA,
    localAccessRate: 1,
    budget: { bytes: 100, used: 90 },
    recorded: { local: 0, remote: 0, localRate: null },
    ...given,
  }
}

function kinds(given: Partial<Facts>): (string | number | null)[][] {
  const facts: Facts = { nodes: [fine(0), fine(3)], strays: new Map(), far: new Map(), placement: null, ...given }
  const found = suggest(facts)
  for (const { what, why, how, figure } of found) {
    assert.ok([what, why, how, figure.name, figure.unit].every((text) => text.length > 1))
    assert.ok(Number.isFinite(figure.value) && Number.isFinite(figure.limit))
  }
  return found.map(({ kind, node, figure }) => [kind, node, figure.value])
}

const withNode = (given: Partial<NodeStats>) => kinds({ nodes: [fine(0), fine(3, given)] })

test('nothing is suggested where nothing is wrong, nor where nothing is known', () => {
  assert.equal(kinds({}), [])
  assert.equal(kinds({ placement: { now: 0.5, best: 0.495 } }), [])
  const unknown = { ...NO_STATS, budget: { bytes: 1, used: 0 } }
  assert.equal(kinds({ nodes: [fine(0, unknown), fine(3, unknown)] }), [])
})

test('a host with one node is told that the place of memory makes no difference', () => {
  assert.equal(kinds({ nodes: [fine(0)] }), [['one-node', 0, 1]])
  const none = { memory: { total: 0, free: 0, usage: null }, budget: { bytes: 0, used: 0 } }
  assert.equal(kinds({ nodes: [fine(0), fine(3, none)] }), [['one-node', 0, 1]])
})

test('pages and memory that are elsewhere are suggested to be brought back, before anything else', () => {
  const facts = { strays: new Map([[3, 4096]]), far: new Map([[0, 8192]]) }
  assert.equal(kinds({ ...facts, nodes: [fine(0), fine(3, { budget: { bytes: 100, used: 91 } })] }), [
    ['stray-pages', 3, 4096],
    ['far-memory', 0, 8192],
    ['budget-used', 3, 0.91],
  ])
})

test('a better placement of the vCPUs is suggested with what it is worth', () => {
  assert.equal(kinds({ placement: { now: 0.75, best: 0.25 } }), [['vcpu-placement', null, 0.5]])
})

test('each figure beyond its limit is suggested to be looked at', () => {
  assert.equal(withNode({ memory: { total: 100, free: 5, usage: 0.95 } }), [['node-full', 3, 0.95]])
  assert.equal(withNode({ numa: { ...NUMA, numa_foreign: 25, numa_hit: 75 } }), [['numa-miss', 3, 0.25]])
  assert.equal(withNode({ localAccessRate: 0.25 }), [['remote-allocations', 3, 0.25]])
  assert.equal(withNode({ recorded: { local: 1, remote: 3, localRate: 0.25 } }), [['remote-accesses', 3, 0.25]])
  assert.equal(withNode({ cacheMisses: { perSecond: 5, rate: 0.75 } }), [['cache-misses', 3, 0.75]])
  assert.equal(withNode({ cacheMisses: { perSecond: 5, rate: null } }), [])
})

test('busy and idle nodes are told of together', () => {
  assert.equal(kinds({ nodes: [fine(0, { cpuUsage: 0.95 }), fine(3, { cpuUsage: 0.25 })] }), [
    ['cpu-imbalance', 0, 0.95],
  ])
  assert.equal(kinds({ nodes: [fine(0, { cpuUsage: 0.95 }), fine(3, { cpuUsage: null })] }), [])
  assert.equal(kinds({ nodes: [fine(0, { cpuUsage: 0.95 }), fine(3, { cpuUsage: 0.94 })] }), [])
})

test.run()
