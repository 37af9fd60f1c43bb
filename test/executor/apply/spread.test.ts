import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { copied, on, Seats, spread, sumOf } from '../../../executor/apply/spread.js'
import type { BytesByNode } from '../../../executor/apply/types.js'

const PAGE = 4096

const byNode = (pages: readonly number[]): BytesByNode =>
  pages.map((count, node) => ({ node, bytes: count * PAGE })).filter(({ bytes }) => bytes > 0)

test('bytes are divided as the plan divides them, in whole pages', () => {
  const plan = [
    { node: 0, bytes: 3 * 2 ** 20 },
    { node: 2, bytes: 2 ** 20 },
  ]
  assert.equal(spread(10 * PAGE, PAGE, plan), [
    { node: 0, bytes: 8 * PAGE },
    { node: 2, bytes: 2 * PAGE },
  ])
  assert.equal(spread(PAGE, PAGE, plan), [{ node: 0, bytes: PAGE }])
  assert.equal(spread(0, PAGE, plan), [])
})

test('whatever is divided, nothing is lost, and no node is a page off its share', () => {
  const parts = fc
    .array(fc.nat(1000), { minLength: 1, maxLength: 6 })
    .filter((pages) => pages.some((count) => count > 0))
  fc.assert(
    fc.property(parts, fc.nat(100_000), (pages, count) => {
      const like = byNode(pages)
      const found = spread(count * PAGE, PAGE, like)
      assert.is(sumOf(found), count * PAGE)
      for (const { node, bytes } of like) {
        assert.ok(Math.abs(on(found, node) - (count * PAGE * bytes) / sumOf(like)) < PAGE + 1)
      }
    }),
  )
})

test('pages that are asked for one by one end where they are to be, and no more of them move than have to', () => {
  const pages = fc.array(fc.nat(40), { minLength: 4, maxLength: 4 })
  fc.assert(
    fc.property(pages, pages, fc.integer(), (before, like, seed) => {
      const from = byNode(before)
      if (sumOf(from) === 0 || sumOf(byNode(like)) === 0) return
      const to = spread(sumOf(from), PAGE, byNode(like))
      const seats = new Seats(from, to, PAGE)
      const now = new Map<number, number>()
      let moved = 0
      for (const node of shuffled(
        from.flatMap((part) => Array(part.bytes / PAGE).fill(part.node)),
        seed,
      )) {
        const next = seats.next(node)
        if (next !== node) moved += PAGE
        now.set(next, (now.get(next) ?? 0) + PAGE)
      }
      assert.equal(
        [...now].sort(([a], [b]) => a - b).map(([node, bytes]) => ({ node, bytes })),
        to,
      )
      assert.is(moved, copied(from, to))
    }),
  )
})

function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  let state = seed >>> 0
  return items
    .map((item) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return { item, state }
    })
    .sort((a, b) => a.state - b.state)
    .map(({ item }) => item)
}

test('pages that came meanwhile go where the others are', () => {
  const seats = new Seats([{ node: 0, bytes: PAGE }], [{ node: 1, bytes: PAGE }], PAGE)
  assert.equal([seats.next(0), seats.next(0), seats.next(1), seats.next(3)], [1, 1, 1, 1])
})

test.run()
