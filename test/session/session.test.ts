import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { Session } from '../../src/session.js'
import { syntheticHost } from '../../src/topology/index.js'
import type { Plan, Request } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'
import { hostShape, makeHost, request as requests } from '../planner/cases.js'

const TWO = syntheticHost('pack:2 [numa(memory=16GiB)] core:4 pu:1')
const movedIn = ({ moves = [] }: Plan) => new Set(moves.map(({ vm }) => vm))
const placesOf = ({ vms }: Request) => new Map(vms.map(({ name, current }) => [name, current]))

async function refusalOf(work: () => unknown): Promise<InputError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof InputError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

test('VMs come and go: each plan holds, nobody moves without a move, and what is refused changes nothing', async () => {
  const met = { placed: 0, refused: 0, gone: 0, opened: 0 }
  await fc.assert(
    fc.asyncProperty(hostShape, requests, fc.array(fc.nat(99), { maxLength: 12 }), async (shape, input, picks) => {
      const host = makeHost(shape)
      const { vms, ...settings } = input
      const session = await Session.open(host, { ...settings, vms: [] }, { steps: 20 })
      const come = [...vms.entries()].map(([at, vm]) => ({ ...vm, name: `vm${at}` }))
      for (const pick of picks) {
        const before = session.placed
        const there = before.vms.map(({ name }) => name)
        const vm = come[pick % come.length]!
        if (there.includes(vm.name)) {
          session.remove(vm.name)
          const left = there.filter((name) => name !== vm.name)
          assert.equal(
            session.placed.vms.map(({ name }) => name),
            left,
          )
          met.gone++
          continue
        }
        const { refused, plan, request } = session.add(vm)
        if (plan === null) {
          assert.ok(refused.because.length > 0)
          assert.is(session.placed, before)
          met.refused++
          continue
        }
        assert.equal(checkPlan(host, request, plan), [])
        assert.is(plan.refused.length, 0)
        met.placed++
        const moved = movedIn(plan)
        const now = placesOf(session.placed)
        assert.equal([...now.keys()], [...there, vm.name])
        for (const [name, place] of placesOf(before)) {
          if (moved.has(name)) continue
          assert.equal(now.get(name)!.cells, place!.cells, name)
          const pinned = (of: typeof place) => of!.vcpus.map(({ node, cpus, dedicated }) => (dedicated ? cpus : node))
          assert.equal(pinned(now.get(name)!), pinned(place), name)
        }
      }
      // Who opens a session with what is there has the same host again, unless it cannot be known which CPUs threads had.
      const again = await Session.open(host, session.placed).catch((error: Error) => error)
      if (again instanceof Error) {
        assert.is((again as InputError).where, 'placed')
        assert.ok(
          host.cpus.some(({ thread }) => (thread ?? 0) > 0) &&
            session.placed.vms.some((vm) => vm.emulator === 'dedicated'),
          again.message,
        )
      } else {
        assert.is(again.placed, session.placed)
        met.opened++
      }
    }),
    { numRuns: 40, endOnFailure: true },
  )
  for (const [what, times] of Object.entries(met)) assert.ok(times > 0, `${what} is met: ${JSON.stringify(met)}`)
})

test('on a host that is full most that come in by a move move one VM, and every plan holds', async () => {
  const met = { alone: 0, byOne: 0, byMore: 0, refused: 0 }
  const host = syntheticHost('pack:3 [numa(memory=16GiB)] l3:2 core:4 pu:1')
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(2), fc.nat(99)), { minLength: 20, maxLength: 40 }), async (events) => {
      const session = await Session.open(host, { vms: [] }, { steps: 50 })
      for (const [at, [kind, number]] of events.entries()) {
        const { vms } = session.placed
        if (kind === 0 && vms.length > 0) {
          session.remove(vms[number % vms.length]!.name)
          continue
        }
        const vm = { name: `vm${at}`, vcpus: [1, 2, 3, 5, 8][number % 5], memory: '512MiB', cells: 1 }
        const { plan, request } = session.add(vm)
        if (plan === null) {
          met.refused++
          continue
        }
        assert.equal(checkPlan(host, request, plan), [])
        met[(['alone', 'byOne'] as const)[movedIn(plan).size] ?? 'byMore']++
      }
    }),
    { numRuns: 60, endOnFailure: true },
  )
  assert.ok(met.alone > met.byOne && met.byOne > met.byMore && met.byMore > 0, JSON.stringify(met))
})

test('a VM that fits beside the others moves nobody; one that does not moves the fewest, unless moves are forbidden', async () => {
  for (const moves of [true, false]) {
    const session = await Session.open(TWO, { vms: [] }, { moves })
    for (const name of ['a', 'b', 'c', 'd']) {
      const { plan } = session.add({ name, vcpus: 2, memory: '1GiB', cells: 1 })
      assert.equal(plan!.moves ?? [], [])
    }
    const first = session.placed.vms.map(({ name, current }) => [name, current!.vcpus[0]!.node] as const)
    // One of each node leaves.
    for (const node of [0, 1]) session.remove(first.find(([, own]) => own === node)![0])
    const { plan, refused } = session.add({ name: 'wide', vcpus: 4, memory: '1GiB', cells: 1 })
    if (moves) assert.is(movedIn(plan!).size, 1)
    else assert.ok(refused!.because.some(({ constraint }) => constraint === 'cell-node'))
    assert.is(session.placed.vms.length, moves ? 3 : 2)
  }
})

test('planning again moves only where that gains something, and the plan holds', async () => {
  // Traffic between caches: at first there is no room in one.
  const host = syntheticHost('pack:1 [numa(memory=16GiB)] l3:2 core:4 pu:1')
  const session = await Session.open(host, { vms: [] })
  for (const name of ['a', 'b']) session.add({ name, vcpus: 3, memory: '1GiB' })
  const { plan } = session.add({ name: 'split', vcpus: 2, memory: '1GiB' })
  assert.is(plan!.vms[2]!.cost.terms.communication, 0.2)
  assert.equal(session.replan().plan.moves, [])
  session.remove('a')
  const before = session.placed
  const again = session.replan({ steps: 1000 })
  assert.equal(checkPlan(host, again.request, again.plan), [])
  assert.is(again.request, before)
  assert.equal([...movedIn(again.plan)], ['split'])
  // Steps that were taken, of those allowed; one that is placed alone takes none.
  assert.ok(again.plan.solver.steps <= 1000)
  assert.is(plan!.solver.steps, 0)
  assert.is(again.plan.vms.find(({ name }) => name === 'split')!.cost.terms.communication, undefined)
  assert.equal(session.replan().plan.moves, [])
  const empty = await Session.open(host, { vms: [] })
  const nothing = empty.replan()
  assert.is(nothing.plan.vms.length, 0)
  assert.equal(checkPlan(host, nothing.request, nothing.plan), [])
})

test('what is not valid is refused with its place, and leaves no trace', async () => {
  const session = await Session.open(TWO, { vms: [] })
  session.add({ name: 'a', vcpus: 1, memory: '1GiB' })
  const before = session.placed
  const wrong = [
    [() => session.add({ name: 'a', vcpus: 1, memory: '1GiB' }), 'vm.name'],
    [() => session.add({ name: 'b', vcpus: 0, memory: '1GiB' }), 'vm.vcpus'],
    [() => session.add({ name: 'b', vcpus: 1, memory: '1GiB', pageSize: '1GiB' }), 'vm.pageSize'],
    [() => session.add({ name: 'b', vcpus: 1, memory: '1GiB', devices: [{ node: 7 }] }), 'vm.devices[0].node'],
    [() => session.remove('b'), 'name'],
    [() => session.replan({ steps: -1 }), 'steps'],
    [() => Session.open(TWO, { vms: [{ name: 'a', vcpus: 1, memory: '1GiB' }] }), 'vms[0].current'],
    [() => Session.open(TWO, { vms: [] }, { moves: 1 as never }), 'options.moves'],
    [() => Session.open(TWO, { vms: [] }, { seed: 0.5 }), 'seed'],
  ] as const
  for (const [work, where] of wrong) assert.is((await refusalOf(work)).where, where)
  assert.is(session.placed, before)
  // All 8 CPUs but the one of "a" can still be had: nothing is left of what was refused.
  assert.is(session.add({ name: 'rest', vcpus: 7, memory: '1GiB', span: true }).refused, null)
  // Twice on one CPU.
  const [a] = session.placed.vms
  const twice = { vms: [a, { ...a, name: 'b' }] }
  const text = JSON.parse(JSON.stringify(twice), (_key, value) => (value === null ? undefined : value))
  const plain = text.vms.map(({ name, vcpus, current }: { name: string; vcpus: number; current: object }) => {
    return { name, vcpus, memory: '1GiB', current }
  })
  assert.is((await refusalOf(() => Session.open(TWO, { vms: plain }))).where, 'placed')
})

test.run()
