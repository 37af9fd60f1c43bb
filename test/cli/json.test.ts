/** The place of what is wrong in a JSON text. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseJson } from '../../src/cli/json.js'
import { InputError } from '../../src/errors.js'

function whereOf(text: string): string {
  try {
    parseJson(text)
  } catch (error) {
    assert.instance(error, InputError)
    return (error as InputError).where
  }
  throw new Error('it was accepted')
}

test('lines and columns are counted from 1, with every kind of line end', () => {
  assert.is(whereOf('x'), 'line 1, column 1')
  assert.is(whereOf('{\n "a": 1,\r\n "b" 2\n}'), 'line 3, column 6')
  assert.is(whereOf('[1, 2'), 'line 1, column 6')
  assert.is(whereOf('[1] 2'), 'line 1, column 5')
})

test('a token that begins well and ends badly is told from its beginning', () => {
  assert.is(whereOf('[01]'), 'line 1, column 2')
  assert.is(whereOf('[1.]'), 'line 1, column 2')
  assert.is(whereOf('[truest]'), 'line 1, column 2')
  assert.is(whereOf('["a\nb"]'), 'line 1, column 2')
  assert.is(whereOf('["\\x"]'), 'line 1, column 2')
})

test('brackets that do not match', () => {
  assert.is(whereOf('{"a": [1}'), 'line 1, column 9')
  assert.is(whereOf('[{]'), 'line 1, column 3')
  assert.is(whereOf(']'), 'line 1, column 1')
})

test('whatever JSON.parse accepts is accepted, and whatever it refuses has a place', () => {
  const edit = fc.record({
    at: fc.nat(200),
    cut: fc.nat(3),
    put: fc.constantFrom('', ',', '"', '}', '[', '\\', '-', 'x', '\u007f', '\n'),
  })
  fc.assert(
    fc.property(fc.json(), fc.option(edit), (json, change) => {
      const at = change === null ? 0 : change.at % (json.length + 1)
      const text = change === null ? json : json.slice(0, at) + change.put + json.slice(at + change.cut)
      let expected: unknown
      try {
        expected = JSON.parse(text)
      } catch {
        assert.match(whereOf(text), /^line \d+, column \d+$/)
        return
      }
      assert.equal(JSON.stringify(parseJson(text)), JSON.stringify(expected))
    }),
    { numRuns: 2000 },
  )
})

test('a long text without an end is told fast enough to be of use', () => {
  assert.is(whereOf(`["${'a'.repeat(5_000_000)}`), 'line 1, column 2')
  assert.match(whereOf('['.repeat(500_000)), /^line 1, column 500001$/)
})

test.run()
