/** Text that has to have room. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shortened, sizeFor, widthOf, wrapped } from '../../src/picture/text.js'

const texts = fc.string({ maxLength: 80 })
const widths = fc.integer({ min: 20, max: 400 })

test('wrapped lines have room, and nothing but space is lost', () => {
  fc.assert(
    fc.property(texts, widths, (text, width) => {
      const lines = wrapped(text, width, 11)
      for (const line of lines) assert.ok(widthOf(line, 11) <= width, line)
      assert.is(lines.join('').replace(/\s/g, ''), text.replace(/\s/g, ''))
    }),
  )
})

test('what is shortened or made smaller has room', () => {
  fc.assert(
    fc.property(texts, widths, (text, width) => {
      assert.ok(widthOf(shortened(text, width, 11), 11) <= width)
      assert.ok(widthOf(text, sizeFor(text, width, 11)) <= width)
    }),
  )
})

test('text that has room stays as it is', () => {
  assert.is(shortened('0-15', 100, 10), '0-15')
  assert.is(sizeFor('0-15', 100, 10), 10)
  assert.equal(wrapped('one, two', 100, 10), ['one, two'])
  assert.equal(wrapped('abcdefghij', widthOf('abcde', 10), 10), ['abcde', 'fghij'])
})

test.run()
