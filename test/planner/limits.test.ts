import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KINDS, type Problem } from '../../bench/planner/limits/kinds.js'
import { styleOf } from '../../src/cli/output.js'
import { showPlan } from '../../src/cli/plan-view.js'
import type { PlannerExports } from '../../src/planner/generated/abi.js'
import { Planner } from '../../src/planner/planner.js'
import { buildProblem } from '../../src/planner/problem.js'
import { plannerBytes } from '../../src/planner/wasm.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Host } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'
import { FUEL, meter } from './wasm-module.js'

const planner = await Planner.load()
const { [FUEL]: fuel, ...exports } = new WebAssembly.Instance(new WebAssembly.Module(meter(plannerBytes())), {}).exports
const metered = exports as unknown as PlannerExports
const MOST_FUEL = 2 ** 31 - 1

/** Calls of functions and turns of loops that `work` takes in the module. */
function fuelOf(work: () => void): number {
  const left = fuel as WebAssembly.Global<'i32'>
  left.value = MOST_FUEL
  work()
  return MOST_FUEL - left.value
}

function problemOf(name: string, count?: number, nodes?: number): Problem {
  const kind = KINDS.find((one) => one.name === name)
  if (kind === undefined) throw new Error(`no kind ${name}`)
  return kind.make(count ?? kind.most, nodes)
}

function enter({ host, request }: Problem): void {
  fuelOf(() => buildProblem(metered, host, parseRequest(request)))
}

/** What took minutes at the default number of steps, as large as it was then. */
const SLOW: readonly (readonly [string, number])[] = [
  ['small', 2100],
  ['small', 4096],
  ['separate', 4000],
  ['near chain', 1500],
  ['preferred', 2000],
  ['shared', 4096],
  ['one VM with traffic', 128],
  ['one VM with traffic', 1000],
]
/** Turns of loops and calls of functions, each some 1.5 ns. */
const MOST_FIRST = 250e6
const MOST_IN_STEP = 1.2e6
const STEPS = 60

for (const [name, count] of SLOW) {
  test(`${count} of the kind "${name}": a first plan and each step of search take a bounded number of turns`, () => {
    enter(problemOf(name, count))
    const first = fuelOf(() => metered.solve(0, 1))
    assert.ok(first < MOST_FIRST, `${first} turns without steps`)
    const search = fuelOf(() => metered.solve(STEPS, 1))
    // Bounds are found once, whatever the number of steps.
    assert.ok(search < MOST_FIRST / 2 + STEPS * MOST_IN_STEP, `${search} turns in ${STEPS} steps`)
  })
}

test('a step costs no more where the host has four times the VMs', () => {
  for (const [name, most] of [
    ['near chain', 1500],
    ['current elsewhere', 2048],
  ] as const) {
    const turns = [1 / 4, 1].map((share) => {
      enter(problemOf(name, share * most))
      metered.solve(1, 1)
      const before = metered.steps()
      const turns = fuelOf(() => metered.solve(100, 1))
      assert.ok(metered.steps() > before, `${name}: there is nothing to search for`)
      return turns / (metered.steps() - before)
    })
    assert.ok(turns[1]! < 2 * turns[0]!, `${name}: ${turns.join(' and ')} turns`)
  }
})

/** Turns of a first plan. */
function turnsOf(problem: Problem): number {
  enter(problem)
  return fuelOf(() => metered.solve(0, 1))
}

test('the place of a VM costs no more to find where four times as many are on the host', () => {
  for (const [name, most] of [
    ['preferred', 2000],
    ['shared', 4000],
    ['require', 1000],
    ['mixed', 1300],
  ] as const) {
    const [few, many] = [1 / 4, 1].map((share) => turnsOf(problemOf(name, share * most)) / (share * most))
    // It was up to four times as much.
    assert.ok(many! < 1.6 * few!, `${name}: ${few} turns for each of a quarter, ${many} for each of all`)
  }
})

test('VMs whose memory may spill are not placed where it does as long as there is a node where it does not', () => {
  const { host, request } = problemOf('preferred')
  assert.is(planner.plan(host, parseRequest(request), { steps: 0 }).cost.lostVcpus, 0)
})

test('VMs are not all placed a second time where no core takes one that is refused', () => {
  const all = turnsOf(problemOf('require', 1008))
  const some = turnsOf(problemOf('require', 1300))
  // 1,008 of these fit.
  assert.ok(some < 1.8 * all, `${some} turns, and ${all} where all fit`)
})

test('a VM is refused before its vCPUs are seated where the threads of its VMM find no CPU', () => {
  const vms = Array.from({ length: 2000 }, (_, at) => {
    return { name: `vm${at}`, vcpus: 2, memory: '1GiB', emulator: 'dedicated', iothreads: 2 }
  })
  const turns = turnsOf({ host: syntheticHost('group:16 [numa(memory=512GiB)] l3:4 core:8 pu:2'), request: { vms } })
  // Some 170 fit. Seating the others took four times as many.
  assert.ok(turns < 4e6, `${turns} turns`)
})

test('what is counted as work is about what is done', () => {
  for (const name of ['weights', 'mixed', 'one VM with traffic']) {
    enter(problemOf(name))
    const before = metered.work()
    const turns = fuelOf(() => metered.solve(30, 1))
    const ratio = turns / (metered.work() - before)
    assert.ok(ratio > 0.3 && ratio < 10, `${name}: ${ratio}`)
  }
})

/** Distances without any order, all different both ways. */
function scattered(host: Host): Host {
  const distances = host.nodes.map((_, from) =>
    host.nodes.map((_, to) => (from === to ? 10 : 11 + ((from * 29 + to * 53 + from * to) % 47))),
  )
  return { ...host, distances }
}

test('a VM over a hundred nodes is placed where it fits, in cells and with span', () => {
  const host = scattered(syntheticHost('group:100 [numa(memory=4GiB)] core:4 pu:2'))
  for (const vm of [
    { vcpus: 780, memory: '90GiB' },
    { vcpus: 700, memory: '90GiB', cells: 100 },
    { vcpus: 700, memory: '90GiB', cells: 1, span: true },
    { vcpus: 600, memory: '80GiB', cells: 7, span: true },
  ]) {
    const request = { vms: [{ name: 'vm', ...vm }] }
    const plan = planner.plan(host, parseRequest(request), { steps: 0 })
    assert.equal(checkPlan(host, request, plan), [])
    assert.is(plan.vms.length, 1, JSON.stringify(vm))
  }
})

const oneNode = syntheticHost('[numa(memory=16GiB)] core:4 pu:1')

function refusalsOf(host: Host, request: object, steps: number) {
  return planner.plan(host, parseRequest(request), { steps }).refused.map(({ name, proven }) => [name, proven])
}

test('a refusal is proven where the VM fits nowhere or no plan places more, and not where the search ended before', () => {
  const wide = { name: 'wide', vcpus: 5, memory: '1GiB' }
  const small = { name: 'small', vcpus: 1, memory: '1GiB' }
  assert.equal(refusalsOf(oneNode, { vms: [wide, small] }, 0), [['wide', true]])
  // Two of three are the most that four CPUs have room for.
  const vms = ['a', 'b', 'c'].map((name) => ({ name, vcpus: 2, memory: '1GiB' }))
  assert.equal(refusalsOf(oneNode, { vms }, 0), [['c', true]])
  // As they come the last finds no node with a CPU and memory; with steps all are placed.
  const twoNodes = syntheticHost('group:2 [numa(memory=16GiB)] core:8 pu:1')
  const tight = {
    vms: [
      { name: 'a', vcpus: 5, memory: '2GiB', cells: 1 },
      { name: 'b', vcpus: 3, memory: '4GiB', cells: 1 },
      { name: 'c', vcpus: 2, memory: '10GiB', cells: 1 },
      { name: 'd', vcpus: 1, memory: '8GiB', cells: 1 },
    ],
  }
  assert.equal(refusalsOf(twoNodes, tight, 0), [['d', false]])
  assert.equal(refusalsOf(twoNodes, tight, 50), [])
})

test('a reason is found where every way to divide a VM has to be tried for it', () => {
  const host = syntheticHost('group:7 [numa(memory=1GiB)] core:2 pu:1')
  const vms = [{ name: 'vm', vcpus: 7, memory: '1500MiB', memoryPolicy: 'preferred', memoryNodes: '0' }]
  const [refused] = planner.plan(host, parseRequest({ vms }), { steps: 0 }).refused
  assert.equal(
    refused?.because.map(({ constraint }) => constraint),
    ['memory-capacity', 'memory-nodes'],
  )
})

test('people are told whether a refusal is proven', () => {
  const style = styleOf({}, 'never', {})
  const vms = [{ name: 'wide', vcpus: 5, memory: '1GiB' }]
  const plan = planner.plan(oneNode, parseRequest({ vms }))
  const text = (proven: boolean) => {
    const shown = { ...plan, refused: plan.refused.map((refusal) => ({ ...refusal, proven })) }
    return showPlan(shown, style)
  }
  assert.match(text(false), /refused: wide .*not proven that it does not fit/)
  assert.not.match(text(true), /not proven/)
})

test('thousands of alike VMs are refused for the same reasons; nodes that have the same are told together', () => {
  const { host, request } = problemOf('refused', 2000)
  const { refused } = planner.plan(host, parseRequest(request), { steps: 0 })
  assert.is(refused.length, 1000)
  assert.is(new Set(refused.map((refusal) => JSON.stringify({ ...refusal, name: '' }))).size, 1)
  assert.match(refused[0]!.because[0]!.text, /each of the nodes 0-63 has 512 GiB free|each of the nodes [-,\d]+ has /)
  assert.ok(refused[0]!.because[0]!.text.length < 300)
})

test('a VM of thousands of vCPUs on one node of thousands of cores is placed without a trap', () => {
  const host = syntheticHost('[numa(memory=1TiB)] core:4096 pu:1')
  const vms = [
    { name: 'a', vcpus: 2000, memory: '64GiB' },
    { name: 'b', vcpus: 2000, memory: '64GiB', cells: 3 },
    { name: 'c', vcpus: 90, memory: '1GiB' },
  ]
  const plan = planner.plan(host, parseRequest({ vms }), { steps: 20 })
  assert.equal(checkPlan(host, { vms }, plan), [])
  assert.is(plan.vms.length, 3)
})

test.run()
