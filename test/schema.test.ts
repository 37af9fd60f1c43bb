import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as z from 'zod'
import { InputError } from '../src/errors.js'
import { formatPath, parseWith } from '../src/schema.js'

const schema = z.strictObject({
  name: z
    .string()
    .min(1)
    .regex(/^[a-z]/, 'a name that begins with a letter'),
  size: z.int().min(1).max(8),
  mode: z.enum(['on', 'off']).default('on'),
  cells: z.union([z.literal('auto'), z.int(), z.array(z.strictObject({ node: z.int() }))]).optional(),
})

function refusal(input: unknown): InputError {
  try {
    parseWith(schema, input)
  } catch (error) {
    if (error instanceof InputError) return error
    throw error
  }
  throw new Error('it was accepted')
}

const good = { name: 'a', size: 1 }

test('defaults are filled in', () => {
  assert.equal(parseWith(schema, good), { name: 'a', size: 1, mode: 'on' })
})

test('an error has the place, what belongs there and what was found', () => {
  const cases: [unknown, string, string, string][] = [
    [5, '', 'an object', '5'],
    [{ ...good, size: 'x' }, 'size', 'a number', '"x"'],
    [{ ...good, size: 1.5 }, 'size', 'a whole number', '1.5'],
    [{ ...good, size: Number.NaN }, 'size', 'a number', 'NaN'],
    [{ ...good, size: 9 }, 'size', 'at most 8', '9'],
    [{ size: 1 }, 'name', 'a string', 'nothing'],
    [{ ...good, name: '' }, 'name', 'at least 1 character', '""'],
    [{ ...good, name: '1' }, 'name', 'a name that begins with a letter', '"1"'],
    [{ ...good, mode: 'x' }, 'mode', '"on" or "off"', '"x"'],
    [{ ...good, cells: [{ node: 'x' }] }, 'cells[0].node', 'a number', '"x"'],
    [{ ...good, cells: [{ node: 0, nodes: 1 }] }, 'cells[0].nodes', 'one of the fields node', '1'],
  ]
  for (const [input, where, expected, got] of cases) {
    const error = refusal(input)
    assert.equal([error.where, error.expected, error.got], [where, expected, got])
  }
})

test('a misspelt field is named rather than the one that is missing', () => {
  const error = refusal({ nmae: 'a', size: 1 })
  assert.is(error.where, 'nmae')
  assert.is(error.expected, 'one of the fields name, size, mode, cells')
})

test('of several alternatives all are offered where none was meant', () => {
  assert.match(refusal({ ...good, cells: 'x' }).expected, /^"auto", a number or an array$/)
})

test('a field that belongs to the prototype is a field like any other', () => {
  assert.is(refusal(JSON.parse('{"name": "a", "size": 1, "__proto__": {}}')).where, '__proto__')
  assert.is(refusal({ ...good, constructor: 1 }).where, 'constructor')
})

test('paths are written as in JavaScript', () => {
  assert.is(formatPath(['vms', 2, 'memory']), 'vms[2].memory')
  assert.is(formatPath(['a b', 'c']), '["a b"].c')
  assert.is(formatPath(['vms', 'n'.repeat(1000)]), `vms["${'n'.repeat(77)}..."]`)
  assert.is(formatPath([]), '')
})

test.run()
