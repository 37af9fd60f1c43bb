import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { figureOf } from '../../../executor/calibrate/statistics.js'

test('a figure is the median, and how far the quartiles are apart', () => {
  assert.equal(figureOf([40, 10, 30, 20, 50]), { median: 30, spread: 20 / 30 })
  assert.equal(figureOf([1, 2]), { median: 1.5, spread: 0.5 / 1.5 })
  assert.equal(figureOf([7]), { median: 7, spread: 0 })
  assert.is(figureOf([]), null)
  // What is no time is no sample.
  assert.equal(figureOf([Number.NaN, 0, 3, Number.POSITIVE_INFINITY]), { median: 3, spread: 0 })
})

test('it does not depend on the order, and a few that are far off do not move it beyond the others', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 5, maxLength: 30 }), (samples) => {
      const { median, spread } = figureOf(samples)!
      assert.equal(figureOf([...samples].reverse()), { median, spread })
      const off = figureOf([...samples, 1e12])!
      assert.ok(median <= off.median && off.median <= Math.max(...samples))
      assert.ok(Math.min(...samples) <= median && spread >= 0)
    }),
  )
})

test.run()
