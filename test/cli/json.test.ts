/** The place of what is wrong in a JSON text. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseJson } from '../../src/cli/json.js'
import { InputError } from '../../src/errors.js'

/** By rewriting: JSON.parse drops all but the last of equal names, so the text gets shorter. */
function hasTwins(text: string): boolean {
  const names = (json: string) => json.match(/"(?:[^"\\]|\\.)*"\s*:/g)?.length ?? 0
  return names(text) !== names(JSON.stringify(JSON.parse(text)))
}

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

test('a name that its object has already is told, however it is written', () => {
  assert.is(whereOf('{"a": 1, "b": 2,\n "a": 3}'), 'line 2, column 2')
  assert.is(whereOf('[{"a": {"b": [{}], "c": "b", "b" : 1}}]'), 'line 1, column 30')
  assert.is(whereOf('{"a": {"a": 1}, "\\u0061": 2}'), 'line 1, column 17')
  assert.is(whereOf('{"\\"": 1, "\\u0022": 2}'), 'line 1, column 11')
  assert.is(whereOf('{"__proto__": 1, "__proto__": 2}'), 'line 1, column 18')
  assert.is(whereOf('{"": 1, "": 1}'), 'line 1, column 9')
})

test('equal names in different objects, and values equal to names, are no twins', () => {
  const text = '{"a": "a", "b": [{"a": 1}, {"a": "b"}, "a", "{", "\\\\"], "\\"a": {"a": "}"}, "constructor": "\\\\\\""}'
  assert.equal(parseJson(text), JSON.parse(text))
})

test('whichever name of whichever object is doubled, it is found', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }),
      fc.nat(),
      fc.jsonValue(),
      (object, at, value) => {
        const names = Object.keys(object)
        const twin = `${JSON.stringify(names[at % names.length])}:${JSON.stringify(value)}`
        const text = `[${JSON.stringify(object)},${JSON.stringify(object).slice(0, -1)},${twin}}]`
        assert.is(whereOf(text), `line 1, column ${text.length - twin.length - 1}`)
      },
    ),
  )
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
      if (change !== null && hasTwins(text)) return
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
