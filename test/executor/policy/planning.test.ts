/** Plans of what runs keep to the rules, as the planner makes them and the verifier takes them. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RunningRequest } from '../../../executor/found/as-request.js'
import type { FoundVm } from '../../../executor/found/types.js'
import { planWithin } from '../../../executor/policy/planning.js'
import { parsePolicy } from '../../../executor/policy/policy.js'
import { parseCpulist } from '../../../src/cpulist.js'
import { plan } from '../../../src/plan.js'
import { syntheticHost } from '../../../src/topology/index.js'
import type { VerifiedPlan } from '../../../src/types.js'
import { verifyPlan } from '../../../src/verify.js'
import { vmOf } from '../found/vms.js'

const GIB = 2 ** 30
/** CPUs 0-3 on node 0, 4-7 on node 1. */
const HOST = syntheticHost('pack:2 [numa(memory=16GiB)] core:4 pu:1')
const AT = new Date('2026-07-01T12:00:00Z')

/** vCPUs on node 0, memory on node 1: a plan without rules brings it together. */
const torn = vmOf({ name: 'torn', pid: 100, cpus: ['0', '1'], memory: [{ bytes: GIB, resident: { 1: GIB } }] })
const half = vmOf({
  name: 'half',
  pid: 200,
  cpus: ['2', '3'],
  memory: [{ bytes: GIB, resident: { 0: GIB / 2, 1: GIB / 2 } }],
})

interface Options {
  readonly wishes?: unknown
  readonly host?: typeof HOST
}

async function within(rules: readonly object[], vms: readonly FoundVm[], { wishes, host = HOST }: Options = {}) {
  let calls = 0
  const circumstances = { policy: parsePolicy({ timeZone: 'UTC', rules }), at: AT, wishes }
  const result = await planWithin(vms, host, circumstances, async (asked: RunningRequest): Promise<VerifiedPlan> => {
    calls++
    return verifyPlan(asked.host, asked.request, await plan(asked.host, asked.request, { seed: 1 }))
  })
  return { ...result, calls }
}

/** Bytes copied for a VM. */
function copied({ planned }: { readonly planned: VerifiedPlan | null }, name: string): number {
  return (planned?.moves ?? []).filter(({ vm }) => vm === name).reduce((sum, { bytes }) => sum + bytes, 0)
}

function cpusOf({ planned }: { readonly planned: VerifiedPlan | null }, name: string): number[] {
  const vm = planned!.vms.find((one) => one.name === name)!
  return vm.vcpus.flatMap(({ cpus }) => parseCpulist(cpus))
}

test('without rules the memory of half a VM is moved', async () => {
  const result = await within([{ set: {} }], [torn, half])
  assert.ok(copied(result, 'half') > 0)
  assert.equal([result.calls, result.kept, result.notes], [1, [], []])
})

test('memory that stays is where it was, and the vCPUs go there', async () => {
  const result = await within([{ match: { name: 'torn' }, set: { memory: 'stay' } }], [torn])
  assert.equal([copied(result, 'torn'), result.planned!.vms[0]!.cells[0]!.memory], [0, [{ node: 1, bytes: GIB }]])
  assert.ok(cpusOf(result, 'torn').every((cpu) => cpu >= 4))
  assert.is(result.calls, 1)
})

test('memory that stays on two nodes leaves the VM out of the plan, and says why', async () => {
  const result = await within([{ match: { name: 'half' }, set: { memory: 'stay' } }], [torn, half])
  assert.is(copied(result, 'half'), 0)
  assert.equal(
    result.planned!.vms.map(({ name }) => name),
    ['torn'],
  )
  assert.equal(
    result.kept.map(({ name }) => name),
    ['half'],
  )
  assert.ok(cpusOf(result, 'torn').every((cpu) => cpu !== 2 && cpu !== 3))
})

test('a VM that never moves keeps its CPUs and its memory', async () => {
  const host = syntheticHost('pack:2 [numa(memory=2GiB)] core:2 pu:1')
  const fixed = vmOf({ name: 'fixed', pid: 5, cpus: ['0', '1'], memory: [{ bytes: GIB, resident: { 0: GIB } }] })
  const other = vmOf({ name: 'other', pid: 6, cpus: ['0-3', '0-3'], memory: [{ bytes: GIB, resident: { 1: GIB } }] })
  const result = await within([{ name: 'no', match: { name: 'fixed' }, set: { moves: 'never' } }], [fixed, other], {
    host,
  })
  assert.equal(cpusOf(result, 'other'), [2, 3])
  assert.equal(result.kept, [{ name: 'fixed', why: 'rule no: it never moves' }])
})

test('where nothing may move there is no plan', async () => {
  const result = await within([{ set: { moveTimes: ['22:00-06:00'] } }], [torn, half])
  assert.equal([result.planned, result.calls, result.kept.length], [null, 0, 2])
})

test('no more is copied for a VM than the rules allow', async () => {
  const rule = (moveBytes: string) => [{ match: { name: 'half' }, set: { moveBytes } }]
  assert.is(copied(await within(rule('512MiB'), [half]), 'half'), GIB / 2)
  const less = await within(rule('511MiB'), [half])
  assert.equal([less.planned, less.kept.map(({ name }) => name)], [null, ['half']])
  assert.is(less.calls, 2)
})

test('placement is that of the rules, and a request file says more', async () => {
  const rules = [{ set: { trust: 'ours', threadPolicy: 'isolate', separateFrom: '*' } }]
  const wishes = { vms: [{ name: 'half', threadPolicy: 'spread' }] }
  const { asked, planned } = await within(rules, [torn, half], { wishes })
  const vms = (asked.request as { vms: { name: string; trust: string; threadPolicy: string }[] }).vms
  assert.equal(
    vms.map(({ name, trust, threadPolicy }) => [name, trust, threadPolicy]),
    [
      ['half', 'ours', 'spread'],
      ['torn', 'ours', 'isolate'],
    ],
  )
  const nodes = planned!.vms.map(({ vcpus }) => new Set(vcpus.map(({ node }) => node)))
  assert.ok([...nodes[0]!].every((node) => !nodes[1]!.has(node)))
})

test('rules hold for further VMs of a request file, too, with what it says of their sizes', async () => {
  const rules = [{ match: { memory: { max: '512MiB' } }, set: { cpuPolicy: 'shared', demand: 0.25 } }]
  const wishes = { vms: [{ name: 'small', vcpus: 2, memory: '256MiB' }] }
  const { planned } = await within(rules, [half], { wishes })
  const dedicated = new Map(planned!.vms.map((vm) => [vm.name, vm.vcpus.every((vcpu) => vcpu.dedicated)]))
  assert.equal([dedicated.get('small'), dedicated.get('half')], [false, true])
})

test('what cannot be done to a guest that runs is a note, as is a relation to one that is left out', async () => {
  const rules = [
    { match: { name: 'torn' }, set: { pageSize: '2MiB', separateFrom: 'half' } },
    { match: { name: 'half' }, set: { moves: 'never' } },
  ]
  const { notes, planned } = await within(rules, [torn, half])
  assert.is(planned!.refused.length, 0)
  assert.equal(notes, [
    'torn: pageSize 2MiB: it runs with pages of 4 KiB, until it is started anew',
    'torn: separateFrom does not hold for what is left as it is: half',
  ])
})

test('memory that stays on a node that is reserved leaves the VM out', async () => {
  const { kept } = await within([{ match: { name: 'torn' }, set: { memory: 'stay' } }], [torn, half], {
    wishes: { reserve: { nodes: '1' } },
  })
  assert.equal(kept, [{ name: 'torn', why: 'its memory stays where it is, and VMs may have none on nodes 1' }])
})

test('rules that ask for what cannot be are named, and a wrong request file by its places', async () => {
  const rejects = async (rules: object[], wishes: unknown, says: RegExp) => {
    const message = await within(rules, [torn], { wishes }).then(
      () => 'nothing',
      (error: Error) => error.message,
    )
    assert.match(message, says)
  }
  const nodes = [{ set: { memoryNodes: '1' } }]
  await rejects(nodes, { reserve: { nodes: '1' } }, /^rules for torn: memoryNodes: expected a node that is not in/)
  await rejects(nodes, { vms: [{ name: 'torn', vcpus: 3 }] }, /^vms\[0\]\.vcpus: expected 2, as torn runs, got 3/)
})

test.run()
