/** Moves that are wrong in any way are found. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseCpulist } from '../../src/cpulist.js'
import { parseRequest } from '../../src/request.js'
import type { Move, Request } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'
import { checkMoves, type Replan, replans } from '../planner/replans.js'
import { coresOf, GIB, hostOf, planOf } from './support.js'

type Moves = readonly Move[]
type Pick = (count: number) => number

/** The moves, changed for the worse; `undefined` where there is nothing to change in this way. */
const MUTATIONS: Readonly<Record<string, (moves: Moves, pick: Pick, request: Request) => Moves | undefined>> = {
  'the last move of a cell is left out': (moves, pick) => {
    const last = pickOf(lastOfCells(moves), pick)
    return last && renumbered(moves.filter((move) => move !== last))
  },
  'a move is made twice': (moves, pick) => {
    const move = pickOf(moves, pick)
    return move && [...moves, { ...move, step: moves.at(-1)!.step + 1 }]
  },
  'a step is numbered wrong': (moves, pick) => {
    const from = pickOf(moves, pick)?.step
    return from === undefined
      ? undefined
      : moves.map((move) => (move.step < from ? move : { ...move, step: move.step + 1 }))
  },
  'the bytes are wrong': (moves, pick) => changed(moves, pickOf(moves, pick), ({ bytes }) => ({ bytes: bytes + 4096 })),
  'the memory ends on another node': (moves, pick) =>
    changed(
      moves,
      pickOf(
        lastOfCells(moves).filter(({ memory }) => memory.length > 0),
        pick,
      ),
      ({ memory }) => ({
        memory: memory.map((part) => ({ ...part, node: part.node + 1 })),
      }),
    ),
  'the memory is of another size': (moves, pick) =>
    changed(
      moves,
      pickOf(
        lastOfCells(moves).filter(({ memory }) => memory.length > 0),
        pick,
      ),
      ({ memory }) => ({
        memory: memory.map((part) => ({ ...part, bytes: part.bytes + 4096 })),
      }),
    ),
  'the pages are of another size': (moves, pick) =>
    changed(moves, pickOf(lastOfCells(moves), pick), ({ pageSize }) => ({
      pageSize: pageSize === 4096 ? 2 ** 21 : 4096,
    })),
  'a vCPU ends on another CPU': (moves, pick) =>
    changed(
      moves,
      pickOf(
        lastOfCells(moves).filter(({ vcpus }) => vcpus.length > 0),
        pick,
      ),
      ({ vcpus }) => ({
        vcpus: vcpus.map((vcpu, at) => (at > 0 ? vcpu : { ...vcpu, cpus: `${(parseCpulist(vcpu.cpus)[0] ?? 0) + 1}` })),
      }),
    ),
  'a vCPU ends on another node': (moves, pick) =>
    changed(
      moves,
      pickOf(
        lastOfCells(moves).filter(({ vcpus }) => vcpus.length > 0),
        pick,
      ),
      ({ vcpus }) => ({
        vcpus: vcpus.map((vcpu, at) => (at > 0 ? vcpu : { ...vcpu, node: vcpu.node + 1 })),
      }),
    ),
  'a dedicated vCPU becomes shared, or the other way round': (moves, pick) =>
    changed(
      moves,
      pickOf(
        lastOfCells(moves).filter(({ vcpus }) => vcpus.length > 0),
        pick,
      ),
      ({ vcpus }) => ({
        vcpus: vcpus.map((vcpu, at) => (at > 0 ? vcpu : { ...vcpu, dedicated: !vcpu.dedicated })),
      }),
    ),
  'a vCPU is moved twice': (moves, pick) =>
    changed(
      moves,
      pickOf(
        moves.filter(({ vcpus }) => vcpus.length > 0),
        pick,
      ),
      ({ vcpus }) => ({
        vcpus: [...vcpus, vcpus[0]!],
      }),
    ),
  'a move does nothing': (moves, pick) =>
    changed(
      moves,
      pickOf(
        moves.filter((move) => !move.redivides),
        pick,
      ),
      () => ({ vcpus: [], memory: [], bytes: 0 }),
    ),
  'a VM moves that is not there': (moves, pick) => changed(moves, pickOf(moves, pick), () => ({ vm: 'nobody' })),
  'a cell moves that is not there': (moves, pick) => changed(moves, pickOf(moves, pick), () => ({ cell: 60 })),
  'cells are divided anew without need, or in part': (moves, pick) => {
    const move = pickOf(moves, pick)
    return move && moves.map((other) => (other === move ? toggled(move) : other))
  },
  'moves that can be made alone are made together': (moves, pick, request) => {
    const pairs = moves.slice(1).filter((move, at) => !isRelated(request, moves[at]!, move))
    const second = pickOf(pairs, pick)
    return second && moves.map((move) => (move.step < second.step ? move : { ...move, step: move.step - 1 }))
  },
}

function toggled({ redivides, ...move }: Move): Move {
  return redivides ? move : { ...move, redivides: true }
}

/** May they belong together: near VMs, or cells of one. */
function isRelated(request: Request, { vm: a, step }: Move, { vm: b, step: next }: Move): boolean {
  return a === b || step === next || request.vms.some((vm) => [a, b].includes(vm.name) && vm.near.length > 0)
}

function changed(moves: Moves, move: Move | undefined, by: (move: Move) => Partial<Move>): Moves | undefined {
  return move && moves.map((other) => (other === move ? { ...move, ...by(move) } : other))
}

function pickOf<Item>(items: readonly Item[], pick: Pick): Item | undefined {
  return items.length === 0 ? undefined : items[pick(items.length)]
}

function lastOfCells(moves: Moves): Move[] {
  const last = new Map(moves.map((move) => [`${move.vm} ${move.cell}`, move]))
  return [...last.values()]
}

/** Steps that have lost all of their moves leave no gap. */
function renumbered(moves: Moves): Moves {
  const steps = [...new Set(moves.map(({ step }) => step))]
  return moves.map((move) => ({ ...move, step: steps.indexOf(move.step) + 1 }))
}

const withMoves = (one: Replan, moves: Moves): Replan => ({ ...one, plan: { ...one.plan, moves } })

test('every kind of wrong move is found', () => {
  const found = new Map<string, number>()
  fc.assert(
    fc.property(replans, fc.infiniteStream(fc.nat(1_000_000)), (one, stream) => {
      // Where the moves do not get all the way, one less may be as good.
      if (one.plan.spare !== undefined) return
      const pick: Pick = (count) => stream.next().value % count
      const request = parseRequest(one.request)
      for (const [what, mutate] of Object.entries(MUTATIONS)) {
        const moves = mutate(one.plan.moves, pick, request)
        if (moves === undefined) continue
        assert.ok(checkMoves(withMoves(one, moves)).length > 0, what)
        found.set(what, (found.get(what) ?? 0) + 1)
      }
    }),
    { numRuns: 120 },
  )
  for (const what of Object.keys(MUTATIONS)) assert.ok(found.has(what), `${what}: never tried`)
})

/** The steps after which two vCPUs have one CPU that had not at the start: by nothing but who was pinned where. */
function clashes({ request, plan }: Replan, moves: Moves): number[] {
  const planned = new Set(plan.vms.map(({ name }) => name))
  const pins = new Map<string, string>()
  for (const { name, current } of parseRequest(request).vms) {
    for (const { vcpu, cpus, dedicated } of (planned.has(name) && current?.vcpus) || []) {
      if (dedicated) pins.set(`${name} ${vcpu}`, cpus)
    }
  }
  const steps = new Set(moves.map(({ step }) => step))
  return [...steps].filter((step) => {
    for (const { vm, vcpus } of moves.filter((move) => move.step === step)) {
      for (const { vcpu, cpus, dedicated } of vcpus) {
        if (dedicated) pins.set(`${vm} ${vcpu}`, cpus)
        else pins.delete(`${vm} ${vcpu}`)
      }
    }
    return new Set(pins.values()).size < pins.size
  })
}

test('steps in an order in which two vCPUs meet on a CPU are found', () => {
  let met = 0
  const check = ([one, turn]: [Replan, number]): void => {
    const steps = [...new Set(one.plan.moves.map(({ step }) => step))]
    const at = steps.length === 0 ? 0 : Math.abs(turn) % steps.length
    const order = [...steps.slice(at), ...steps.slice(0, at)].reverse()
    const moves = order.flatMap((step, index) =>
      one.plan.moves.filter((move) => move.step === step).map((move) => ({ ...move, step: index + 1 })),
    )
    if (clashes(one, moves).length === 0) return
    met++
    assert.ok(checkMoves(withMoves(one, moves)).length > 0)
  }
  // How many orders are wrong is left to chance.
  for (let round = 0; round < 20 && met <= 5; round++) {
    fc.assert(fc.property(fc.tuple(replans, fc.integer()), check), { numRuns: 100 })
  }
  assert.ok(met > 5, `${met} orders were wrong`)
})

const HOST = hostOf({ nodes: { 0: 8, 1: 8 }, cores: coresOf([3, 3]) })
const REQUEST = { vms: [{ name: 'a', vcpus: 1, memory: '4GiB' }] }
const on = (node: number, cpu: number, emulator: string) => ({
  a: { cells: [{ cpus: [cpu], memory: { [node]: 4 * GIB } }], emulator },
})
const [{ cells, vcpus }] = planOf(HOST, REQUEST, on(0, 0, '1-2')).vms as [Replan['plan']['vms'][number]]
const AGAIN = { vms: [{ ...REQUEST.vms[0]!, current: { cells, vcpus } }] }
const PLAN = planOf(HOST, AGAIN, on(1, 3, '4-5'))
const texts = (plan: object) => checkPlan(HOST, AGAIN, plan).map(({ text }) => text)

test('a re-plan has moves, another plan has none', () => {
  assert.equal(texts(PLAN), [])
  const { moves: _, ...without } = PLAN
  assert.equal(texts(without), ['no moves, though VMs have `current`'])
  const fresh = planOf(HOST, REQUEST, on(1, 3, '4-5'))
  const found = checkPlan(HOST, REQUEST, { ...fresh, moves: [] })
  assert.equal(found, [{ constraint: 'moves', text: 'moves, though no VM has `current`' }])
})

test('a detour for nothing is found', () => {
  const [move] = PLAN.moves!
  const detour = { ...move!, memory: [], bytes: 0, vcpus: [{ vcpu: 0, node: 0, cpus: '1', dedicated: true }] }
  assert.equal(texts({ ...PLAN, moves: [detour, { ...move, step: 2 }] }), [
    'steps 1 and 2: cell 0 of a moves twice in a row',
  ])
})

test('a cell does not leave its memory behind', () => {
  const [move] = PLAN.moves!
  const [first] = texts({ ...PLAN, moves: [{ ...move!, memory: [], bytes: 0 }] })
  assert.is(first, `after step 1: a: cell 0 has ${4 * GIB} bytes on node 0, its vCPUs have theirs on 1`)
})

test('nothing is missing where the moves end at the plan, or where a cell can still move', () => {
  const spare = [{ node: 1, cpus: 1, bytes: 0, text: '' }]
  assert.equal(texts({ ...PLAN, spare }), [
    'room is said to be missing, though the moves end where the plan has the VMs',
  ])
  assert.equal(texts({ ...PLAN, moves: [], spare }), ['room is said to be missing, yet cell 0 of a can move'])
})

test.run()
