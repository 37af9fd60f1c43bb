import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
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

const mappings = () => readFileSync('/proc/self/maps', 'utf8').split('\n').length
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

test('sizes and nodes that are none are refused, and leave nothing mapped', async () => {
  const before = mappings()
  for (let round = 0; round < 50; round++) {
    for (const bytes of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60, '4096', 4096n, null, undefined]) {
      const error = await failure(MemoryBlock.allocate(bytes as number, node))
      assert.is(error.name, 'InputError', String(bytes))
      assert.match(error.message, /^bytes: expected a whole number above 0, got /)
    }
    for (const where of [-1, 0.5, Number.NaN, 2 ** 31, '0', null, undefined]) {
      const error = await failure(MemoryBlock.allocate(4096, where as number))
      assert.match(error.message, /^node: expected a whole number from 0 to 65535, got /)
    }
  }
  assert.ok(mappings() - before < 20, `${mappings() - before} more`)
})

testBound('a view that somebody tries to transfer stays where it is, and its owner goes on', async () => {
  const block = await MemoryBlock.allocate(MiB, node)
  let view: Uint8Array | null = block.view(4096, 8192).fill(7)
  const sent: Uint8Array[] = []
  for (const send of [
    () => structuredClone(view, { transfer: [view!.buffer as ArrayBuffer] }),
    () => structuredClone(view!.buffer, { transfer: [view!.buffer as ArrayBuffer] }),
    () => {
      const { port1, port2 } = new MessageChannel()
      try {
        port1.postMessage(view, [view!.buffer as ArrayBuffer])
        return receiveMessageOnPort(port2)?.message
      } finally {
        port1.close()
      }
    },
  ]) {
    try {
      sent.push(new Uint8Array(send()).subarray(0, 8192))
    } catch (error) {
      // From Node 21 on.
      assert.is((error as Error).name, 'DataCloneError')
    }
    assert.is(view.length, 8192)
    assert.is(view[8191], 7)
  }
  const { address } = block
  await block.close()
  view = null
  for (let i = 0; i < 100 && isMapped(address); i++) await unmapUnseen()
  assert.not(isMapped(address))
  // Copies, which have nothing to do with the block.
  for (const copy of sent) assert.is(copy.fill(1)[8191], 1)
})

test.run()
