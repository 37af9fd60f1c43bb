import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/errors.js'
import { formatBytes, parseBytes } from '../src/units.js'

test('binary and decimal units, with and without a space', () => {
  assert.is(parseBytes('512MiB', 'x'), 512 * 2 ** 20)
  assert.is(parseBytes('16GiB', 'x'), 2 ** 34)
  assert.is(parseBytes('4K', 'x'), 4096)
  assert.is(parseBytes('2m', 'x'), 2 ** 21)
  assert.is(parseBytes('1T', 'x'), 2 ** 40)
  assert.is(parseBytes('4Ki', 'x'), 4096)
  assert.is(parseBytes('512Mi', 'x'), 512 * 2 ** 20)
  assert.is(parseBytes('1Gi', 'x'), 2 ** 30)
  assert.is(parseBytes('2 Ti', 'x'), 2 ** 41)
  assert.is(parseBytes('64 kB', 'x'), 64_000)
  assert.is(parseBytes('3MB', 'x'), 3_000_000)
  assert.is(parseBytes('2GB', 'x'), 2_000_000_000)
  assert.is(parseBytes('4096B', 'x'), 4096)
})

test('decimals count where they give whole bytes', () => {
  assert.is(parseBytes('1.5GiB', 'x'), 1.5 * 2 ** 30)
  assert.is(parseBytes('0.1GB', 'x'), 100_000_000)
  assert.throws(() => parseBytes('0.3K', 'x'), /x: expected a whole number of bytes, got "0.3K"/)
})

test('a bare number is refused, and told why', () => {
  for (const bare of [4096, '4096', ' 12 ', '1.5']) {
    assert.throws(() => parseBytes(bare, 'vms[0].memory'), /vms\[0\]\.memory: .*without a unit.*virsh.*KiB.*QEMU.*MiB/)
  }
})

test('what is no size is refused by name', () => {
  for (const bad of [
    '',
    'MiB',
    '-1MiB',
    '1e3K',
    '1XB',
    '1 KB',
    '1gi',
    '1Pi',
    '0x10K',
    '99999999T',
    null,
    undefined,
    {},
    [],
    true,
    '1,5G',
  ]) {
    assert.throws(
      () => parseBytes(bad, 'there'),
      (error: unknown) => error instanceof InputError && error.where === 'there',
    )
  }
})

test('sizes are shown in the largest unit that is exact', () => {
  assert.is(formatBytes(0), '0 bytes')
  assert.is(formatBytes(1000), '1000 bytes')
  assert.is(formatBytes(4096), '4 KiB')
  assert.is(formatBytes(64 * 2 ** 20), '64 MiB')
  assert.is(formatBytes(1.5 * 2 ** 30), '1.5 GiB')
  assert.is(formatBytes(2 ** 30 + 2 ** 20), '1025 MiB')
  assert.is(formatBytes(60_000_000_000), '55.88 GiB')
})

test('what is written with whole units is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8191 }), fc.constantFrom('KiB', 'MiB', 'GiB', 'TiB'), (count, unit) => {
      const bytes = parseBytes(`${count}${unit}`, 'x')
      assert.is(parseBytes(formatBytes(bytes), 'x'), bytes)
    }),
  )
})

test.run()
