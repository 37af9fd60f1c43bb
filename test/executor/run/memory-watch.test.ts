import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MemoryWatch } from '../../../executor/run/memory-watch.js'

/** A VM whose page is where `node` says, and a kernel that counts its moves. */
function movable() {
  const state = { node: 0, migrated: 100 }
  const read = () => `nr_free_pages 5\npgmigrate_success ${state.migrated}\npgmigrate_fail 0\n`
  const vm = {
    readMemory: async () => [{ vm: 'db', cell: 0, node: 0, bytes: 4096, residentBytes: { [state.node]: 4096 } }],
    memoryFindings: (rows: readonly { residentBytes: Readonly<Record<string, number>> }[]) =>
      rows.flatMap(({ residentBytes }) =>
        residentBytes[0] === undefined
          ? [{ constraint: 'residency', text: `on node ${Object.keys(residentBytes)}` }]
          : [],
      ),
  }
  return { state, read, vm }
}

test('memory is not looked at before the end while no page is migrated', async () => {
  const { read, vm } = movable()
  const watch = new MemoryWatch(read)
  for (let i = 0; i < 5; i++) watch.tick([vm])
  await watch.settled()
  assert.is(watch.looks, 0)
  await watch.look([vm])
  assert.equal([watch.looks, watch.pagesMigrated, watch.findings], [1, 0, []])
})

test('pages that were away and have come back before the end are found, since their moves are counted', async () => {
  const { state, read, vm } = movable()
  const watch = new MemoryWatch(read)
  Object.assign(state, { node: 1, migrated: 101 })
  watch.tick([vm])
  await watch.settled()
  Object.assign(state, { node: 0, migrated: 102 })
  await watch.look([vm])
  assert.is(watch.looks, 2)
  assert.is(watch.pagesMigrated, 2)
  assert.equal(
    watch.findings.map(({ text }) => text),
    ['on node 1'],
  )
})

test('a host that migrates pages all the time does not have the memory looked at all the time', async () => {
  const { state, read, vm } = movable()
  const watch = new MemoryWatch(read)
  for (let i = 0; i < 20; i++) {
    state.migrated++
    watch.tick([vm])
    await watch.settled()
  }
  assert.is(watch.looks, 1)
  assert.is(watch.pagesMigrated, 20)
})

test('a VM that fails while it is looked at does not end the watch', async () => {
  const { state, read, vm } = movable()
  const watch = new MemoryWatch(read)
  state.migrated++
  watch.tick([{ ...vm, readMemory: () => Promise.reject(new Error('closed')) }])
  await watch.settled()
  assert.equal([watch.looks, watch.findings], [0, []])
})

test('where the kernel does not count migrated pages that is said', () => {
  assert.is(new MemoryWatch(() => 'nr_free_pages 5\n').pagesMigrated, null)
  assert.is(new MemoryWatch(() => null).pagesMigrated, null)
})

test.run()
