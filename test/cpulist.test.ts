import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { canonicalCpulist, formatCpulist, formatCpumask, MAX_ID, parseCpulist, parseCpumask } from '../src/cpulist.js'
import { InputError } from '../src/errors.js'

const ids = fc.uniqueArray(fc.nat(5000), { maxLength: 60 })
const ascending = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b)

function refusal(run: () => unknown): InputError {
  try {
    run()
  } catch (error) {
    if (error instanceof InputError) return error
    throw error
  }
  throw new Error('it was accepted')
}

test('ranges, single numbers, strides and exclusions are understood', () => {
  assert.equal(parseCpulist('0-3,8'), [0, 1, 2, 3, 8])
  assert.equal(parseCpulist('0-31:8'), [0, 8, 16, 24])
  assert.equal(parseCpulist('0-7,^2'), [0, 1, 3, 4, 5, 6, 7])
  assert.equal(parseCpulist('8,3,3,0-1\n'), [0, 1, 3, 8])
  assert.equal(parseCpulist('0-7,^1-6:2'), [0, 2, 4, 6, 7])
})

test('exclusions are evaluated from left to right', () => {
  assert.equal(parseCpulist('^2,0-3'), [0, 1, 2, 3])
  assert.equal(parseCpulist('0-3,^0-3,2'), [2])
})

test('"all" needs to be offered', () => {
  assert.equal(parseCpulist('all,^2', { all: [0, 2, 5] }), [0, 5])
  assert.is(refusal(() => parseCpulist('all')).got, '"all"')
})

test('a set without numbers is accepted where it is allowed only', () => {
  assert.equal(parseCpulist('', { allowEmpty: true }), [])
  assert.equal(parseCpulist('3,^3', { allowEmpty: true }), [])
  assert.throws(
    () => parseCpulist(''),
    (error: unknown) => error instanceof InputError,
  )
  assert.throws(
    () => parseCpulist('3,^3'),
    (error: unknown) => error instanceof InputError,
  )
})

test('what is wrong is named with its place', () => {
  const bad = [
    '5-2',
    '1-',
    'a',
    '-1',
    '99999999999',
    '0-99999999',
    '1,,2',
    '1,',
    '0-3:0',
    '0:2',
    '1.5',
    '1e3',
    '0x1',
    '+1',
    '٣',
    '^',
  ]
  for (const part of bad) {
    const error = refusal(() => parseCpulist(part, { where: 'reserve.cpus' }))
    assert.is(error.where, 'reserve.cpus', part)
  }
  assert.is(refusal(() => parseCpulist('0-3,5-2,9')).got, '"5-2"')
})

test('a formatted set reads back as the same set', () => {
  fc.assert(
    fc.property(ids, (set) => {
      const text = formatCpulist(set)
      assert.equal(parseCpulist(text, { allowEmpty: true }), ascending(set))
      assert.match(text, /^(\d+(-\d+)?(,\d+(-\d+)?)*)?$/)
    }),
  )
})

test('the canonical form has as few parts as the set has runs', () => {
  fc.assert(
    fc.property(ids, (set) => {
      const runs = set.filter((id) => !set.includes(id - 1)).length
      assert.is(formatCpulist(set).split(',').filter(Boolean).length, runs)
    }),
  )
  assert.is(formatCpulist([8, 1, 0, 2, 3, 3]), '0-3,8')
})

test('lists mean what a naive set makes of their parts', () => {
  const part = fc.record({
    not: fc.boolean(),
    first: fc.nat(200),
    length: fc.nat(40),
    stride: fc.integer({ min: 1, max: 9 }),
  })
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), (parts) => {
      const naive = new Set<number>()
      for (const { not, first, length, stride } of parts) {
        for (let id = first; id <= first + length; id++) {
          if ((id - first) % stride !== 0) continue
          if (not) naive.delete(id)
          else naive.add(id)
        }
      }
      const text = parts.map((p) => `${p.not ? '^' : ''}${p.first}-${p.first + p.length}:${p.stride}`).join()
      assert.equal(parseCpulist(text, { allowEmpty: true }), ascending(naive))
    }),
  )
})

test('any text gives numbers in order or an InputError', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9,:^\-al ]{0,12}$/))
  fc.assert(
    fc.property(text, (input) => {
      try {
        const numbers = parseCpulist(input, { all: [1, 2] })
        assert.equal(numbers, ascending(new Set(numbers)))
        assert.ok(numbers.every((id) => Number.isInteger(id) && id >= 0 && id <= MAX_ID))
      } catch (error) {
        assert.instance(error, InputError)
      }
    }),
  )
})

test('masks are words with the highest first', () => {
  assert.equal(parseCpumask('00000000,0000ff03'), [0, 1, 8, 9, 10, 11, 12, 13, 14, 15])
  assert.equal(parseCpumask('1,00000000'), [32])
  assert.equal(parseCpumask('0x3'), [0, 1])
  assert.equal(parseCpumask('100000000'), [32])
  assert.equal(parseCpumask('0'), [])
  for (const text of ['', 'xyz', '1,,2', '1,123456789', '-1', '0xf...f', 'f'.repeat(20_000)]) {
    assert.throws(
      () => parseCpumask(text),
      (error: unknown) => error instanceof InputError,
      text.slice(0, 10),
    )
  }
})

test('a formatted mask reads back as the same set', () => {
  fc.assert(fc.property(ids, (set) => assert.equal(parseCpumask(formatCpumask(set)), ascending(set))))
  assert.is(formatCpumask([0, 33]), '00000002,00000001')
})

test('sets that are named over and over take time by the length of the text, and strides have a limit', () => {
  const times = (part: string, count: number) => Array(count).fill(part).join()
  const startedAt = process.cpuUsage()
  assert.is(parseCpulist(times('0-65535', 100_000)).length, 65_536)
  assert.equal(parseCpulist(`${times('0-65535,^1-65535', 50_000)},7`), [0, 7])
  const { user, system } = process.cpuUsage(startedAt)
  assert.ok(user + system < 5_000_000, `${user + system} us`)
  assert.is(parseCpulist(times('0-65535:2', 60)).length, 32_768)
  assert.throws(() => parseCpulist(times('0-65535:2', 100_000)), /strides of at most 2097152 numbers in all/)
  assert.throws(() => parseCpulist(times('all', 1_000_000), { all: [1, 2, 3, 4] }), /strides of at most/)
})

test('a list says how many numbers it may have', () => {
  assert.equal(parseCpulist('3,1', { most: 2 }), [1, 3])
  assert.throws(() => parseCpulist('0-2', { most: 2 }), /^InputError|at most 2 numbers, got "0-2"/)
  assert.throws(() => parseCpulist('0,2,4,6-9', { most: 3 }), /at most 3 numbers/)
})

test('the canonical form of a text is that of its numbers', () => {
  for (const text of ['5', '0-3', '9,0-3,2', '0-31:2', '0-7,^2', '0-65535', '65535', '1,2,3,9-10', '']) {
    assert.is(
      canonicalCpulist(text, { allowEmpty: true }),
      formatCpulist(parseCpulist(text, { allowEmpty: true })),
      text,
    )
  }
  assert.throws(() => canonicalCpulist('x'), /a cpulist such as/)
})

test.run()
