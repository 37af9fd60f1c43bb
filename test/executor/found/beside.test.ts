/** CPUs that VMs keep which are not planned. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withoutBusy, withoutPinned } from '../../../executor/found/beside.js'
import { syntheticHost } from '../../../src/topology/index.js'
import { vmOf } from './vms.js'

/** Cores 0,1 2,3 on node 0, and 4,5 6,7 on node 1. */
const HOST = syntheticHost('pack:2 [numa(memory=16GiB)] core:2 pu:2')

function kept(cpus: readonly string[], load = 0.5): number[] {
  const vm = vmOf({ name: 'a', cpus, memory: [], load })
  return withoutBusy(withoutPinned(HOST, [vm]), [vm]).cpus.flatMap(({ id, allowed }) => (allowed ? [] : [id]))
}

test('a thread that is pinned keeps its core', () => {
  assert.equal(kept(['4']), [4, 5])
  assert.equal(kept([]), [])
})

test('vCPUs that float keep as many CPUs as they are busy, on each node with their share', () => {
  assert.equal(kept(['0-3', '0-3'], 1), [2, 3])
  assert.equal(kept(['0-7', '0-7', '0-7', '0-7'], 0.5), [3, 7])
  assert.equal(kept(['0-7'], 0.1), [])
})

test('they leave a CPU of each node, and take none that is pinned', () => {
  assert.equal(kept(['0-3', '0-3', '0-3', '0-3', '0-3', '0-3'], 1), [1, 2, 3])
  assert.equal(kept(['0', '0-3', '0-3', '0-3'], 1), [0, 1, 3])
})

test.run()
