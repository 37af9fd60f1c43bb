/** Guests on huge pages: they move as a whole, where the pool of the node has room, and else it is said beforehand. */

import { join } from 'node:path'
import { applyChanges, prepareMemory, undo } from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { backend, findThese, folder, memoryOf, startGuest } from './guests.js'
import { MiB, NODES, write } from './inside.js'

const state = join(folder, 'state')
const poolOf = (node: number) => `${NODES}/node${node}/hugepages/hugepages-2048kB/nr_hugepages`

test('huge pages of a memory file go to the other node, and back', async () => {
  const guest = await startGuest(
    'huge',
    backend('memfd', 'hugetlb=on,hugetlbsize=2M,share=on,policy=bind,host-nodes=1'),
  )
  try {
    const [vm] = (await findThese([guest])).vms
    assert.is(vm!.mappings[0]!.pageSize, 2 * MiB)
    const changes = await prepareMemory(vm!, { to: 0 })
    assert.equal([changes.obstacles, changes.bytes], [[], 64 * MiB])
    const applied = await applyChanges(changes, { state })
    assert.equal([applied.differences, applied.moved], [[], 64 * MiB])
    assert.equal(memoryOf(guest.pid), { 0: 64 })
    assert.ok(await guest.isSound())
    assert.equal((await undo(undefined, { state })).differences, [])
    assert.equal(memoryOf(guest.pid), { 1: 64 })
    assert.ok(await guest.isSound())
  } finally {
    await guest.stop()
  }
})

test('a pool that has too little is an obstacle; one that lost its pages meanwhile leaves the guest in between', async () => {
  const guest = await startGuest(
    'tight',
    backend('memfd', 'hugetlb=on,hugetlbsize=2M,share=on,policy=bind,host-nodes=1'),
  )
  try {
    const [vm] = (await findThese([guest])).vms
    const changes = await prepareMemory(vm!, { to: 0 })
    write(poolOf(0), 10)
    const refused = await prepareMemory(vm!, { to: 0 })
    assert.equal(refused.steps, [])
    assert.match(refused.obstacles[0]!.what, /room on node 0/)
    assert.match(refused.obstacles[0]!.why, /64 MiB would come in pages of 2 MiB, and 20 MiB is free/)
    const { steps } = await applyChanges(changes, { state })
    const { 0: there = 0, 1: left = 0 } = memoryOf(guest.pid)
    assert.is(there + left, 64)
    // The kernel may make pages beyond its pool. If it does not, this is what is said.
    if (left > 0) {
      assert.equal([steps[0]!.state, steps[0]!.moved], ['left', there * MiB])
      assert.match(steps[0]!.why!, /node 0 has no room/)
    }
    write(poolOf(0), 32)
    assert.equal((await undo(undefined, { state })).differences, [])
    assert.equal(memoryOf(guest.pid), { 1: 64 })
    assert.ok(await guest.isSound())
  } finally {
    await guest.stop()
    write(poolOf(0), 32)
  }
})

test('transparent huge pages go whole', async () => {
  write('/sys/kernel/mm/transparent_hugepage/enabled', 'always')
  const guest = await startGuest('joined', backend('ram', 'policy=bind,host-nodes=1'))
  try {
    const [vm] = (await findThese([guest])).vms
    const applied = await applyChanges(await prepareMemory(vm!, { to: 0 }), { state })
    assert.equal([applied.differences, applied.moved], [[], 64 * MiB])
    assert.equal(memoryOf(guest.pid), { 0: 64 })
    assert.ok(await guest.isSound())
  } finally {
    await guest.stop()
    write('/sys/kernel/mm/transparent_hugepage/enabled', 'madvise')
  }
})

test.run()
