/** Who may be on a core with whom, and which CPUs shared vCPUs and housekeeping threads have, by small cases worked out by hand. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { coresOf, hostOf } from '../verify/support.js'
import { changesFor, clashOf, cpusOf, nodesOf, planned } from './planned.js'

/** Three cores of two threads: CPUs 0-1, 2-3, 4-5. */
const SMT = hostOf({ nodes: { 0: 8 }, cores: coresOf([3], 2) })
/** Two nodes of two such cores: CPUs 0-3 and 4-7. */
const TWO = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([2, 2], 2) })

const emulators = (plan: { vms: readonly { name: string; emulator: string }[] }) =>
  Object.fromEntries(plan.vms.map(({ name, emulator }) => [name, emulator]))

test('a core on which the host runs is no whole core: neither `require` nor `isolate` takes its other CPU', async () => {
  const reserve = { cpus: '1' }
  for (const threadPolicy of ['require', 'isolate']) {
    const found = await planned(SMT, [{ name: 'a', vcpus: 2, threadPolicy }], { reserve })
    assert.ok(cpusOf(found, 'a').every((cpu) => cpu !== '0'))
    const more = await planned(SMT, [{ name: 'a', vcpus: threadPolicy === 'require' ? 5 : 3, threadPolicy }], {
      reserve,
    })
    assert.equal(clashOf(more, 'a'), ['cpu-exclusive', 'thread-policy'])
    assert.ok(changesFor(more, 'a').includes('threadPolicy: "prefer"'))
  }
  const anywhere = await planned(SMT, [{ name: 'a', vcpus: 5 }], { reserve })
  assert.equal(cpusOf(anywhere, 'a'), ['0', '2', '3', '4', '5'])
})

test('a CPU outside of the cpuset holds nobody, so its sibling may be alone', async () => {
  const cores = [...coresOf([1], 2), { node: 0, cpus: [9], allowed: false }]
  const host = hostOf({ nodes: { 0: 8 }, cores })
  const found = await planned(host, [{ name: 'a', vcpus: 1, threadPolicy: 'isolate' }])
  assert.equal(cpusOf(found, 'a'), ['0'])
})

test('the thread of an emulator keeps other domains off its core, and is itself kept off', async () => {
  const emulator = { emulator: 'dedicated', weight: 2 }
  const whole = { name: 'a', vcpus: 4, threadPolicy: 'require', ...emulator }
  const found = await planned(SMT, [whole, { name: 'b', vcpus: 1 }])
  assert.equal(emulators(found), { a: '4' })
  assert.equal(clashOf(found, 'b'), ['cpu-exclusive', 'trust'])
  // In one domain they are together.
  const friends = [whole, { name: 'b', vcpus: 1 }].map((vm) => ({ ...vm, trust: 'us' }))
  assert.equal(cpusOf(await planned(SMT, friends), 'b'), ['5'])
  // The other way round: the only CPU for its emulator is beside b.
  const between = [
    { ...whole, threadPolicy: 'prefer' },
    { name: 'b', vcpus: 1, weight: 3 },
  ]
  assert.equal(clashOf(await planned(SMT, between), 'a'), ['cpu-exclusive', 'trust', 'emulator'])
  const beside = between.map((vm) => ({ ...vm, trust: 'us' }))
  assert.equal((await planned(SMT, beside)).refused, [])
})

test('shared vCPUs are on no core with the thread of an emulator', async () => {
  const found = await planned(SMT, [
    { name: 'a', vcpus: 1, emulator: 'dedicated', iothreads: 1, trust: 'us' },
    { name: 's', vcpus: 1, cpuPolicy: 'shared', trust: 'us' },
  ])
  const [own] = cpusOf(found, 'a')
  const [shared] = cpusOf(found, 's')
  // Three threads take two cores whole.
  assert.is(own, '0')
  assert.is(shared, '4-5')
})

test('VMs that name a trust domain float with nobody else; those that name none float together', async () => {
  const shared = (name: string, more: object = {}) => ({ name, vcpus: 2, cpuPolicy: 'shared', demand: 0.5, ...more })
  const together = await planned(TWO, [shared('a'), shared('b')])
  assert.equal(nodesOf(together, 'a'), nodesOf(together, 'b'))
  const apart = await planned(TWO, [shared('a', { trust: 'red' }), shared('b'), shared('c', { trust: 'red' })])
  assert.equal(nodesOf(apart, 'a'), nodesOf(apart, 'c'))
  assert.not.equal(nodesOf(apart, 'a'), nodesOf(apart, 'b'))
  const third = await planned(TWO, [
    shared('a', { trust: 'red', weight: 2 }),
    shared('b', { weight: 2 }),
    shared('c', { trust: 'blue' }),
  ])
  assert.equal(clashOf(third, 'c'), ['trust'])
  assert.match(third.refused[0]!.because[0]!.text, /trust domains than "blue".*node 0 0, without that/)
})

test('housekeeping threads: reserved CPUs of its nodes, else all, else shared ones, else its own', async () => {
  const vm = { name: 'a', vcpus: 2 }
  const at = async (cpus: string) => emulators(await planned(TWO, [vm], { reserve: { cpus } })).a
  assert.is(await at('3,7'), '3')
  assert.is(await at('0-3,7'), '7')
  assert.is(await at('6-7'), '6-7')
  assert.is(await at(''), '2-3')
  assert.is(emulators(await planned(TWO, [{ ...vm, vcpus: 4 }])).a, '0-3')
})

test('housekeeping threads give way: to other domains, to `require`, to `isolate`', async () => {
  // CPU 1 is beside a vCPU of a, CPU 3 beside nobody, then CPU 3 beside b.
  const reserve = { cpus: '1,3' }
  const both = [
    { name: 'a', vcpus: 1, trust: 'red' },
    { name: 'b', vcpus: 3, trust: 'blue' },
  ]
  const found = await planned(SMT, both, { reserve })
  const beside = Object.fromEntries(found.vms.flatMap(({ name, vcpus }) => vcpus.map(({ cpus }) => [cpus, name])))
  for (const { name, emulator } of found.vms) {
    for (const [reserved, sibling] of [
      ['1', '0'],
      ['3', '2'],
    ]) {
      assert.is(emulator.includes(reserved!), beside[sibling!] === undefined || beside[sibling!] === name)
    }
  }
  // The reserved CPUs that are left are those of idle cores.
  const alone = { name: 'a', vcpus: 2, threadPolicy: 'isolate', trust: 'us', weight: 2 }
  const isolated = await planned(SMT, [alone, { name: 'b', vcpus: 1, trust: 'us' }], { reserve: { cpus: '1' } })
  assert.equal(emulators(isolated), { a: '1', b: '1' })
  assert.equal(cpusOf(isolated, 'b'), ['0'])
  const whole = { ...alone, threadPolicy: 'require' }
  assert.equal(emulators(await planned(SMT, [{ ...whole, vcpus: 6 }])), { a: '0-5' })
})

test('housekeeping threads do not run beside shared vCPUs of another domain where one of the two names its own', async () => {
  const host = hostOf({ nodes: { 0: 8 }, cores: coresOf([2], 2) })
  const reserve = { cpus: '1' }
  const shared = { name: 's', vcpus: 1, cpuPolicy: 'shared', trust: 'red' }
  const found = await planned(host, [shared, { name: 'd', vcpus: 1 }], { reserve })
  // d has CPU 0 or a core for itself; the reserved CPU is beside what is left.
  assert.is(emulators(found).d, cpusOf(found, 'd')[0] === '0' ? '1' : cpusOf(found, 'd')[0])
  const unnamed = await planned(
    host,
    [
      { ...shared, trust: undefined },
      { name: 't', vcpus: 1, cpuPolicy: 'shared' },
    ],
    {
      reserve,
    },
  )
  assert.equal(emulators(unnamed), { s: '1', t: '1' })
})

const isolated = (cpus: number[]) => ({ node: 0, cpus, isolated: true })

test('nobody floats over isolated CPUs: neither shared vCPUs nor housekeeping threads', async () => {
  const host = hostOf({ nodes: { 0: 8 }, cores: [{ node: 0, cpus: [0, 1] }, isolated([2, 3])] })
  const found = await planned(host, [{ name: 's', vcpus: 2, cpuPolicy: 'shared', iothreads: 1 }])
  assert.equal(cpusOf(found, 's'), ['0-1', '0-1'])
  assert.equal(emulators(found), { s: '0-1' })
  const reserve = { cpus: '3' }
  assert.equal(emulators(await planned(host, [{ name: 's', vcpus: 2, cpuPolicy: 'shared' }], { reserve })), {
    s: '0-1',
  })
  const all = hostOf({ nodes: { 0: 8 }, cores: [isolated([0, 1])] })
  const none = await planned(all, [{ name: 's', vcpus: 1, cpuPolicy: 'shared' }])
  assert.equal(clashOf(none, 's'), ['cpu-usable'])
  assert.match(none.refused[0]!.because[0]!.text, /no node has both a usable CPU that is not isolated and memory/)
  assert.ok(changesFor(none, 's').length === 0)
})

test('dedicated vCPUs have isolated CPUs first where that costs nothing: in an LLC, of two LLCs, of two nodes', async () => {
  const vm = { name: 'a', vcpus: 2 }
  const one = hostOf({
    nodes: { 0: 8 },
    cores: [{ node: 0, cpus: [0, 1] }, isolated([2, 3]), { node: 0, cpus: [4, 5] }],
  })
  assert.equal(cpusOf(await planned(one, [vm]), 'a'), ['2', '3'])
  const caches = hostOf({
    nodes: { 0: 8 },
    cores: [0, 1, 2, 3].map((cpu) => ({ node: 0, cpus: [cpu], llc: cpu >> 1, isolated: cpu > 1 })),
  })
  assert.equal(cpusOf(await planned(caches, [vm]), 'a'), ['2', '3'])
  for (const strategy of ['pack', 'spread']) {
    const nodes = hostOf({
      nodes: { 0: 8, 1: 8 },
      cores: [0, 1, 2, 3].map((cpu) => ({ node: cpu >> 1, cpus: [cpu], isolated: cpu > 1 })),
    })
    assert.equal(cpusOf(await planned(nodes, [vm], { strategy }), 'a'), ['2', '3'])
  }
  // Of a core of both kinds the isolated CPU.
  const mixed = hostOf({ nodes: { 0: 8 }, cores: coresOf([1], 2) })
  const half = { ...mixed, cpus: mixed.cpus.map((cpu) => ({ ...cpu, isolated: cpu.id === 1 })) }
  assert.equal(cpusOf(await planned(half, [{ ...vm, vcpus: 1 }]), 'a'), ['1'])
  // Three of them do not share an LLC of two: what is cheaper comes first.
  const found = await planned(caches, [
    { ...vm, vcpus: 2 },
    { name: 'b', vcpus: 2 },
  ])
  assert.is(found.cost.lostVcpus, 0)
})

test('CPUs of which the host knows no node are usable, as those of their package or of the first node with memory', async () => {
  const cores = [
    { node: 0, cpus: [0, 1], nodeless: true, package: 0, llc: 5 },
    { node: 1, cpus: [2, 3], package: 1, llc: 1 },
    { node: 1, cpus: [4, 5], package: 1, nodeless: true, llc: 1 },
    { node: 2, cpus: [6], package: 2, llc: 2 },
  ]
  const host = hostOf({ nodes: { 1: 8, 2: 8 }, cores })
  const found = await planned(host, [
    { name: 'a', vcpus: 6, cells: 1 },
    { name: 'b', vcpus: 1 },
  ])
  assert.equal(cpusOf(found, 'a'), ['0', '1', '2', '3', '4', '5'])
  assert.equal(nodesOf(found, 'a'), [1])
  assert.equal(nodesOf(found, 'b'), [2])
  // Where that node is left out, the first of those with memory is another.
  const other = await planned(host, [{ name: 'b', vcpus: 3, cells: 1 }], { reserve: { nodes: '1' } })
  assert.equal(nodesOf(other, 'b'), [2])
})

test.run()
