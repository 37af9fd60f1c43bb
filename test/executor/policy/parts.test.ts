/** Patterns and times. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { matchesGlob } from '../../../executor/policy/glob.js'
import { isWithin, minuteOfWeek, parseTimes } from '../../../executor/policy/times.js'

test('a pattern matches as the same regular expression does', () => {
  const text = fc.array(fc.constantFrom('a', 'b', '.', '-'), { maxLength: 12 }).map((parts) => parts.join(''))
  const pattern = fc.array(fc.constantFrom('a', 'b', '.', '*', '?'), { maxLength: 8 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(pattern, text, (glob, value) => {
      const source = glob.replace(/[.*?]/g, (char) => ({ '.': '\\.', '*': '.*', '?': '.' })[char]!)
      return matchesGlob(glob, value) === new RegExp(`^${source}$`, 's').test(value)
    }),
    { numRuns: 5000 },
  )
})

test('a pattern of many stars ends soon', () => {
  const begun = performance.now()
  assert.not(matchesGlob(`${'*a'.repeat(127)}b`, 'a'.repeat(255)))
  assert.ok(performance.now() - begun < 200)
})

const at = (day: number, hour: number, minute = 0) => (day * 24 + hour) * 60 + minute
const allows = (text: string, minute: number) => isWithin(parseTimes(text), minute)

test('times of some days, of every day, and over midnight', () => {
  const cases: readonly [string, number, boolean][] = [
    ['02:00-04:30', at(3, 4, 29), true],
    ['02:00-04:30', at(3, 4, 30), false],
    ['Sat,Sun', at(5, 0), true],
    ['Sat,Sun', at(4, 23, 59), false],
    ['Mon-Fri 22:00-06:00', at(0, 5), false],
    ['Mon-Fri 22:00-06:00', at(0, 22), true],
    ['Mon-Fri 22:00-06:00', at(5, 5, 59), true],
    ['Mon-Fri 22:00-06:00', at(5, 22), false],
    ['Sun 23:00-01:00', at(0, 0, 30), true],
    ['Sun 23:00-01:00', at(1, 0, 30), false],
    ['Fri-Mon 12:00-24:00', at(0, 23, 59), true],
    ['Fri-Mon 12:00-24:00', at(1, 12), false],
  ]
  for (const [text, minute, expected] of cases) assert.is(allows(text, minute), expected, `${text} at ${minute}`)
})

const NO_TIMES = [
  '',
  'Mo',
  'Mon-',
  'Mon--Fri',
  '1:00-2:00',
  '02:00',
  '24:00-02:00',
  '02:60-03:00',
  '02:00-02:00',
  '02:00-24:01',
  'mon',
  'Mon 02:00-03:00 x',
  `Mon${',Mon'.repeat(99)}`,
]
for (const text of NO_TIMES) {
  test(`${JSON.stringify(text.slice(0, 20))} is no time of the week`, () => {
    assert.throws(() => parseTimes(text), /expected times such as/)
  })
}

test('the minute is that of the zone, also where its clocks were changed', () => {
  assert.is(minuteOfWeek(new Date('2026-07-01T22:30:00Z'), 'UTC'), at(2, 22, 30))
  assert.is(minuteOfWeek(new Date('2026-07-01T22:30:00Z'), 'Europe/Berlin'), at(3, 0, 30))
  assert.is(minuteOfWeek(new Date('2026-12-02T22:30:00Z'), 'Europe/Berlin'), at(2, 23, 30))
})

test.run()
