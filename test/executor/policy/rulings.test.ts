/** Which rule is about which VM, and which of them counts. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { FoundVm } from '../../../executor/found/types.js'
import { parsePolicy } from '../../../executor/policy/policy.js'
import { rulingsOf } from '../../../executor/policy/rulings.js'
import { vmOf } from '../found/vms.js'

const GIB = 2 ** 30
const NOON = new Date('2026-07-01T12:00:00Z')

function vm(name: string, gibs: number, more: Partial<FoundVm> = {}): FoundVm {
  return { ...vmOf({ name, cpus: ['0', '1'], memory: [{ bytes: gibs * GIB, resident: { 0: GIB } }] }), ...more }
}

/** By VM, the labels that the rule gives: whom it is about. */
function about(match: object, ...vms: FoundVm[]): string[] {
  const policy = parsePolicy({ rules: [{ match, set: { labels: { hit: 'yes' } } }] })
  return rulingsOf(policy, vms, NOON).flatMap(({ name, labels }) => (labels.hit === 'yes' ? [name] : []))
}

const db = vm('db-1', 8, {
  manager: { value: { name: 'libvirt', id: 'x' }, source: 'libvirt' },
  metadata: [
    { namespace: 'http://openstack.org/xmlns/libvirt/nova/1.1', path: 'instance/flavor@name', value: 'm1.large' },
    { namespace: 'urn:homenode:labels', path: 'labels@tier', value: 'gold' },
    { namespace: 'urn:other', path: 'labels@size', value: 'big' },
  ],
  cgroups: [{ path: '/machine.slice/machine-qemu-1-db.scope', version: 2, cpus: null, mems: null, threads: 3 }],
})
const web = vm('web', 1, { vmm: { value: 'firecracker', source: 'program-name' }, pid: 200 })
const dark = vm('dark', 1, { pid: 300, vcpuCount: null, memory: null })

const MATCHES: readonly [object, string[]][] = [
  [{}, ['db-1', 'web', 'dark']],
  [{ name: 'd*' }, ['db-1', 'dark']],
  [{ name: ['web', '??-1'] }, ['db-1', 'web']],
  [{ vmm: ['firecracker', 'crosvm'] }, ['web']],
  [{ manager: 'libvirt' }, ['db-1']],
  [{ manager: 'nobody' }, ['web', 'dark']],
  [{ cgroup: '/machine.slice/*' }, ['db-1']],
  [{ metadata: { 'instance/flavor@name': 'm1.*' } }, ['db-1']],
  [{ metadata: { 'instance/flavor@name': 'm1.*', 'instance/owner': '*' } }, []],
  [{ labels: { tier: ['silver', 'gold'] } }, ['db-1']],
  [{ labels: { size: 'big' } }, []],
  [{ labels: { constructor: '*' } }, []],
  [{ vcpus: 2 }, ['db-1', 'web']],
  [{ vcpus: { min: 3 } }, []],
  [{ memory: { min: '2GiB' } }, ['db-1']],
  [{ memory: { max: '2GiB' } }, ['web']],
  [{ name: 'd*', vmm: 'qemu', memory: { min: '1GiB' } }, ['db-1']],
]
for (const [match, expected] of MATCHES) {
  test(`${JSON.stringify(match)} is about ${expected.join(', ') || 'nobody'}; what is not known fits nothing`, () => {
    assert.equal(about(match, db, web, dark), expected)
  })
}

test('of two rules the later counts, field by field, and says over whom', () => {
  const policy = parsePolicy({
    rules: [
      { name: 'all', set: { cpuPolicy: 'shared', weight: 1, trust: 'ours' } },
      { name: 'db', match: { name: 'db-*' }, set: { cpuPolicy: 'dedicated', threadPolicy: 'isolate', trust: null } },
      { name: 'heavy', match: { memory: { min: '4GiB' } }, set: { weight: 5 } },
    ],
  })
  const [first, second] = rulingsOf(policy, [db, web], NOON)
  assert.equal(first!.fields, { cpuPolicy: 'dedicated', weight: 5, threadPolicy: 'isolate' })
  assert.equal(second!.fields, { cpuPolicy: 'shared', weight: 1, trust: 'ours' })
  assert.equal(first!.said, [
    { field: 'cpuPolicy', value: 'dedicated', rule: 'db', over: ['all'] },
    { field: 'weight', value: 5, rule: 'heavy', over: ['all'] },
    { field: 'trust', value: null, rule: 'db', over: ['all'] },
    { field: 'threadPolicy', value: 'isolate', rule: 'db', over: [] },
  ])
})

test('a label is there for the rules after the one that gives it, until one takes it away', () => {
  const policy = parsePolicy({
    rules: [
      { match: { labels: { tier: 'bronze' } }, set: { weight: 9 } },
      { match: { name: 'web' }, set: { labels: { tier: 'bronze' } } },
      { match: { labels: { tier: 'bronze' } }, set: { trust: 'low' } },
      { match: { labels: { tier: '*' } }, set: { labels: { tier: null } } },
      { match: { labels: { tier: '*' } }, set: { emulator: 'dedicated' } },
    ],
  })
  const [ruling] = rulingsOf(policy, [web], NOON)
  assert.equal([ruling!.fields, ruling!.labels], [{ trust: 'low' }, {}])
})

test('relations name those who are there, never the VM itself', () => {
  const set = { separateFrom: '*b*', near: 'none-*' }
  const policy = parsePolicy({ rules: [{ match: { name: ['db*', 'web'] }, set }] })
  const [first, second] = rulingsOf(policy, [db, web, dark], NOON)
  assert.equal(first!.fields, { near: [], separateFrom: ['web'] })
  assert.equal(second!.fields, { near: [], separateFrom: ['db-1'] })
})

test('a VM moves unless a rule forbids it, now or for ever', () => {
  const night = { name: 'night', set: { moveTimes: ['22:00-06:00'] } }
  const never = { name: 'fixed', match: { name: 'web' }, set: { moves: 'never' } }
  const again = { name: 'free', match: { name: 'web' }, set: { moves: null, moveTimes: null } }
  const why = (rules: object[], hour: string) =>
    rulingsOf(parsePolicy({ timeZone: 'UTC', rules }), [web], new Date(`2026-07-01T${hour}:00Z`))[0]!.why
  assert.is(why([night], '23:00'), null)
  assert.is(why([night], '12:00'), 'rule night: it moves only in these times: 22:00-06:00')
  assert.is(why([night, never], '23:00'), 'rule fixed: it never moves')
  assert.is(why([night, never, again], '12:00'), null)
})

test('VMs of one name are told apart by their pids, and a rule for the name is about both', () => {
  const policy = parsePolicy({
    rules: [
      { match: { name: 'web' }, set: { memory: 'stay' } },
      { match: { name: 'web (201)' }, set: { moveBytes: '1GiB' } },
    ],
  })
  const rulings = rulingsOf(policy, [web, vm('web', 1, { pid: 201 })], NOON)
  const limits = rulings.map(({ name, memoryStays, maxBytes }) => [name, memoryStays, maxBytes])
  assert.equal(limits, [
    ['web (200)', true, null],
    ['web (201)', true, GIB],
  ])
})

test.run()
