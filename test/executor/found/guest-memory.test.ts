import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Block, likelyMappings, mappingsOf } from '../../../executor/found/guest-memory.js'
import type { MappedRange, NumaRange } from '../../../executor/found/procfs.js'

const MIB = 2 ** 20

function range(start: number, mib: number, more: Partial<MappedRange> = {}): MappedRange {
  const end = start + mib * MIB
  return { start, end, writable: true, executable: false, shared: false, offset: 0, inode: 0, path: '', ...more }
}

function block(id: string, mib: number, more: Partial<Block> = {}): Block {
  return { id, bytes: mib * MIB, address: null, cell: null, policy: null, ...more }
}

const numa = (start: number, policy = 'default', pages: NumaRange['pages'] = [], pageSize = 4096): NumaRange => ({
  start,
  policy,
  pageSize,
  pages,
})

test('the one range of the right size, with its pages in bytes', () => {
  const maps = [range(0x1000, 8), range(0x10000000, 64), range(0x20000000, 64, { executable: true })]
  const pages = [{ node: 1, count: 3 }]
  const found = mappingsOf([block('pc.ram', 64)], 'qmp', maps, [numa(0x10000000, 'bind:1', pages, 2 * MIB)])
  assert.equal(found, [
    {
      start: 0x10000000,
      bytes: 64 * MIB,
      policy: 'bind:1',
      pageSize: 2 * MIB,
      resident: [{ node: 1, bytes: 6 * MIB }],
      file: null,
      shared: false,
      backend: 'pc.ram',
      cell: null,
      source: 'size',
    },
  ])
})

test('neighbours together, where none alone has the size', () => {
  const start = 0x10000000
  const parts = [range(start - 8 * MIB, 8), range(start, 48), range(start + 48 * MIB, 16), range(start + 64 * MIB, 4)]
  const found = mappingsOf([block('a', 64)], 'qmp', parts, [])
  assert.equal(
    found?.map((one) => one.bytes / MIB),
    [48, 16],
  )
  assert.equal(mappingsOf([block('a', 64)], 'qmp', [range(start, 48), range(start + 49 * MIB, 16)], []), null)
  const files = [range(start, 48, { inode: 5 }), range(start + 48 * MIB, 16, { inode: 6 })]
  assert.equal(mappingsOf([block('a', 64)], 'qmp', files, []), null)
})

test('several ranges that could be it are none', () => {
  const two = [range(0x10000000, 64), range(0x20000000, 64)]
  assert.is(mappingsOf([block('a', 64)], 'qmp', two, []), null)
  const told = mappingsOf([block('a', 64, { address: 0x20000000 + 5 })], 'qmp', two, [])
  assert.equal(
    told?.map(({ start, source }) => [start, source]),
    [[0x20000000, 'qmp']],
  )
  assert.is(mappingsOf([block('a', 64, { address: 5 })], 'qmp', two, []), null)
})

test('of blocks that are alike the policies tell which is which, else nobody', () => {
  const two = [range(0x10000000, 64), range(0x20000000, 64)]
  const blocks = [block('a', 64, { cell: 0, policy: 'bind:0' }), block('b', 64, { cell: 1, policy: 'bind:1' })]
  const bound = mappingsOf(blocks, 'qmp', two, [numa(0x10000000, 'bind:1'), numa(0x20000000, 'bind:0')])
  assert.equal(
    bound?.map(({ backend, cell }) => [backend, cell]),
    [
      ['b', 1],
      ['a', 0],
    ],
  )
  const rewritten = mappingsOf(blocks, 'qmp', two, [numa(0x10000000, 'bind:1'), numa(0x20000000, 'bind:1')])
  assert.equal(
    rewritten?.map(({ backend, cell }) => [backend, cell]),
    [
      [null, null],
      [null, null],
    ],
  )
})

test('without anybody who tells: all bytes in the largest ranges, or ranges that are by far the largest', () => {
  const maps = [range(0x1000, 8), range(0x10000000, 3072), range(0x200000000, 1024)]
  assert.equal(
    likelyMappings(4096 * MIB, maps, [])?.map(({ source }) => source),
    ['size', 'size'],
  )
  assert.is(likelyMappings(4000 * MIB, maps, []), null)
  assert.equal(
    likelyMappings(null, maps, [])?.map(({ bytes, source }) => [bytes / MIB, source]),
    [
      [3072, 'largest'],
      [1024, 'largest'],
    ],
  )
  assert.is(likelyMappings(null, [range(0x1000, 8)], []), null)
  assert.is(likelyMappings(null, [], []), null)
})

test('whatever the ranges are, what is found has the bytes that were told, and nothing twice', () => {
  const sizes = fc.array(fc.record({ mib: fc.integer({ min: 1, max: 4 }), gap: fc.nat(1) }), { maxLength: 8 })
  const blocks = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 })
  let hits = 0
  fc.assert(
    fc.property(sizes, blocks, (specs, wanted) => {
      let next = 0x1000000
      const maps = specs.map(({ mib, gap }) => {
        next += gap * MIB
        const one = range(next, mib)
        next = one.end
        return one
      })
      const found = mappingsOf(
        wanted.map((mib, at) => block(`${at}`, mib)),
        'qmp',
        maps,
        [],
      )
      if (found === null) return
      hits++
      assert.is(
        found.reduce((sum, { bytes }) => sum + bytes, 0),
        wanted.reduce((sum, mib) => sum + mib, 0) * MIB,
      )
      assert.is(new Set(found.map(({ start }) => start)).size, found.length)
    }),
    { numRuns: 2000 },
  )
  assert.ok(hits > 50, `${hits}`)
})

test.run()
