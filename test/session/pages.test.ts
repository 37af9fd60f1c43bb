import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Session } from '../../src/session.js'
import { syntheticHost } from '../../src/topology/index.js'
import type { Host, Plan, Request } from '../../src/types.js'
import { checkPlaced, checkPlan } from '../../src/verify.js'

const MIB = 2 ** 20

/** Nodes of four CPUs, each with so many MiB in base pages, and so many pages of 2 MiB. */
function hostWith(nodes: number, mebibytes: number, huge: number): Host {
  const host = syntheticHost(`pack:${nodes} [numa(memory=16GiB)] core:4 pu:1`)
  const pages = [
    { size: 4096, total: 2 ** 22, free: mebibytes * 256 },
    { size: 2 * MIB, total: 2 ** 10, free: huge },
  ]
  const memory = { total: 2 ** 34, free: mebibytes * MIB }
  return { ...host, nodes: host.nodes.map((node) => ({ ...node, memory, pages })) }
}

const moved = ({ moves = [] }: Plan) => new Set(moves.map(({ vm }) => vm))
/** The sizes of pages that the cells of each VM have, each size once. */
const pagesOf = ({ vms }: Request) =>
  new Map(vms.map(({ name, current }) => [name, [...new Set(current!.cells.map(({ pageSize }) => pageSize))]]))

test('a VM that makes room keeps the size of its pages, where it could have larger ones, too', async () => {
  // 96 MiB in pages of 2 MiB on node 0, none on node 1: what comes to node 0 first takes them.
  const host = hostWith(2, 1024, 48)
  const session = await Session.open(host, { vms: [] })
  const add = (name: string, vcpus: number, memory: string, pageSize = 'any') =>
    session.add({ name, vcpus, memory, pageSize, cells: 1 })
  add('first', 2, '96MiB')
  add('small', 1, '96MiB')
  const [first, small] = ['first', 'small'].map((name) => pagesOf(session.placed).get(name))
  assert.equal([first, small], [[2 * MIB], [4096]])
  add('other', 2, '96MiB', '4KiB')
  session.remove('first')
  // Pages of 2 MiB are free again, on both nodes. One CPU is missing for this one, so "small" or "other" goes elsewhere.
  const { plan, request } = add('wide', 4, '64MiB', '4KiB')
  assert.equal([...moved(plan!)], ['small'])
  assert.is(plan!.solver.steps, 0, 'the first try holds: nothing had to be searched for')
  assert.equal(checkPlan(host, request!, plan), [])
  assert.equal(pagesOf(session.placed).get('small'), [4096])
})

const vm = fc.record(
  {
    vcpus: fc.integer({ min: 1, max: 4 }),
    cells: fc.constantFrom(1, 1, 2, 'auto'),
    mebibytes: fc.integer({ min: 1, max: 300 }),
    memoryPolicy: fc.constantFrom('strict', 'strict', 'preferred', 'interleave'),
    pageSize: fc.constantFrom('any', 'any', '4KiB', '2MiB'),
    cpuPolicy: fc.constantFrom('dedicated', 'dedicated', 'shared'),
    emulator: fc.constantFrom('housekeeping', 'housekeeping', 'housekeeping', 'dedicated'),
  },
  { noNullPrototype: true },
)

type Came = typeof vm extends fc.Arbitrary<infer One> ? One : never
interface Size {
  readonly nodes: number
  readonly mebibytes: number
  readonly huge: number
}

const plain: Came = {
  vcpus: 1,
  cells: 1,
  mebibytes: 48,
  memoryPolicy: 'strict',
  pageSize: '4KiB',
  cpuPolicy: 'dedicated',
  emulator: 'housekeeping',
}

/** Each meets what chance may miss; which VM comes, or goes where it is there already, is said by its number. */
const EXAMPLES: [Size, Came[], number[]][] = [
  // As in the test above: the second, which may have pages of any size, makes room for the last.
  [
    { nodes: 2, mebibytes: 1024, huge: 48 },
    [
      { ...plain, vcpus: 2, pageSize: 'any' },
      { ...plain, pageSize: 'any' },
      { ...plain, vcpus: 2 },
      { ...plain, vcpus: 4, mebibytes: 32 },
    ],
    [0, 1, 2, 0, 3],
  ],
  // The fourth has memory on the other node, too, which is farther than it has to be once the second has gone. The fifth has CPUs of the first,
  // which the threads of the fourth could have where it comes before that one.
  [
    { nodes: 2, mebibytes: 200, huge: 0 },
    [
      { ...plain, mebibytes: 50, emulator: 'dedicated' },
      { ...plain, mebibytes: 20, cpuPolicy: 'shared' },
      { ...plain, mebibytes: 50, vcpus: 3 },
      { ...plain, mebibytes: 75, memoryPolicy: 'preferred', cpuPolicy: 'shared', emulator: 'dedicated' },
      { ...plain, mebibytes: 50, emulator: 'dedicated' },
    ],
    [0, 1, 2, 3, 0, 4, 1],
  ],
  // There are pages of 2 MiB for one of two cells, and for both once the first has gone.
  [
    { nodes: 2, mebibytes: 1024, huge: 48 },
    [
      { ...plain, mebibytes: 24, pageSize: '2MiB' },
      { ...plain, vcpus: 2, cells: 2, mebibytes: 48, pageSize: 'any' },
    ],
    [0, 1, 0],
  ],
]

test('whatever came and went: pages stay as they are, the state holds, and a session opens with it and goes on alike', async () => {
  const met = { moved: 0, any: 0, spilled: 0, sizes: 0, threads: 0 }
  const shape = fc.record(
    {
      nodes: fc.integer({ min: 2, max: 3 }),
      mebibytes: fc.integer({ min: 200, max: 1200 }),
      huge: fc.nat(300),
    },
    { noNullPrototype: true },
  )
  const events = fc.array(fc.nat(99), { minLength: 8, maxLength: 24 })
  await fc.assert(
    fc.asyncProperty(shape, fc.array(vm, { minLength: 4, maxLength: 8 }), events, async (size, vms, picks) => {
      const host = hostWith(size.nodes, size.mebibytes, size.huge)
      const session = await Session.open(host, { vms: [] }, { steps: 20 })
      const come = vms.map(({ mebibytes, cells, ...rest }, at) => {
        return {
          ...rest,
          name: `vm${at}`,
          memory: `${2 * mebibytes}MiB`,
          cells: cells === 2 ? Math.min(2, rest.vcpus) : cells,
        }
      })
      for (const pick of picks) {
        const next = come[pick % come.length]!
        const before = pagesOf(session.placed)
        const gone = before.delete(next.name)
        if (gone) session.remove(next.name)
        const { plan, request } = gone ? { plan: null, request: null } : session.add(next)
        if (plan !== null) {
          assert.equal(checkPlan(host, request, plan), [])
          for (const name of moved(plan)) {
            met.moved++
            if (come.find((one) => one.name === name)!.pageSize === 'any') met.any++
          }
        }
        const after = pagesOf(session.placed)
        for (const [name, sizes] of before) {
          // Who has pages of several sizes may have any wherever it moves.
          if (sizes.length === 1 || plan === null || !moved(plan).has(name)) assert.equal(after.get(name), sizes, name)
        }
        assert.equal(checkPlaced(host, session.placed), [])
      }
      const { placed } = session
      const again = await Session.open(host, placed, { steps: 20 })
      assert.is(again.placed, placed)
      for (const { memoryPolicy, emulator, current } of placed.vms) {
        if (memoryPolicy === 'preferred' && current!.cells.some(({ memory }) => memory.length > 1)) met.spilled++
        if (new Set(current!.cells.map(({ pageSize }) => pageSize)).size > 1) met.sizes++
        if (emulator === 'dedicated') met.threads++
      }
      // Nothing else is free there than here.
      for (const name of placed.vms.map(({ name }) => name)) again.remove(name)
      assert.is(
        again.add({ name: 'whole', vcpus: 4 * size.nodes, memory: '4KiB', pageSize: '4KiB', span: true }).refused,
        null,
      )
    }),
    { numRuns: 60, endOnFailure: true, includeErrorInReport: true, examples: EXAMPLES },
  )
  for (const [what, times] of Object.entries(met)) assert.ok(times > 0, `${what} is met: ${JSON.stringify(met)}`)
})

test('what does not hold where it is said to be is refused with what is wrong', async () => {
  const host = hostWith(2, 1024, 48)
  const session = await Session.open(host, { vms: [] })
  session.add({ name: 'a', vcpus: 1, memory: '1000MiB', pageSize: '4KiB', cells: 1 })
  const { current } = session.placed.vms[0]!
  const b = {
    name: 'b',
    vcpus: 1,
    memory: '1000MiB',
    pageSize: '4KiB',
    cells: 1,
    current: { ...current, vcpus: [{ ...current!.vcpus[0], cpus: '3' }] },
  }
  const plain = { name: 'a', vcpus: 1, memory: '1000MiB', pageSize: '4KiB', cells: 1, current }
  const error = await Session.open(host, { vms: [plain, b] }).catch((refused: Error) => refused)
  assert.match((error as Error).message, /^placed: .*node 0 has 262144 free pages of 4096 bytes, the plan takes 512000/)
})

test('what spilled and need not any more is planned nearer, though the move costs more than it gains', async () => {
  const host = hostWith(2, 200, 0)
  const session = await Session.open(host, { model: { horizonSeconds: 1 }, vms: [] })
  const add = (name: string, vcpus: number, mebibytes: number, others = {}) =>
    session.add({ name, vcpus, memory: `${mebibytes}MiB`, pageSize: '4KiB', cells: 1, ...others })
  add('first', 2, 150, { memoryNodes: '0' })
  add('other', 4, 4)
  add('spilled', 2, 100, { memoryPolicy: 'preferred', weight: 0.001 })
  session.remove('first')
  const { plan, request } = session.replan()
  assert.equal(checkPlan(host, request, plan), [])
  assert.equal([...moved(plan)], ['spilled'])
})

test.run()
