/** planner-json.wasm gives what the objects of TypeScript give, to the byte: plans, and what is wrong with the input. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseJson } from '../../src/cli/json.js'
import { InputError } from '../../src/errors.js'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import { parseHost } from '../../src/topology/hostfile.js'
import { hostShape, makeHost, request } from '../planner/cases.js'
import { anywhere, replans } from '../planner/replans.js'
import { build } from './built.js'
import { Front } from './front.js'
import { mistakes, SOUND } from './mistakes.js'

const { front: bytes } = build()
const front = new Front(bytes)
const planner = await Planner.load()

/** `in` before the place of what is wrong: which of the texts it is in. */
function expected(host: string, input: string, steps: number, seed: number): string {
  let part = 'host'
  try {
    const parsed = parseHost(parseJson(host))
    part = 'request'
    const complete = parseRequest(parseJson(input))
    return JSON.stringify(planner.plan(parsed, complete, { steps, seed }))
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    const { where, expected, got } = error
    return JSON.stringify({ error: { in: part, where, expected, got } })
  }
}

const seen: Record<string, number> = {}

function compare(host: string, input: string, steps = 5, seed = 1, note = ''): void {
  const want = expected(host, input, steps, seed)
  const { status, text } = front.plan(host, input, steps, seed)
  assert.is(text, want, note)
  const { status: outcome = 'error', moves, spare } = JSON.parse(text)
  assert.is(status, outcome === 'error' ? 0 : 1)
  for (const what of [outcome, ...(moves?.length > 0 ? ['moves'] : []), ...(spare ? ['spare'] : [])]) {
    seen[what] = (seen[what] ?? 0) + 1
  }
}

test('plans of hosts and requests at random are equal to the byte', () => {
  fc.assert(
    fc.property(hostShape, request, fc.nat(40), fc.nat(), (shape, input, steps, seed) => {
      compare(JSON.stringify(makeHost(shape)), JSON.stringify(input), steps, seed)
    }),
    { numRuns: 100 },
  )
  for (const outcome of ['feasible', 'partial', 'infeasible']) assert.ok(seen[outcome]! > 0, `${outcome} is met`)
})

test('plans that keep room for sizes which are expected are, and two of one size are refused alike', () => {
  const size = fc.record({
    vcpus: fc.integer({ min: 1, max: 3 }),
    // Two of them are 4 GiB, as text.
    memory: fc.constantFrom('64MiB', '4GiB', '4194308KiB', '1GiB'),
    share: fc.constantFrom(1, 0.3, 7),
  })
  fc.assert(
    fc.property(hostShape, request, fc.array(size, { minLength: 1, maxLength: 5 }), (shape, input, expect) => {
      compare(JSON.stringify(makeHost(shape)), JSON.stringify({ ...input, expect }), 25)
    }),
    { numRuns: 60 },
  )
})

test('re-plans are, from one plan to another and from any place at all', () => {
  fc.assert(
    fc.property(replans, ({ host, request }) => compare(JSON.stringify(host), JSON.stringify(request), 20)),
    { numRuns: 40 },
  )
  const fromAnywhere = () =>
    fc.assert(
      fc.property(hostShape, request, fc.infiniteStream(fc.nat(1_000_000)), (shape, input, stream) => {
        const host = makeHost(shape)
        const current = anywhere(host, input.vms, () => stream.next().value)
        const vms = input.vms.map((vm) => ({ ...vm, current: current.get(vm.name) }))
        compare(JSON.stringify(host), JSON.stringify({ ...input, vms }), 20)
      }),
      { numRuns: 40 },
    )
  fromAnywhere()
  // A spare place is seldom wanted.
  for (let again = 0; again < 10 && seen.spare === undefined; again++) fromAnywhere()
  assert.ok(seen.moves! > 0 && seen.spare! > 0, JSON.stringify(seen))
})

test('a mistake in any field is told with the same place, the same expectation and the same finding', () => {
  const stride = 10
  const first = fc.sample(fc.nat(stride - 1), 1)[0]!
  let errors = 0
  for (const { host, request, note } of mistakes(first, stride)) {
    const before = seen.error ?? 0
    compare(host, request, 5, 1, note)
    errors += (seen.error ?? 0) - before
  }
  assert.ok(errors > 700, `${errors} errors`)
})

const JUNK = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  'x',
  '1',
  '-',
  '.',
  'e',
  '\n',
  '\r',
  ' ',
  '\u0001',
  '·',
  '\u{1f600}',
  '\\u',
  '\\ud800',
  '//',
  'tru',
]

test('a text that is broken anywhere is told with the same line, column and finding', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<'host' | 'request'>('host', 'request'),
      fc.nat(),
      fc.nat(3),
      fc.constantFrom(...JUNK, ''),
      (which, number, length, junk) => {
        const sound = SOUND[which]
        const at = number % sound.length
        const broken = { ...SOUND, [which]: sound.slice(0, at) + junk + sound.slice(at + length) }
        compare(broken.host, broken.request, 0)
      },
    ),
    { numRuns: 700 },
  )
})

test('a name twice, a byte order mark, blank texts, and texts that are cut', () => {
  const { host, request } = SOUND
  const twice = request.replace('"overcommit"', '"overcommit": 1,\r\n"over\\u0063ommit"')
  assert.match(
    front.plan(host, twice).text,
    /"where":"line \d+, column 1","expected":"a name that is new in its object","got":"\\"overcommit\\""/,
  )
  compare(host, twice)
  assert.is(front.plan(`\ufeff${host}`, `\ufeff${request}`).status, 1)
  for (const [text, got] of [
    ['', 'an empty file'],
    [' \n', 'white space only'],
  ] as const) {
    const error = { in: 'request', where: '', expected: 'JSON', got }
    assert.equal(JSON.parse(front.plan(host, text).text), { error })
  }
  for (let length = 1; length < 400; length += 7) compare(host, request.slice(0, length))
})

test('bytes that are no UTF-8 are refused, wherever they are', () => {
  const error = { in: 'request', where: '', expected: 'text in UTF-8', got: 'bytes that are none' }
  for (const hex of ['80', 'c0af', 'c3', 'e0809f', 'eda080', 'f08080af', 'f4908080', 'f5808080', 'e282', 'ff']) {
    const text = Buffer.concat([Buffer.from('{"vms": "'), Buffer.from(hex, 'hex'), Buffer.from('"}')])
    assert.equal(JSON.parse(front.plan(SOUND.host, text).text), { error }, hex)
  }
})

test('brackets, names and values beyond every request are refused before they take memory', () => {
  const refusal = (text: string) => JSON.parse(front.plan(SOUND.host, text).text).error.expected
  assert.is(refusal('['.repeat(1_000_000)), 'at most 64 brackets inside of each other')
  assert.is(refusal(`{"a":${'[{"a":'.repeat(500_000)}`), 'at most 64 brackets inside of each other')
  const names = Array.from({ length: 100_000 }, (_, at) => `"n${at}":0`)
  assert.is(refusal(`{${names.join()}}`), 'at most 256 names in an object')
  assert.is(refusal(`[${'0,'.repeat(5_000_000)}0]`), 'at most 4000000 values in a text')
  assert.is(front.exports.input(2 ** 26 + 1), -5)
  assert.is(front.exports.input(-1), -5)
  assert.is(front.exports.plan(0, 0, 1, 1), -4)
  compare(SOUND.host, SOUND.request)
})

test('long texts and names are read with little memory beside them, and are shown cut', () => {
  const large = new Front(bytes)
  const told = (text: string) => JSON.parse(large.plan(SOUND.host, text).text).error
  assert.is(told(`{"vms":[{"name":"\\n${'é'.repeat(3_000_000)}","vcpus":1,"memory":"1GiB"}]}`).where, 'vms[0].name')
  assert.is(told(`{"${'n'.repeat(2_000_000)}":1}`).where, `["${'n'.repeat(77)}..."]`)
  assert.is(told(`{"vms":[${'{},'.repeat(1_000_000)}[]]}`).expected, 'at most 4096 elements')
  assert.ok(large.exports.memory.buffer.byteLength < 2 ** 27)
  compare(SOUND.host, `{"${'n'.repeat(80)}":1}`)
  compare(SOUND.host, `{"${'n'.repeat(81)}":1}`)
  compare(SOUND.host, `{"vms":[{"name":"\\té·\u{1f600}\\u00e9\u{10ffff}\u{10000}\\/","vcpus":1,"memory":"1GiB"}]}`)
})

test('steps and seeds out of range are told; a text is planned once', () => {
  const told = (steps: number, seed: number) =>
    JSON.parse(front.plan(SOUND.host, SOUND.request, steps, seed).text).error
  const steps = { in: 'options', where: 'steps', expected: 'a whole number from 0 to 1000000' }
  assert.equal(told(1_000_001, 1), { ...steps, got: '1000001' })
  assert.equal(told(-1, 1), { ...steps, got: '-1' })
  const seed = { in: 'options', where: 'seed', expected: 'a whole number from 0 to 2147483647', got: '-7' }
  assert.equal(told(1, -7), seed)
  assert.is(front.exports.plan(SOUND.host.length, SOUND.request.length, 1, 1), -4)
})

test('numbers are read and written as JavaScript does, to the last bit', () => {
  const halfway = [
    '9007199254740993',
    '9007199254740992.5',
    '1.7976931348623158e308',
    '1.7976931348623159e308',
    '4.9e-324',
    '2.4703282292062327e-324',
  ]
  const ends = [
    '2.4703282292062328e-324',
    '2.2250738585072011e-308',
    '1e23',
    '5e-324',
    '1e400',
    '1e-400',
    '-0',
    '0e5',
    '123456789012345678901234567890',
  ]
  const digits = [
    `0.${'1'.repeat(900)}`,
    `1${'0'.repeat(400)}e-400`,
    `9007199254740992.${'0'.repeat(800)}1`,
    '1e99999999999999999999',
  ]
  // Every other is refused, with the number that was read.
  const check = (text: string) =>
    compare(SOUND.host, `{"vms":[{"name":"a","vcpus":1,"memory":"1MiB","weight":-1}],"overcommit":${text}}`, 0, 1, text)
  for (const text of ['1e999', '-1e999', '-1', '9007199254740992'])
    compare(SOUND.host, `{"vms":[{"name":"a","vcpus":1,"memory":"1MiB","bandwidth":${text}}]}`, 0, 1, text)
  for (const text of [...halfway, ...ends, ...digits])
    for (const sign of ['', '-']) check(sign + text.replace(/^-/, ''))
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => check(JSON.stringify(number))),
    { numRuns: 700 },
  )
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 10n ** 22n }), fc.integer({ min: -345, max: 310 }), (whole, exponent) =>
      check(`${whole}e${exponent}`),
    ),
    { numRuns: 700 },
  )
})

test('names of VMs are those that JavaScript takes for printable', () => {
  const names: string[] = []
  for (let point = 0; point <= 0x10ffff; point++) {
    if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(String.fromCodePoint(point)))
      names.push(`a${String.fromCodePoint(point)}`)
  }
  assert.ok(names.length > 2000)
  // All surrogates are alike.
  for (const name of names.filter((_, at) => at < 300 || at % 50 === 0)) {
    compare(SOUND.host, JSON.stringify({ vms: [{ name, vcpus: 1, memory: '1MiB' }] }), 0)
  }
  const printable: string[] = []
  for (let point = 0x20; point <= 0x10ffff; point += point < 0x3000 ? 1 : 251) {
    const char = String.fromCodePoint(point)
    if (!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(char)) printable.push(char)
  }
  for (let at = 0; at < printable.length; at += 60) {
    const name = `n${printable.slice(at, at + 60).join('')}n`
    assert.is(front.plan(SOUND.host, JSON.stringify({ vms: [{ name, vcpus: 1, memory: '1MiB' }] }), 0).status, 1, name)
  }
})

test('an instance that has refused, failed and planned before plans as a new one does', () => {
  const request = JSON.stringify({ vms: [{ name: 'a', vcpus: 2, memory: '1MiB' }] })
  assert.is(front.plan(SOUND.host, request).text, new Front(bytes).plan(SOUND.host, request).text)
})

test.run()
