/** The flow of strict memory against trying every division. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { canBeShared, type Share } from '../../src/verify/shares.js'

/** Every way to put so many pages on so many nodes. */
function* divisions(pages: number, nodes: number): Generator<number[]> {
  if (nodes === 0) {
    if (pages === 0) yield []
    return
  }
  for (let first = 0; first <= pages; first++) {
    for (const rest of divisions(pages - first, nodes - 1)) yield [first, ...rest]
  }
}

function byTrying(given: ReadonlyMap<number, number>, [share, ...others]: readonly Share[]): boolean {
  if (share === undefined) return [...given.values()].every((pages) => pages === 0)
  const { least, most, on } = share
  for (let pages = least; pages <= most; pages++) {
    for (const parts of divisions(pages, on.length)) {
      const left = new Map(given)
      for (const [at, node] of on.entries()) left.set(node, (left.get(node) ?? 0) - parts[at]!)
      if ([...left.values()].every((rest) => rest >= 0) && byTrying(left, others)) return true
    }
  }
  return false
}

const shares = fc.array(
  fc
    .record({
      least: fc.nat(3),
      more: fc.nat(1),
      on: fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 3 }),
    })
    .map(({ least, more, on }): Share => ({ least, most: least + more, on })),
  { minLength: 1, maxLength: 4 },
)

test('memory can be shared out where some division of it does', () => {
  const seen = { yes: 0, no: 0 }
  fc.assert(
    fc.property(shares, fc.array(fc.nat(6), { minLength: 1, maxLength: 4 }), (wanted, pages) => {
      const given = new Map(pages.map((count, node) => [node, count]))
      const can = byTrying(given, wanted)
      seen[can ? 'yes' : 'no']++
      assert.is(canBeShared(given, wanted), can)
    }),
    { numRuns: 3000 },
  )
  assert.ok(seen.yes > 50 && seen.no > 50, JSON.stringify(seen))
})

test('memory that is made up of shares can be told apart again', () => {
  const cut = fc.array(
    fc.record({
      on: fc.uniqueArray(fc.nat(7), { minLength: 1, maxLength: 4 }),
      pages: fc.array(fc.nat(2 ** 40), { minLength: 4, maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  fc.assert(
    fc.property(cut, (parts) => {
      const given = new Map<number, number>()
      const wanted = parts.map(({ on, pages }): Share => {
        let sum = 0
        for (const [at, node] of on.entries()) {
          given.set(node, (given.get(node) ?? 0) + pages[at]!)
          sum += pages[at]!
        }
        return { least: sum, most: sum, on }
      })
      assert.ok(canBeShared(given, wanted))
      const [first] = given.keys()
      assert.not.ok(canBeShared(new Map(given).set(first!, given.get(first!)! + 1), wanted))
    }),
    { numRuns: 500 },
  )
})

test.run()
