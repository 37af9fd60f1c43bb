/** What a policy file may say, and what is said where it is wrong. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parsePolicy, policySchema } from '../../../executor/policy/policy.js'
import { InputError } from '../../../src/errors.js'

const rule = (fields: object) => ({ rules: [{ set: {}, ...fields }] })

test('rules are called by their names, else by their places', () => {
  const { rules, timeZone } = parsePolicy({ rules: [{ set: {} }, { name: 'night', set: { weight: 2 } }] })
  assert.equal([rules.map(({ name }) => name), timeZone], [['rules[0]', 'night'], null])
})

test('one pattern is a list of one, one number is a range', () => {
  const { match } = parsePolicy(rule({ match: { name: 'db-*', vcpus: 4, memory: { min: '1GiB' } } })).rules[0]!
  assert.equal(match, { name: ['db-*'], vcpus: { min: 4, max: 4 }, memory: { min: 2 ** 30 } })
})

test('a policy cannot be changed, nor does it change with what it was made of', () => {
  const near = ['a']
  const policy = parsePolicy(rule({ set: { near } }))
  near.push('b')
  assert.equal(policy.rules[0]!.given, { near: ['a'] })
  assert.ok(Object.isFrozen(policy.rules[0]!.given.near))
})

test('the JSON Schema has every field of a rule', () => {
  const { properties } = JSON.parse(JSON.stringify(policySchema()))
  const { match, set } = properties.rules.items.properties
  assert.equal(properties.rules.items.additionalProperties, false)
  assert.equal(Object.keys(match.properties), [
    'name',
    'vmm',
    'manager',
    'cgroup',
    'metadata',
    'labels',
    'vcpus',
    'memory',
  ])
  for (const field of ['threadPolicy', 'pageSize', 'near', 'memory', 'moves', 'moveTimes', 'moveBytes', 'labels']) {
    assert.ok(field in set.properties, field)
  }
})

const TWICE = [
  { name: 'a', set: {} },
  { name: 'a', set: {} },
]
const WRONG: readonly [string, unknown, RegExp][] = [
  ['no rules', { rules: [] }, /^rules: expected at least 1 element/],
  ['no object', 'x', /expected an object, got "x"/],
  ['another kind', { ...rule({}), kind: 'Request' }, /^kind: expected "Policy"/],
  ['an unknown field', rule({ when: 1 }), /^rules\[0\]\.when: expected one of the fields name, match, set/],
  ['an unknown matcher', rule({ match: { pid: 1 } }), /^rules\[0\]\.match\.pid: expected one of the fields/],
  ['what a running VM has', rule({ set: { vcpus: 2 } }), /^rules\[0\]\.set\.vcpus: expected one of the fields/],
  ['a policy that is none', rule({ set: { threadPolicy: 'x' } }), /^rules\[0\]\.set\.threadPolicy: expected "prefer"/],
  ['another word for staying', rule({ set: { memory: 'go' } }), /^rules\[0\]\.set\.memory: expected .*"stay"/],
  ['a size without unit', rule({ set: { moveBytes: 5 } }), /^rules\[0\]\.set\.moveBytes: .*without a unit/],
  ['a time', rule({ set: { moveTimes: ['25:00-26:00'] } }), /^rules\[0\]\.set\.moveTimes\[0\]: expected times such as/],
  ['a VMM', rule({ match: { vmm: 'xen' } }), /^rules\[0\]\.match\.vmm: expected "qemu"/],
  ['a range that is empty', rule({ match: { vcpus: {} } }), /^rules\[0\]\.match\.vcpus: expected .*min, max or both/],
  ['a range turned round', rule({ match: { memory: { min: '2G', max: '1G' } } }), /match\.memory: .*a min up to max/],
  ['an empty list', rule({ match: { name: [] } }), /^rules\[0\]\.match\.name: expected .*at least 1 element/],
  ['an empty pattern', rule({ match: { cgroup: '' } }), /^rules\[0\]\.match\.cgroup: expected a name of 1 to 255/],
  [
    'a label that is no text',
    rule({ set: { labels: { tier: 1 } } }),
    /^rules\[0\]\.set\.labels\.tier: expected a name/,
  ],
  [
    'metadata that is no object',
    rule({ match: { metadata: 'x' } }),
    /^rules\[0\]\.match\.metadata: expected an object/,
  ],
  [
    'a label without name',
    rule({ set: { labels: { '': 'x' } } }),
    /^rules\[0\]\.set\.labels\[""\]: expected a name of 1/,
  ],
  ['a time zone', { ...rule({}), timeZone: 'Mars' }, /^timeZone: expected a time zone such as/],
  ['a name twice', { rules: TWICE }, /^rules\[1\]\.name: .*the name of rules\[0\] too/],
]
for (const [what, content, says] of WRONG) {
  test(`${what} is bad input`, () => {
    assert.throws(
      () => parsePolicy(content),
      (error: unknown) => {
        assert.instance(error, InputError)
        assert.match((error as Error).message, says)
        return true
      },
    )
  })
}

const many = Array.from({ length: 300_000 }, () => ({ x: 1 }))
const keys = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`k${at}`, 1]))
const LONG: Readonly<Record<string, object>> = {
  rules: { rules: many },
  patterns: rule({ match: { name: many } }),
  'names of metadata': rule({ match: { metadata: keys } }),
  'patterns for a label': rule({ match: { labels: { a: many } } }),
  labels: rule({ set: { labels: keys } }),
  fields: rule({ set: keys }),
  times: rule({ set: { moveTimes: many } }),
  relations: rule({ set: { near: many } }),
  nodes: rule({ set: { memoryNodes: '0-65535:1,'.repeat(100_000) } }),
}
for (const [what, content] of Object.entries(LONG)) {
  test(`very many ${what} are refused soon`, () => {
    const begun = performance.now()
    assert.throws(
      () => parsePolicy(content),
      (error: unknown) => error instanceof InputError,
    )
    const took = performance.now() - begun
    assert.ok(took < 2000, `${took} ms`)
  })
}

test.run()
