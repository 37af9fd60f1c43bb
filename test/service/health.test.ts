/** Whether rounds come in time. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { lateAfter, Pulse } from '../../src/service/health.js'

/** A clock that stands until it is told to go. */
function pulse(interval: number) {
  let ms = 1000
  const one = new Pulse(interval, () => ms)
  const wait = (seconds: number) => {
    ms += seconds * 1000
  }
  return { one, wait }
}

test('a round is late after three intervals, and not before half a minute', () => {
  assert.is(lateAfter(1), 31)
  assert.is(lateAfter(60), 180)
})

test('it is well while rounds end in time, late when none does, and well again after one', () => {
  const { one, wait } = pulse(20)
  wait(60)
  assert.equal(one.look(), { isWell: true, text: 'ok: no round has ended yet, for 60.0 s' })
  wait(1)
  assert.equal(one.look(), { isWell: false, text: 'late: no round has ended yet, for 61.0 s, one is due every 20 s' })
  assert.is(one.ended(null), false)
  wait(20)
  assert.is(one.ended(null), true)
  wait(61)
  assert.equal(one.look(), { isWell: false, text: 'late: the last round ended 61.0 s ago, one is due every 20 s' })
  assert.is(one.ended(null), false)
  assert.is(one.look().isWell, true)
})

test('a move that goes on is no late round, a failed one is no sign of life', () => {
  const { one, wait } = pulse(20)
  one.ended(null)
  wait(59)
  one.alive()
  wait(59)
  assert.is(one.look().isWell, true)
  one.ended(new Error('no\nVMs'))
  assert.is(one.ended(new Error('EIO')), true)
  assert.match(one.look().text, /^ok: .*; 2 failed since: EIO$/)
  wait(2)
  assert.match(one.look().text, /^late: .*every 20 s; 2 failed since: EIO$/)
  one.ended(null)
  assert.is(one.look().text, 'ok: the last round ended 0.0 s ago')
})

test.run()
