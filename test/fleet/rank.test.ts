/** Hosts in the order in which a VM had best go to them. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { placedRequest, placedWith, withoutVm } from '../../src/fleet/placed.js'
import { type RankedHost, rank } from '../../src/fleet/rank.js'
import { plan } from '../../src/plan.js'
import { parsePlaced, parseRequest } from '../../src/request.js'
import { Session } from '../../src/session.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { CurrentPlacement, Host, Request } from '../../src/types.js'
import { checkPlan, costAsIs, verifyPlan } from '../../src/verify.js'
import { request as anyRequest, hostShape, makeHost } from '../planner/cases.js'

const GIB = 2 ** 30
const lessOf = (after: number, before: number) => Math.round((after - before) * 1e6) / 1e6

/** What is on the host once these are planned there. */
async function placedOn(host: Host, vms: readonly object[], settings: object = {}): Promise<Request> {
  const request = parseRequest({ ...settings, vms })
  return placedRequest(request, await plan(host, request, { steps: 50 }))
}

/** A request file's content with all that is placed and the VM. */
function together(placed: Request, vm: object): object {
  const { vms } = parseRequest({ vms: [{ near: [], separateFrom: [], ...vm }] })
  return { ...asFile(placed), vms: [...(asFile(placed) as { vms: object[] }).vms, { ...vm, name: vms[0]!.name }] }
}

/** A request as a file has it. */
function asFile({ vms, reserve, ...settings }: Request): object {
  const list = (ids: readonly number[]) => ids.join()
  const cpus =
    'allBut' in reserve.cpus ? ['all', ...reserve.cpus.allBut.map((id) => `^${id}`)].join() : list(reserve.cpus)
  return {
    ...settings,
    deviceNodes: list(settings.deviceNodes),
    reserve: { cpus, nodes: list(reserve.nodes), memory: `${reserve.memory}B` },
    vms: vms.map(({ dedicatedVcpus, memoryNodes, traffic, trust, current, cells, memory, pageSize, ...vm }) => ({
      ...vm,
      memory: `${memory}B`,
      pageSize: pageSize === 'any' ? 'any' : `${pageSize}B`,
      cells:
        typeof cells === 'object'
          ? cells.map((cell) => ({ vcpus: list(cell.vcpus), memory: `${cell.memory}B` }))
          : cells,
      ...(vm.cpuPolicy === 'mixed' ? { dedicatedVcpus: list(dedicatedVcpus) } : {}),
      ...(memoryNodes === null ? {} : { memoryNodes: list(memoryNodes) }),
      ...(traffic === null ? {} : { traffic }),
      ...(trust === null ? {} : { trust }),
      ...(current === null ? {} : { current }),
    })),
  }
}

const find = (ranked: readonly RankedHost[], name: string) => ranked.find(({ host }) => host === name)!

test('of two hosts it goes where it loses nothing, whichever is given first', async () => {
  const whole = syntheticHost('pack:1 [numa(memory=64GiB)] l3:1 core:16 pu:1')
  const pieces = syntheticHost('pack:1 [numa(memory=64GiB)] l3:4 core:4 pu:1')
  const vm = { name: 'vm', vcpus: 16, memory: '16GiB' }
  for (const hosts of [
    [
      { name: 'whole', host: whole },
      { name: 'pieces', host: pieces },
    ],
    [
      { name: 'pieces', host: pieces },
      { name: 'whole', host: whole },
    ],
  ]) {
    const [first, second] = await rank(hosts, {}, vm)
    assert.equal([first!.host, first!.lostMore], ['whole', 0])
    // Of 15 others 12 are in another LLC: 16 x 0.1 x 12 / 15.
    assert.equal([second!.host, second!.lostMore], ['pieces', 1.28])
  }
})

test('where it loses alike it goes where it takes least from those still to come', async () => {
  const host = syntheticHost('pack:1 [numa(memory=64GiB)] l3:1 core:8 pu:1')
  // On "odd" 5 CPUs are left. With 2 more gone the one VM of 4 does not fit any more; on "even" 6 are left, and it does.
  const hosts = ['odd', 'even'].map((name) => ({ name, host }))
  const placed = {
    odd: await placedOn(host, [{ name: 'a', vcpus: 3, memory: '1GiB' }]),
    even: await placedOn(host, [{ name: 'a', vcpus: 2, memory: '1GiB' }]),
  }
  const vm = { name: 'vm', vcpus: 2, memory: '1GiB' }
  const flavours = [{ vcpus: 4, memory: '1GiB' }]
  const plain = await rank(hosts, placed, vm)
  assert.equal(
    plain.map(({ host: name, capacityLost }) => [name, capacityLost]),
    [
      ['odd', null],
      ['even', null],
    ],
  )
  const wise = await rank(hosts, placed, vm, { flavours })
  assert.equal(
    wise.map(({ host: name, lostMore, capacityLost }) => [name, lostMore, capacityLost]),
    [
      ['even', 0, 0],
      ['odd', 0, 4],
    ],
  )
  const both = await rank(hosts, placed, vm, { flavours: [...flavours, { vcpus: 1, memory: '1GiB' }] })
  assert.equal(
    both.map(({ capacityLost }) => capacityLost),
    [1, 3],
  )
})

test('who does not fit is refused last, with the reasons of a plan', async () => {
  const small = syntheticHost('pack:1 [numa(memory=4GiB)] core:4 pu:1')
  const large = syntheticHost('pack:1 [numa(memory=64GiB)] core:8 pu:1')
  const hosts = [
    { name: 'small', host: small },
    { name: 'large', host: large },
  ]
  const [first, second] = await rank(hosts, {}, { name: 'vm', vcpus: 2, memory: '8GiB' })
  assert.is(first!.host, 'large')
  assert.equal([second!.host, second!.lostMore, second!.capacityLost, second!.plan], ['small', null, null, null])
  assert.equal(
    second!.refused!.because.map(({ constraint }) => constraint),
    ['memory-capacity'],
  )
  assert.is(second!.refused!.proven, true)
})

test('nobody who is there has to leave for a VM that weighs more', async () => {
  const host = syntheticHost('pack:1 [numa(memory=8GiB)] core:4 pu:1')
  const placed = { a: await placedOn(host, [{ name: 'old', vcpus: 3, memory: '1GiB' }]) }
  const vm = { name: 'vm', vcpus: 3, memory: '1GiB', weight: 100 }
  const [one] = await rank([{ name: 'a', host }], placed, vm)
  assert.is(one!.plan, null)
  assert.equal(
    one!.refused!.because.map(({ constraint }) => constraint),
    ['cpu-exclusive'],
  )
})

test('others move to let it in, or with moves: false it is refused by who would have to', async () => {
  // 2 CPUs are free on each node, where a cell wants 4.
  const host = syntheticHost('pack:2 [numa(memory=8GiB)] core:4 pu:1')
  const both = await placedOn(host, [
    { name: 'a', vcpus: 4, memory: '1GiB' },
    { name: 'b', vcpus: 2, memory: '1GiB' },
    { name: 'c', vcpus: 2, memory: '1GiB' },
  ])
  const [, b, c] = both.vms
  assert.is(b!.current!.vcpus[0]!.node, c!.current!.vcpus[0]!.node)
  const aside = await placedOn(host, [
    { name: 'a', vcpus: 2, memory: '1GiB', memoryNodes: '0' },
    { name: 'b', vcpus: 2, memory: '1GiB', memoryNodes: '1' },
  ])
  const free = parsePlaced({
    vms: aside.vms.map(({ name, vcpus, current }) => ({ name, vcpus, memory: '1GiB', current })),
  })
  const vm = { name: 'vm', vcpus: 4, memory: '1GiB', cells: 1 }
  const hosts = [{ name: 'h', host }]
  const [moved] = await rank(hosts, { h: free }, vm, { steps: 100 })
  assert.is(moved!.plan!.moves!.length > 0, true)
  assert.equal(checkPlan(host, together(free, vm), moved!.plan), [])
  const [refused] = await rank(hosts, { h: free }, vm, { steps: 100, moves: false })
  assert.equal(
    refused!.refused!.because.map(({ constraint }) => constraint),
    ['moves'],
  )
  assert.match(refused!.refused!.because[0]!.text, /^it was found to fit only where others move: [ab]$/)
})

test('where others would have to change places, and there is no room for that on the way, it is refused', async () => {
  const host = syntheticHost('pack:2 [numa(memory=8GiB)] core:4 pu:1')
  const on = (name: string, node: number, memory: number) => ({
    ...{ name, vcpus: 1, memory: `${memory}GiB`, cells: 1, trust: 'all' },
    current: {
      cells: [{ cell: 0, pageSize: 4096, memory: [{ node, bytes: memory * GIB }] }],
      vcpus: [{ vcpu: 0, cell: 0, node, cpus: `${4 * node}`, dedicated: true }],
    },
  })
  // 3 GiB are free on node 0 once the 7 GiB there and the 5 GiB of node 1 have changed places: 1 and 3 GiB are free for it.
  const placed = { vms: [on('a', 0, 7), on('b', 1, 5)] }
  const vm = { name: 'vm', vcpus: 1, memory: '3GiB', cells: 1, memoryNodes: '0', trust: 'all' }
  const says = [
    /^it was found to fit only where others move, and no order of their moves was found: ./,
    /only where others move: ./,
  ]
  for (const [at, moves] of [true, false].entries()) {
    const [one] = await rank([{ name: 'h', host }], { h: placed }, vm, { steps: 100, moves })
    assert.is(one!.plan, null)
    assert.equal(
      one!.refused!.because.map(({ constraint }) => constraint),
      ['moves'],
    )
    assert.match(one!.refused!.because[0]!.text, says[at]!)
  }
})

test('what a VM asks of others counts where these are', async () => {
  const host = syntheticHost('pack:2 [numa(memory=8GiB)] core:2 pu:1')
  const hosts = [
    { name: 'with', host },
    { name: 'without', host },
  ]
  const placed = { with: await placedOn(host, [{ name: 'peer', vcpus: 2, memory: '1GiB' }]) }
  const ranked = await rank(hosts, placed, {
    name: 'vm',
    vcpus: 3,
    memory: '1GiB',
    cells: 1,
    span: true,
    separateFrom: ['peer'],
  })
  assert.equal(
    ranked.map(({ host: name, plan }) => [name, plan !== null]),
    [
      ['without', true],
      ['with', false],
    ],
  )
})

test('settings of a host are those of what is placed there, be it nothing', async () => {
  const host = syntheticHost('pack:1 [numa(memory=8GiB)] core:4 pu:1')
  const hosts = ['a', 'b'].map((name) => ({ name, host }))
  const placed = { a: { reserve: { cpus: '0' }, vms: [] } }
  const ranked = await rank(hosts, placed, { name: 'vm', vcpus: 4, memory: '1GiB' })
  assert.equal(
    ranked.map(({ host: name, refused }) => [name, refused === null]),
    [
      ['b', true],
      ['a', false],
    ],
  )
})

test('what is asked again is not planned again, and what has changed is', async () => {
  const host = syntheticHost('pack:2 [numa(memory=64GiB)] l3:2 core:8 pu:1')
  const hosts = [
    { name: 'a', host },
    { name: 'b', host: structuredClone(host) },
  ]
  const first = {
    a: await placedOn(host, [{ name: 'x', vcpus: 4, memory: '1GiB' }]),
    b: await placedOn(host, [{ name: 'x', vcpus: 4, memory: '1GiB' }]),
  }
  const vm = { name: 'vm', vcpus: 6, memory: '1GiB' }
  const one = await rank(hosts, first, vm)
  const two = await rank(hosts, first, { ...vm })
  for (const name of ['a', 'b']) assert.is(find(one, name).plan, find(two, name).plan, 'the very same plan')
  const three = await rank(hosts, { ...first, a: withoutVm(first.a, 'x') }, vm)
  assert.is(find(three, 'b').plan, find(one, 'b').plan)
  assert.equal(
    find(three, 'a').plan!.vms.map(({ name }) => name),
    ['vm'],
  )
  const four = await rank(hosts, first, { ...vm, vcpus: 7 })
  assert.is(find(four, 'a').plan!.vms.find(({ name }) => name === 'vm')!.vcpus.length, 7)
})

test('further VMs that are there stand beside the others, and ask nothing of those that are elsewhere', async () => {
  const host = syntheticHost('pack:1 [numa(memory=8GiB)] core:4 pu:1')
  const on = await placedOn(host, [{ name: 'x', vcpus: 2, memory: '1GiB' }])
  const { cells, vcpus } = on.vms[0]!.current!
  const current = { cells, vcpus: vcpus.map((vcpu, at) => ({ ...vcpu, cpus: `${at + 2}` })) }
  const further = { name: 'y', vcpus: 2, memory: '1GiB', near: ['x', 'gone'], current }
  const both = placedWith(on, [further])
  assert.equal(
    both.vms.map(({ name, near, pageSize }) => ({ name, near, pageSize })),
    [
      { name: 'x', near: [], pageSize: 4096 },
      { name: 'y', near: ['x'], pageSize: 4096 },
    ],
  )
  const [full] = await rank([{ name: 'a', host }], { a: both }, { name: 'vm', vcpus: 1, memory: '1GiB' })
  assert.match(full!.refused!.because[0]!.text, /room for 0/)
  assert.is(placedWith(on, []).vms.length, 1)
  assert.throws(
    () => placedWith(on, [{ ...further, name: 'x', near: [] }]),
    /vms\[0\]\.name: expected the name of a VM that is not there/,
  )
  assert.throws(
    () => placedWith(on, [{ ...further, current: undefined }]),
    /vms\[0\]\.current: expected where the VM is/,
  )
  assert.throws(() => placedWith(on, [{ ...further, vcpus: 0 }]), /vms\[0\]\.vcpus: expected a whole number/)
})

test('errors say whose input it is, and where in it', async () => {
  const host = syntheticHost('pack:1 [numa(memory=8GiB)] core:4 pu:1')
  const hosts = [{ name: 'a', host }]
  const vm = { name: 'vm', vcpus: 1, memory: '1GiB' }
  const on = await placedOn(host, [{ ...vm, name: 'there' }])
  const cases: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => rank(hosts, {}, { ...vm, vcpus: 0 }), /^vm\.vcpus: expected a whole number from 1 to 4096, got 0$/],
    [() => rank(hosts, {}, vm, { flavours: [{ vcpus: 1 }] }), /^options\.flavours\[0\]\.memory: expected a size/],
    [() => rank(hosts, { a: { vms: [vm] } }, vm), /^placed: a: vms\[0\]\.current: expected where the VM is/],
    [() => rank(hosts, { b: on }, vm), /^placed: expected hosts that are given \(a\), got "b"$/],
    [
      () => rank(hosts, { a: on }, { ...vm, name: 'there' }),
      /^hosts: a: vm\.name: expected the name of a VM that is not there yet, got "there"$/,
    ],
    [() => rank([...hosts, ...hosts], {}, vm), /^hosts\[1\]\.name: expected a name of its own, got "a"$/],
    [() => rank([null as never], {}, vm), /^hosts\[0\]: expected an object, got null$/],
    [() => rank([{ name: 'a', host: {} as Host }], {}, vm), /^hosts: a: host\.nodes: expected what detectHost/],
    [() => rank(hosts, {}, { ...vm, current: on.vms[0]!.current }), /^vm\.current: expected nothing/],
    [() => rank(hosts, {}, vm, { moves: 1 as never }), /^options\.moves: expected true or false, got 1$/],
    [() => rank(hosts, {}, vm, { steps: -1 }), /steps: expected a whole number/],
    [async () => withoutVm(on, 'x'), /^name: expected a VM that is placed, got "x"$/],
  ]
  for (const [work, message] of cases) {
    await work().then(
      () => assert.unreachable(`${message}`),
      (error) => {
        assert.instance(error, InputError)
        assert.match(error.message, message)
      },
    )
  }
})

test('a host that has not what is asked for refuses it, and is not in the way of the others', async () => {
  const hosts = [
    { name: 'one', host: syntheticHost('pack:1 [numa(memory=8GiB)] core:4 pu:1') },
    { name: 'two', host: syntheticHost('pack:2 [numa(memory=8GiB)] core:4 pu:1') },
  ]
  const vm = { name: 'vm', vcpus: 1, memory: '1GiB' }
  const whyOnOne = async (wanted: object, placed = {}, flavours: object[] = []) => {
    const ranked = await rank(hosts, placed, wanted, { flavours })
    assert.equal(
      ranked.map(({ host, refused }) => [host, refused === null]),
      [
        ['two', true],
        ['one', false],
      ],
    )
    assert.equal(
      ranked[1]!.refused!.because.map(({ constraint }) => constraint),
      ['host'],
    )
    return ranked[1]!.refused!.because[0]!.text
  }
  assert.is(await whyOnOne({ ...vm, memoryNodes: '1' }), 'vm.memoryNodes: expected nodes of the host (0), got 1')
  assert.is(
    await whyOnOne({ ...vm, devices: [{ node: 1 }] }),
    'vm.devices[0].node: expected nodes of the host (0), got 1',
  )
  const settings = { one: { reserve: { cpus: '0,99' }, vms: [] } }
  assert.is(await whyOnOne(vm, settings), 'placed: reserve.cpus: expected CPUs of the host, got 99')
  // Of those still to come there is no room for one on "one", before and after.
  const flavours = [{ vcpus: 4, memory: '1GiB', memoryNodes: '1' }]
  const [best, other] = await rank(hosts, {}, vm, { flavours })
  assert.equal([best!.host, best!.capacityLost, other!.host, other!.refused], ['one', 0, 'two', null])
})

test('a host that serves a VM badly where it is takes others beside it, with nobody moved', async () => {
  // Eight vCPUs float over four CPUs, while the other node is empty: overcommit has no weight.
  const host = syntheticHost('pack:2 [numa(memory=16GiB)] core:4 pu:1')
  const session = await Session.open(host, { vms: [] })
  const floating = { vcpus: 8, memory: '4GiB', cpuPolicy: 'shared', demand: 1, cells: 1 }
  session.add({ name: 'pinned', vcpus: 4, memory: '1GiB', cells: 1 })
  session.add({ name: 'a', ...floating })
  session.add({ name: 'b', ...floating })
  session.remove('pinned')
  const [ranked] = await rank(
    [{ name: 'x', host }],
    { x: session.placed },
    { name: 'new', vcpus: 1, memory: '1GiB' },
    { moves: false },
  )
  assert.is(ranked!.refused, null)
  assert.equal(ranked!.plan!.moves, [])
  assert.equal(checkPlan(host, ranked!.request!, ranked!.plan!), [])
  // And a session goes on with them.
  const again = await Session.open(host, session.placed, { moves: false })
  assert.equal(again.placed, session.placed)
  const added = again.add({ name: 'new', vcpus: 1, memory: '1GiB' })
  assert.equal(added.plan!.moves, [])
})

test('the figure is the difference between two plans, and the plan holds; staying, nobody moves', async () => {
  const seen = { placed: 0, refused: 0, stayed: 0, pinned: 0, lost: 0 }
  await fc.assert(
    fc.asyncProperty(hostShape, anyRequest, fc.nat(4), fc.nat(4), async (shape, input, away, which) => {
      const host = makeHost(shape)
      const all = parseRequest(input)
      const model = input.vms[which % input.vms.length]!
      const vm = { ...model, name: 'new', near: undefined, separateFrom: undefined }
      let placed = placedRequest(all, await plan(host, all, { steps: 20 }))
      // With one VM gone those that are left need not be at their best.
      const gone = placed.vms[away % Math.max(1, placed.vms.length)]
      if (gone !== undefined) placed = withoutVm(placed, gone.name)
      const hosts = [{ name: 'h', host }]
      const [moving] = await rank(hosts, { h: placed }, vm, { steps: 20 })
      const file = together(placed, vm)
      if (moving!.plan !== null) {
        seen.placed++
        assert.equal(checkPlan(host, file, moving!.plan), [])
        const before = placed.vms.length === 0 ? 0 : (await plan(host, asFile(placed), { steps: 20 })).cost.lostVcpus
        const after = await plan(host, file, { steps: 20 })
        if (after.spare === undefined) assert.is(moving!.lostMore, lessOf(after.cost.lostVcpus, before))
        if (moving!.lostMore! > 0) seen.lost++
      } else {
        seen.refused++
        assert.ok(moving!.refused!.because.length > 0)
      }
      const [staying] = await rank(hosts, { h: placed }, vm, { steps: 20, moves: false })
      if (staying!.plan === null) return
      seen.stayed++
      assert.equal(checkPlan(host, file, staying!.plan), [])
      assert.equal(staying!.plan.moves ?? [], [])
      // Shared vCPUs float over what others leave to them, so where they were says not what they lose before the VM comes.
      if (placed.vms.some(({ current }) => current!.vcpus.some(({ dedicated }) => !dedicated))) return
      seen.pinned++
      const residents = placed.vms.map(({ name, current }) => ({ name, ...current! }))
      const now = placed.vms.length === 0 ? 0 : costAsIs(host, asFile(placed), residents).lostVcpus
      assert.is(staying!.lostMore, lessOf(staying!.plan.cost.lostVcpus, now))
    }),
    { numRuns: 60, endOnFailure: true, includeErrorInReport: true },
  )
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 3, `${what}: ${times} are met`)
})

/** Where VMs are, but for the CPUs that shared vCPUs float over: those are what others leave to them. */
function placesOf(vms: readonly { readonly name: string; readonly current: CurrentPlacement }[]) {
  return vms.map(({ name, current: { cells, vcpus } }) => ({
    name,
    cells,
    vcpus: vcpus.map(({ cpus, ...vcpu }) => (vcpu.dedicated ? { ...vcpu, cpus } : vcpu)),
  }))
}

test('with moves: false shared vCPUs stay on their nodes, others on their CPUs, all memory where it is', async () => {
  const size = fc.record({
    vcpus: fc.integer({ min: 1, max: 5 }),
    cpuPolicy: fc.constantFrom('shared', 'shared', 'mixed', 'dedicated'),
    demand: fc.constantFrom(0.25, 0.5, 1),
    memory: fc.constantFrom('256MiB', '1GiB', '3GiB'),
  })
  const vmOf = (name: string, { vcpus, cpuPolicy, ...rest }: { vcpus: number; cpuPolicy: string }) => {
    const isMixed = cpuPolicy === 'mixed' && vcpus > 1
    const policy = isMixed
      ? { cpuPolicy, dedicatedVcpus: '0' }
      : { cpuPolicy: cpuPolicy === 'mixed' ? 'shared' : cpuPolicy }
    return { name, vcpus, trust: 'all', ...policy, ...rest }
  }
  const seen = { placed: 0, refused: 0, beside: 0, dearer: 0 }
  await fc.assert(
    fc.asyncProperty(
      hostShape,
      fc.array(size, { minLength: 2, maxLength: 7 }),
      size,
      fc.nat(6),
      fc.boolean(),
      async (shape, sizes, asked, away, moves) => {
        const host = makeHost(shape)
        let placed = await placedOn(
          host,
          sizes.map((one, at) => vmOf(`vm${at}`, one)),
        )
        const gone = placed.vms[away % Math.max(1, placed.vms.length)]
        if (gone !== undefined) placed = withoutVm(placed, gone.name)
        const vm = vmOf('new', asked)
        const [one] = await rank([{ name: 'h', host }], { h: placed }, vm, { steps: 20, moves })
        if (one!.plan === null) {
          seen.refused++
          return
        }
        seen.placed++
        const { vms } = verifyPlan(host, together(placed, vm), one!.plan)
        assert.equal(one!.plan.refused, [])
        assert.is(one!.plan.spare, undefined, 'there is a way to it')
        assert.equal(vms.map(({ name }) => name).sort(), [...placed.vms.map(({ name }) => name), 'new'].sort())
        if (moves) return
        const others = vms.filter(({ name }) => name !== 'new')
        const after = placesOf(others.map(({ name, cells, vcpus }) => ({ name, current: { cells, vcpus } })))
        assert.equal(after, placesOf(placed.vms.map(({ name, current }) => ({ name, current: current! }))))
        const hasShared = (vcpus: CurrentPlacement['vcpus']) => vcpus.some(({ dedicated }) => !dedicated)
        if (placed.vms.some(({ current }) => hasShared(current!.vcpus))) seen.beside++
        if (one!.lostMore! > 0) seen.dearer++
      },
    ),
    { numRuns: 80, endOnFailure: true, includeErrorInReport: true },
  )
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 3, `${what}: ${times} are met`)
})

test('what is taken from VMs still to come is whole VMs, and no more than fit without it', async () => {
  await fc.assert(
    fc.asyncProperty(
      hostShape,
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      async (shape, vcpus, other) => {
        const host = makeHost(shape)
        const flavour = { vcpus, memory: '256MiB', emulator: 'housekeeping' }
        const [one] = await rank(
          [{ name: 'h', host }],
          {},
          { name: 'vm', vcpus: other, memory: '256MiB' },
          { flavours: [flavour] },
        )
        if (one!.plan === null) return
        const copies = (count: number) => Array.from({ length: count }, (_, at) => ({ ...flavour, name: `f${at}` }))
        let fits = 0
        while ((await plan(host, { vms: copies(fits + 1) }, { steps: 20 })).refused.length === 0) fits++
        assert.ok(
          one!.capacityLost! >= 0 && one!.capacityLost! <= fits * vcpus,
          `${one!.capacityLost} of ${fits * vcpus}`,
        )
        assert.is(one!.capacityLost! % vcpus, 0)
      },
    ),
    { numRuns: 12, endOnFailure: true, includeErrorInReport: true },
  )
})

test('a host whose VMs do not hold where they are says so', async () => {
  const host = syntheticHost('pack:1 [numa(memory=8GiB)] core:4 pu:1')
  const on = await placedOn(host, [
    { name: 'a', vcpus: 2, memory: '1GiB' },
    { name: 'b', vcpus: 2, memory: '1GiB' },
  ])
  const smaller: Host = {
    ...host,
    cpus: host.cpus.map((cpu) =>
      cpu.id < 2
        ? { ...cpu, online: false, node: null, package: null, llc: null, core: null, thread: null, capacity: null }
        : cpu,
    ),
  }
  const [one] = await rank([{ name: 'h', host: smaller }], { h: on }, { name: 'vm', vcpus: 1, memory: '1GiB' })
  assert.equal(
    one!.refused!.because.map(({ constraint }) => constraint),
    ['current'],
  )
  assert.match(one!.refused!.because[0]!.text, /^what is placed there does not fit on it: [ab]: /)
  const twice = parsePlaced({
    vms: on.vms.map(({ name, vcpus }) => ({ name, vcpus, memory: '1GiB', current: on.vms[0]!.current })),
  })
  const [staying] = await rank(
    [{ name: 'h', host }],
    { h: twice },
    { name: 'vm', vcpus: 1, memory: `${GIB}B` },
    { moves: false },
  )
  assert.equal(
    staying!.refused!.because.map(({ constraint }) => constraint),
    ['current'],
  )
})

test.run()
