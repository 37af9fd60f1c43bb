/** `homenode policy`, and `--policy` on a real guest. Others may run on this machine meanwhile. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hasQemu, NO_QEMU, startQemu } from '../executor/found/guests.js'
import { skipUnless } from '../skip.js'
import { homenode, scratch } from './command.js'

const file = scratch()
const withQemu = skipUnless(hasQemu, NO_QEMU)

const POLICY = `
# Of all.
timeZone: UTC
rules:
  - name: night
    set: &night {moveTimes: ["22:00-06:00"], weight: 1}
  - name: databases
    match: {name: "db-*"}
    set:
      weight: 10
      threadPolicy: isolate
      labels: {tier: gold}
  - name: gold
    match: {labels: {tier: gold}}
    set: {memory: stay, moveTimes: null}
  - match: {memory: {min: 1TiB}}
    set: *night
`
const policy = file('policy.yaml', POLICY)

test('check lists the rules, and whom of those who run here they are about', async () => {
  const { code, stdout, stderr } = await homenode(['policy', 'check', policy, '--json'])
  assert.equal([code, stderr], [0, ''])
  const { rules } = JSON.parse(stdout)
  assert.equal(
    rules.map(({ rule, sets }: { rule: string; sets: object }) => [rule, Object.keys(sets)]),
    [
      ['night', ['moveTimes', 'weight']],
      ['databases', ['weight', 'threadPolicy', 'labels']],
      ['gold', ['memory', 'moveTimes']],
      ['rules[3]', ['moveTimes', 'weight']],
    ],
  )
  const text = await homenode(['policy', 'check', policy])
  assert.match(text.stdout, /policy\.yaml: 4 rules, no error\n\nRULE +VMS HERE +SETS\n/)
  assert.match(text.stdout, /^gold .* memory stay; moveTimes as without rules$/m)
})

test('explain says which rule set what, also for a VM that does not run', async () => {
  const { code, stdout, stderr } = await homenode(['policy', 'explain', policy, 'db-that-is-not-here'])
  assert.is(code, 0)
  assert.match(stderr, /no VM of the name "db-that-is-not-here" runs here/)
  assert.match(stdout, /^db-that-is-not-here: it may be moved\n\n/)
  assert.match(stdout, /^weight +10 +databases +night$/m)
  assert.match(stdout, /^labels\.tier +gold +databases +-$/m)
  assert.match(stdout, /^moveTimes +as without rules +gold +night$/m)
})

test('explain as of a time, in JSON', async () => {
  const mayMove = async (at: string) => {
    const { stdout } = await homenode(['policy', 'explain', policy, 'web-not-here', '--at', at, '--json'])
    return JSON.parse(stdout).vms.map((vm: { mayMove: boolean; why: string | null }) => [vm.mayMove, vm.why])
  }
  assert.equal(await mayMove('2026-07-01T23:00Z'), [[true, null]])
  assert.equal(await mayMove('2026-07-01T12:00Z'), [[false, 'rule night: it moves only in these times: 22:00-06:00']])
})

test('a policy in JSON, and one on standard input', async () => {
  const content = JSON.stringify({ rules: [{ set: { moves: 'never' } }] })
  assert.is((await homenode(['policy', 'check', file('policy.json', content)])).code, 0)
  assert.is((await homenode(['policy', 'check', '-'], { input: content })).code, 0)
  const twice = file('twice.json', '{"rules": [],\n "rules": []}')
  assert.match(
    (await homenode(['policy', 'check', twice])).stderr,
    /twice\.json: line 2, column 2: expected a name that/,
  )
})

const aliases = (depth: number) =>
  Array.from({ length: depth }, (_, at) => `a${at + 1}: &a${at + 1} [${Array(9).fill(`*a${at}`).join()}]`).join('\n')
const MIB = 2 ** 20
const WRONG: readonly [string, string, RegExp][] = [
  ['an empty file', '', /: expected YAML, got .*empty/],
  ['a comment alone', '# nothing', /: expected YAML, got /],
  ['no YAML', 'rules: [', /: line 1, column \d+: expected YAML, got /],
  ['a tab as indentation', 'rules:\n\t- set: {}', /line 2, column/],
  ['a key twice', 'rules: []\nrules: []', /line 2, column 1: expected YAML, got duplicated mapping key/],
  ['two documents', '---\nrules: []\n---\nrules: []', /expected YAML, got expected a single document/],
  ["a type of somebody's own", 'rules: !!js/function "x"', /expected YAML, got /],
  ['an alias of nothing', 'rules: *a', /expected YAML, got .*alias/],
  ['a pattern that is taken for an alias', 'rules: [{match: {name: *}, set: {}}]', /line 1, column 25: expected YAML/],
  ['a merge key', 'a: &a {set: {}}\nrules: [{<<: *a}]', /: rules\[0\]\["<<"\]: expected one of the fields/],
  ['a wrong field', 'rules: [{set: {wieght: 1}}]', /: rules\[0\]\.set\.wieght: expected one of the fields/],
  ['a number as a name', 'rules: [{match: {name: 12}, set: {}}]', /: rules\[0\]\.match\.name: expected a name/],
  ['aliases that multiply', `a0: &a0 x\n${aliases(30)}\nrules: []`, /expected YAML of at most 100000 values/],
  ['an alias of what it is in', 'rules: &a [*a]', /expected (YAML|YAML of at most 100000 values).*got/],
  ['very many aliases', `a: &a x\nrules:\n${'- *a\n'.repeat(MIB / 8)}`, /expected YAML, got .*alias/],
  ['deep brackets', '['.repeat(MIB), /expected YAML, got .*(depth|maxDepth)/],
  ['deep lists', '- '.repeat(MIB / 2), /expected YAML, got .*(depth|maxDepth)/],
  [
    'very many keys',
    Array.from({ length: MIB / 10 }, (_, at) => `k${at}: 1`).join('\n'),
    /expected YAML of at most|one of/,
  ],
  ['very many rules', `rules:\n${'- {}\n'.repeat(MIB / 6)}`, /expected (YAML of at most|at most 1000)/],
  ['a long list of nothing', `rules: [${'a,'.repeat(MIB / 2 - 10)}]`, /expected (YAML of at most|at most 1000)/],
  ['lines of nothing', '\n'.repeat(MIB), /expected YAML/],
  ['directives', '%a\n'.repeat(MIB / 4), /expected YAML/],
  ['too long a file', `#${'x'.repeat(MIB)}`, /expected a policy of at most 1 MiB, got more/],
]
for (const [what, text, says] of WRONG) {
  test(`${what} is bad input, and said soon`, async () => {
    const begun = performance.now()
    const { code, stdout, stderr } = await homenode(['policy', 'check', file('wrong.yaml', text)])
    const took = performance.now() - begun
    assert.equal([code, stdout], [2, ''], stderr)
    assert.match(stderr, /^homenode: .*wrong\.yaml: /)
    assert.match(stderr, says)
    assert.is(stderr.trim().split('\n').length, 1)
    assert.ok(took < 5000, `${took} ms with the start of Node.js`)
  })
}

test('options that do not go together, and a time that is none', async () => {
  const alone = await homenode(['plan', '-f', '-', '--policy', policy], { input: '{}' })
  assert.match(alone.stderr, /--policy: expected --running, too, got --policy alone/)
  const both = await homenode(['plan', '--running', '-f', '-', '--policy', '-'])
  assert.match(both.stderr, /standard input: expected one option that reads it/)
  const time = await homenode(['policy', 'explain', policy, 'db', '--at', 'noon'])
  assert.match(time.stderr, /--at: expected a time such as "2026-07-01T23:00", got "noon"/)
  for (const { code } of [alone, both, time]) assert.is(code, 2)
})

withQemu('what runs is planned within the rules, and applied within them', async () => {
  const guest = await startQemu(['-accel', 'tcg', '-name', 'guest=ruled-guest,debug-threads=on', '-m', '64'])
  try {
    const rule = (set: object) =>
      JSON.stringify({
        rules: [
          { name: 'others', set: { moves: 'never' } },
          { name: 'one', match: { name: 'ruled-*' }, set },
        ],
      })
    const shared = file('shared.json', rule({ moves: null, cpuPolicy: 'shared', demand: 0.5, pageSize: '1GiB' }))
    const planned = await homenode(['plan', '--running', '--policy', shared, '--json'])
    assert.is(planned.code, 0, planned.stderr)
    assert.match(planned.stderr, /^ruled-guest: pageSize 1GiB: it runs with pages of/m)
    const { vms } = JSON.parse(planned.stdout)
    assert.equal(
      vms.map((vm: { name: string; vcpus: { dedicated: boolean }[] }) => [vm.name, vm.vcpus[0]!.dedicated]),
      [['ruled-guest', false]],
    )

    const fixed = file('fixed.json', rule({ moves: 'never' }))
    const nothing = await homenode(['plan', '--running', '--policy', fixed])
    assert.is(nothing.code, 1)
    assert.match(nothing.stderr, /nothing to plan: .*ruled-guest: rule one: it never moves/)

    const plan = file('plan.json', planned.stdout)
    const refused = await homenode(['apply', plan, '--policy', fixed, '--dry-run'])
    assert.is(refused.code, 3)
    assert.match(refused.stderr, /nothing was changed: ruled-guest: rule one: it never moves/)
    const allowed = await homenode(['apply', plan, '--policy', shared, '--dry-run'])
    assert.is(allowed.code, 0, allowed.stderr)

    const check = await homenode(['policy', 'check', shared, '--json'])
    assert.equal(JSON.parse(check.stdout).rules[1].vms, ['ruled-guest'])
  } finally {
    await guest.stop()
  }
})

test.run()
