/** Demand over a window. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { knownOf, percentileOf, sampleOf, withSample } from '../../executor/balance/demand.js'
import type { DemandPart } from '../../executor/balance/types.js'

const SECOND = 1000
const WINDOW = { window: 600 }

/** Of one sample after another, ten seconds each. */
function partsOf(uses: readonly number[], delay = 0): DemandPart[] {
  return uses.reduce<DemandPart[]>((parts, use, at) => {
    return withSample(parts, { use, delay }, { at: (at + 1) * 10 * SECOND, interval: 10 * SECOND }, WINDOW)
  }, [])
}

test('what a vCPU waits for is wanted, too', () => {
  assert.is(percentileOf({ parts: partsOf([0.5], 0.3) }, 0.5), 0.8)
})

test('the share of the time that is asked for has wanted no more', () => {
  const parts = partsOf([...Array(45).fill(0.1), ...Array(15).fill(0.9)])
  assert.ok(Math.abs(percentileOf({ parts }, 0.75)! - 0.1) < 1e-9)
  assert.ok(Math.abs(percentileOf({ parts }, 0.76)! - 0.9) < 1e-9)
  assert.ok(Math.abs(percentileOf({ parts }, 0)! - 0.1) < 1e-9)
  assert.ok(Math.abs(percentileOf({ parts }, 1)! - 0.9) < 1e-9)
})

test('what is older than the window is forgotten', () => {
  const parts = partsOf([...Array(30).fill(1), ...Array(61).fill(0.2)])
  assert.ok(Math.abs(percentileOf({ parts }, 1)! - 0.2) < 1e-9)
  assert.ok(knownOf(parts) <= 610 * SECOND)
})

test('nothing measured is nothing known, not 0', () => {
  const vm = { vcpus: [{ use: null, delay: null }] }
  assert.is(sampleOf(vm), null)
  assert.equal(withSample([], null, { at: 10, interval: 10 }, WINDOW), [])
  assert.is(percentileOf({ parts: [] }, 0.5), null)
  assert.equal(sampleOf({ vcpus: [...vm.vcpus, { use: 0.4, delay: null }] }), { use: 0.4, delay: 0 })
})

test('however short the intervals, the window has few parts, and their mean is that of the samples', () => {
  const uses = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 500 })
  fc.assert(
    fc.property(uses, fc.integer({ min: 10, max: 1000 }), (given, interval) => {
      let parts: DemandPart[] = []
      for (const [at, use] of given.entries()) {
        parts = withSample(parts, { use, delay: 0 }, { at: (at + 1) * interval, interval }, WINDOW)
      }
      assert.ok(parts.length <= 61)
      const mean = parts.reduce((sum, part) => sum + part.use * part.measured, 0) / knownOf(parts)
      assert.ok(Math.abs(mean - given.reduce((sum, use) => sum + use, 0) / given.length) < 1e-9)
      const [low, high] = [percentileOf({ parts }, 0.2)!, percentileOf({ parts }, 0.9)!]
      assert.ok(low <= high && low >= 0.01 && high <= 1)
    }),
    { numRuns: 50 },
  )
})

test.run()
