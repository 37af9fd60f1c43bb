/** What runs, as what may be planned. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { settingsOf } from '../../../executor/balance/settings.js'
import type { Demand } from '../../../executor/balance/types.js'
import type { FoundVm } from '../../../executor/found/types.js'
import { keyOf } from '../../../executor/loop/observe.js'
import { type Situated, situate } from '../../../executor/loop/situation.js'
import { NO_RULES, parsePolicy } from '../../../executor/policy/policy.js'
import type { Policy } from '../../../executor/policy/types.js'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import { vmOf } from '../found/vms.js'

const MiB = 2 ** 20
const host = syntheticHost('pack:2 [numa(memory=4GiB)] core:4 pu:1')

function situated(
  vms: readonly FoundVm[],
  {
    policy = NO_RULES,
    demands = {},
    inTheWay = new Map(),
  }: { policy?: Policy; demands?: Readonly<Record<string, number>>; inTheWay?: ReadonlyMap<string, string> } = {},
): Situated {
  const known = vms.flatMap((vm): [string, Demand][] => {
    const demand = demands[vm.name.value]
    const key = keyOf(vm)
    return demand === undefined ? [] : [[key, { key, name: vm.name.value, demand, usual: demand, known: 60_000 }]]
  })
  const settings = settingsOf({ horizon: 1234, copyBytesPerSecond: 5 * MiB })
  const time = new Date('2026-07-01T12:00Z')
  return situate({ at: 1000, vms, host, demands: new Map(known), policy, time, settings, inTheWay })
}

const on = (name: string, pid: number, cpus: readonly string[], node = 0) =>
  vmOf({ name, pid, cpus, memory: [{ bytes: 64 * MiB, resident: { [node]: 64 * MiB } }] })

test('who has CPUs to itself is told from what runs: pinned alone, or not', () => {
  const { situation } = situated([
    on('pinned', 100, ['0', '1']),
    on('floating', 200, ['2-3', '2-3']),
    on('half', 300, ['4', '5-7']),
    on('together', 400, ['5', '6']),
    on('beside', 500, ['6', '7']),
  ])
  const policies = situation.request.vms.map(({ name, cpuPolicy, dedicatedVcpus }) => [name, cpuPolicy, dedicatedVcpus])
  assert.equal(policies, [
    ['pinned', 'dedicated', []],
    ['floating', 'shared', []],
    ['half', 'mixed', [0]],
    ['together', 'mixed', [0]],
    ['beside', 'mixed', [1]],
  ])
  assert.equal(situation.request.model.horizonSeconds, 1234)
  assert.equal(situation.request.model.copyBytesPerSecond, 5 * MiB)
})

test('demand is as measured; of which nothing is known, as it has been since it began', () => {
  const { situation } = situated([on('known', 100, ['0-7']), on('new', 200, ['0-7'])], { demands: { known: 0.03 } })
  assert.equal(
    situation.request.vms.map(({ demand }) => demand),
    [0.03, 0.5],
  )
})

test('rules say more than what runs shows: CPUs, demand, who stays, how much is copied', () => {
  const policy = parsePolicy({
    rules: [
      { name: 'all', set: { moveBytes: '1GiB' } },
      { name: 'db', match: { name: 'db' }, set: { cpuPolicy: 'dedicated', separateFrom: ['w*', 'gone'] } },
      { name: 'web', match: { name: 'web' }, set: { demand: 0.7, memory: 'stay', pageSize: '2MiB' } },
      { name: 'still', match: { name: 'still' }, set: { moves: 'never' } },
    ],
  })
  const vms = [on('db', 100, ['0-3']), on('web', 200, ['0-3']), on('still', 300, ['4-7'], 1)]
  const { situation } = situated(vms, { policy, demands: { web: 0.1 } })
  const [db, web, still] = situation.request.vms
  assert.equal([db!.cpuPolicy, db!.separateFrom], ['dedicated', ['web']])
  assert.equal([web!.cpuPolicy, web!.demand], ['shared', 0.7])
  assert.is(still!.cpuPolicy, 'shared')
  assert.equal(situation.vms, [
    { key: '100:1', name: 'db', mayNot: null, maxBytes: 2 ** 30 },
    { key: '200:1', name: 'web', mayNot: null, maxBytes: 0 },
    { key: '300:1', name: 'still', mayNot: 'rule still: it never moves', maxBytes: 2 ** 30 },
  ])
})

test('a plan leaves out who may not move, and brings memory that is far to its vCPUs', async () => {
  const policy = parsePolicy({ rules: [{ name: 'still', match: { name: 'still' }, set: { moves: 'never' } }] })
  const { situation, planning } = situated([on('far', 100, ['0-3'], 1), on('still', 200, ['4-7'], 0)], { policy })
  const proposal = await planning(situation)
  assert.equal(proposal!.kept, [{ name: 'still', why: 'rule still: it never moves' }])
  const [far] = proposal!.plan.vms
  assert.equal(
    proposal!.plan.vms.map(({ name }) => name),
    ['far'],
  )
  assert.equal([...new Set(far!.vcpus.map(({ node }) => node))], [far!.cells[0]!.memory[0]!.node])
})

test('who cannot be moved is planned for as little as who may not', async () => {
  const vms = [on('held', 100, ['0-3'], 1), on('free', 200, ['0-3'], 1)]
  const { situation, planning } = situated(vms, { inTheWay: new Map([['100:1', 'a device holds its memory']]) })
  assert.equal(
    situation.vms.map(({ mayNot }) => mayNot),
    ['a device holds its memory', null],
  )
  const { plan, kept } = (await planning(situation))!
  assert.equal([plan.vms.map(({ name }) => name), kept.map(({ name }) => name)], [['free'], ['held']])
})

test('guests that are wider than a node, or than the host, float or are pinned as they are, and find a place', async () => {
  const wide = on('wide', 100, ['0', '1', '2', '3', '4', '5'], 1)
  const [pinned, floating] = [situated([wide]), situated([on('wider', 200, Array(12).fill('0-7'), 0)])]
  const [dedicated] = (await pinned.planning(pinned.situation))!.plan.vms
  assert.is(new Set(dedicated!.vcpus.map(({ cpus }) => cpus)).size, 6)
  assert.is(new Set(dedicated!.vcpus.map(({ node }) => node)).size, 2)
  const [shared] = (await floating.planning(floating.situation))!.plan.vms
  assert.is(shared!.vcpus.length, 12)
  assert.ok(shared!.vcpus.every(({ cpus, dedicated: own }) => !own && ['0-3', '4-7'].includes(cpus)))
})

test('with nobody there is a situation of nobody; of whom too little is known is left, and it is said', () => {
  assert.equal(situated([]).situation.vms, [])
  const unknown = { ...on('unknown', 100, ['0']), mappings: [] }
  const { situation, left } = situated([unknown, on('known', 200, ['1'])])
  assert.equal(
    situation.vms.map(({ name }) => name),
    ['known'],
  )
  assert.equal(
    left.map(({ vm }) => vm.name.value),
    ['unknown'],
  )
})

test.run()
