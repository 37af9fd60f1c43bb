import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BASE_PAGE } from '../../../executor/ffi/mapping.js'
import { skipUnless } from '../../skip.js'
import { MiB, nodes } from '../plans.js'
import { boundMappings, collectGarbage, unmapUnseen } from '../process.js'
import { executor, failure } from '../vms.js'

const { MemoryBlock } = executor
const mbind = executor.probeMbind()
const testBound = skipUnless(mbind.usable, mbind.usable ? '' : `memory cannot be bound: ${mbind.text}`)
const node = nodes.at(-1)!

test.before.each(unmapUnseen)

const isMapped = (address: number) => boundMappings().some(({ start, end }) => start <= address && address < end)

testBound('a block has all of its pages on its node, and is whole pages', async () => {
  await using block = await MemoryBlock.allocate(4 * MiB - 1, node)
  assert.is(block.bytes, 4 * MiB)
  assert.is(block.node, node)
  assert.is(block.address % BASE_PAGE, 0)
  assert.ok(isMapped(block.address))
  assert.equal(await block.residentBytes(), { [node]: 4 * MiB })
})

testBound('what is written is there, through every view', async () => {
  await using block = await MemoryBlock.allocate(MiB, node)
  block.view().fill(7, 100, 200)
  const part = block.view(150, 100)
  assert.is(part.length, 100)
  assert.equal([part[0], part[49], part[50]], [7, 7, 0])
  assert.is(block.view(0, 0).length, 0)
  for (const [offset, length] of [
    [-1, 1],
    [0, MiB + 1],
    [MiB, 1],
    [0.5, 1],
    [Number.NaN, 1],
  ] as const) {
    assert.throws(() => block.view(offset, length), RangeError, `${length} from ${offset}`)
  }
})

testBound('a block that is moved to where it is stays there, with its content', async () => {
  await using block = await MemoryBlock.allocate(MiB, node)
  block.view()[MiB - 1] = 9
  assert.equal(await block.moveTo(node), { [node]: MiB })
  assert.is(block.view()[MiB - 1], 9)
})

testBound('a block that cannot be moved is as before', async () => {
  await using block = await MemoryBlock.allocate(MiB, node)
  assert.is((await failure(block.moveTo(1000))).name, 'SyscallError')
  assert.is(block.node, node)
  assert.equal(await block.residentBytes(), { [node]: MiB })
})

testBound('memory that no node has, and nodes that no machine has, are refused, and nothing stays mapped', async () => {
  const before = boundMappings()
  const tooMuch = await failure(MemoryBlock.allocate(2 ** 46, node))
  assert.is(tooMuch.name, 'UnsupportedError')
  assert.match(tooMuch.message, new RegExp(`memory-capacity: 64 TiB is needed from node ${node}`))
  assert.is((await failure(MemoryBlock.allocate(MiB, 1000))).name, 'SyscallError')
  assert.equal(boundMappings(), before)
})

testBound('a block that nobody has a view of is unmapped when it is closed, once', async () => {
  const block = await MemoryBlock.allocate(MiB, node)
  await Promise.all([block.close(), block.close()])
  await block.close()
  assert.is(isMapped(block.address), false)
  assert.throws(() => block.view(), TypeError)
  assert.throws(() => block.residentBytes(), TypeError)
  assert.throws(() => block.moveTo(node), TypeError)
})

testBound(
  'a view that is kept shows zeros after the close, can be written to, and keeps addresses until it is dropped',
  async () => {
    const block = await MemoryBlock.allocate(MiB, node)
    const views = [block.view(), block.view(BASE_PAGE, 8)]
    views[0]!.fill(5)
    await block.close()
    assert.equal([views[0]![0], views[0]![MiB - 1], views[1]![0]], [0, 0, 0])
    views[1]![0] = 1
    collectGarbage()
    await delay(10)
    assert.ok(isMapped(block.address))
    views.length = 0
    for (let i = 0; i < 100 && isMapped(block.address); i++) {
      collectGarbage()
      await delay(10)
    }
    assert.is(isMapped(block.address), false)
  },
)

testBound('a close waits for what was begun', async () => {
  const block = await MemoryBlock.allocate(8 * MiB, node)
  const moving = block.moveTo(node)
  const looking = block.residentBytes()
  await block.close()
  assert.equal(await moving, { [node]: 8 * MiB })
  assert.equal(await looking, { [node]: 8 * MiB })
  assert.is(isMapped(block.address), false)
})

test.run()
