/** What is planned for guests on two nodes, and what is moved for it: on a described host, with guests that only write down what is asked of them. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { move, takeBack } from '../../../../executor/accel/optimizer/balancing/act.js'
import { BalancedGuest, type GuestNow } from '../../../../executor/accel/optimizer/balancing/guest.js'
import { planAll, situate } from '../../../../executor/accel/optimizer/balancing/situation.js'
import { Balancer } from '../../../../executor/balance/balancer.js'
import { syntheticHost } from '../../../../src/topology/index.js'
import type { VerifiedPlan } from '../../../../src/types.js'

const MiB = 2 ** 20
const PAGE = 4096
const host = syntheticHost('pack:2 [numa(memory=64GB)] l3:1 core:4 pu:1')
const [ON_0, ON_1] = [
  [0, 1, 2, 3],
  [4, 5, 6, 7],
]

interface Sketch {
  /** CPUs of each vCPU. */
  readonly vcpus: readonly (readonly number[])[]
  /** Node of each MiB, which is a part. */
  readonly memory: readonly number[]
  /** Address and node of blocks. */
  readonly blocks?: Readonly<Record<number, number>>
  readonly enabled?: readonly number[]
  /** Of each node, for blocks. */
  readonly budget?: number
  readonly pageSize?: number
  readonly fails?: (step: string) => boolean
}

/** A guest, and the steps that it was asked for. */
function guestOf({ vcpus, memory, blocks = {}, enabled = [0, 1], budget = 64 * MiB, ...sketch }: Sketch) {
  const cpus = vcpus.map((list) => [...list])
  const nodes = [...memory]
  const steps: string[] = []
  const step = (text: string) => {
    steps.push(text)
    if (sketch.fails?.(text)) throw new Error(`no ${text}`)
  }
  const accel = {
    name: 'web',
    state: { name: 'running' },
    vcpuIds: () => cpus.map((_, id) => id),
    getVcpuThread: (id: number) => 100 + id,
    getVcpuAffinity: (id: number) => cpus[id]!,
    getVcpuNumaNode: () => undefined,
    setVcpuAffinity: (id: number, wanted: number[]) => {
      step(`vCPU ${id} on ${wanted}`)
      cpus[id] = wanted
      return { enforced: true }
    },
    numaConfig: () => ({ nodeIds: enabled }),
    numaMemory: () =>
      nodes.map((node, at) => ({ gpa: at * MiB, size: MiB, node, hva: 0, pageSize: sketch.pageSize ?? PAGE })),
    moveNumaMemory: async (gpa: number, to: number) => {
      step(`memory ${gpa / MiB} to ${to}`)
      nodes[gpa / MiB] = to
    },
  }
  const held = Object.entries(blocks).map(([address, node]) => ({ address: Number(address), bytes: MiB, node }))
  const blockMemory = {
    blocks: held,
    left: () => budget,
    move: async (block: (typeof held)[number], to: number) => {
      step(`block ${block.address} to ${to}`)
      block.node = to
    },
  }
  const guest = new BalancedGuest(
    '1',
    accel as never,
    held.map(({ address }) => address),
  )
  /** Somebody else's. */
  const byHand = {
    pin: (vcpu: number, wanted: number) => {
      cpus[vcpu] = [wanted]
    },
    bring: (part: number, node: number) => {
      nodes[part] = node
    },
  }
  return { look: (): GuestNow => guest.look(host, blockMemory as never, PAGE)!, steps, byHand }
}

/** What the engine decides at once. */
async function decide(now: GuestNow): Promise<{ plan: VerifiedPlan | null; reason: string; bytes: number }> {
  const balancer = new Balancer({ leastKnown: 0, patience: 1, leastGain: 0 })
  const vcpus = now.vcpus.map(() => ({ use: 1, delay: 0 }))
  const pressure = { cpu: null, memory: null }
  balancer.observe({ at: 1000, interval: 1000, vms: [{ key: '1', name: 'web', vcpus }], pressure })
  const demands = balancer.demands()
  const { settings } = balancer
  const situation = situate({ at: 1000, host, guests: [{ name: 'web', now }], demands, settings })
  const { plan, round } = await balancer.decide(situation, planAll)
  return { plan, reason: round.reason, bytes: round.figures.bytes }
}

/** vCPUs are on one node, memory is on the other one. */
const APART: Sketch = { vcpus: [ON_1, ON_1], memory: [0, 0], blocks: { 7: 0 } }

test('vCPUs and memory that are on two nodes come together, and blocks with them; undone, all is where it was', async () => {
  const { look, steps } = guestOf(APART)
  const before = look()
  const { plan } = await decide(before)
  const guests = new Map([['web', before]])
  const { action, keys, trace } = await move(plan!, guests)
  assert.equal([action.result, action.why, keys], ['done', [], ['1']])
  const after = look()
  const nodes = new Set(after.parts.map(({ node }) => node))
  assert.is(nodes.size, 1)
  const [node] = nodes
  for (const { cpus } of after.vcpus) assert.equal(cpus, node === 0 ? ON_0 : ON_1)
  assert.is(action.bytes, node === 0 ? 0 : 3 * MiB)
  assert.is((await decide(after)).plan, null)

  steps.length = 0
  const back = await takeBack(trace)
  assert.equal([back.action.result, back.action.bytes], ['done', action.bytes])
  assert.equal(
    look().parts.map((part) => part.node),
    [0, 0, 0],
  )
  for (const { cpus } of look().vcpus) assert.equal(cpus, ON_1)
  assert.equal((await takeBack(trace)).keys, [])
})

/** vCPUs keep CPUs of node 1 to themselves alone where memory has to come to them. */
const NODE_1: Sketch = { ...APART, enabled: [1] }

test('memory goes only to nodes that the guest is about, and as a whole', async () => {
  const { look, steps } = guestOf(NODE_1)
  const { plan, bytes } = await decide(look())
  assert.is(bytes, 3 * MiB)
  await move(plan!, new Map([['web', look()]]))
  assert.equal(steps.sort(), ['block 7 to 1', 'memory 0 to 1', 'memory 1 to 1'])
})

test('a part that fails is brought back, wherever its pages are, and so are those before it', async () => {
  const { look, steps } = guestOf({ ...NODE_1, fails: (step) => step === 'memory 1 to 1' })
  const now = look()
  const { plan } = await decide(now)
  const { action } = await move(plan!, new Map([['web', now]]))
  assert.equal([action.result, action.why], ['failed', ['no memory 1 to 1']])
  assert.equal(steps, ['memory 0 to 1', 'memory 1 to 1', 'memory 0 to 0', 'memory 1 to 0'])
})

test('what somebody else has set since the move is not taken back', async () => {
  // CPU 4 is on node 1: memory has to come to it.
  const { look, steps, byHand } = guestOf({ ...NODE_1, vcpus: [[4], [4]], memory: [0, 0, 0] })
  const now = look()
  const { action, trace } = await move((await decide(now)).plan!, new Map([['web', now]]))
  assert.is(action.result, 'done')
  const moved = look()
  // Of a move that has pinned both of them and brought everything.
  assert.ok(moved.vcpus.some(({ cpus }) => `${cpus}` !== '4'))
  assert.equal(
    moved.parts.map(({ node }) => node),
    [1, 1, 1, 1],
  )
  byHand.pin(0, 6)
  byHand.bring(1, 0)
  byHand.bring(2, 5)
  steps.length = 0
  const back = await takeBack(trace)
  assert.equal([back.action.result, back.action.why], ['done', []])
  assert.equal(
    look().vcpus.map(({ cpus }) => cpus),
    [[6], [4]],
  )
  assert.equal(
    look().parts.map(({ node }) => node),
    [0, 0, 5, 0],
  )
  assert.equal(
    steps.filter((step) => /vCPU 0|memory [12]/.test(step)),
    [],
  )
})

test('what cannot be brought back is said', async () => {
  const { look } = guestOf({ ...NODE_1, fails: (step) => step === 'memory 1 to 1' || step === 'memory 0 to 0' })
  const now = look()
  const { action } = await move((await decide(now)).plan!, new Map([['web', now]]))
  assert.equal([action.result, action.why], ['partial', ['no memory 1 to 1', 'no memory 0 to 0']])
})

for (const [what, sketch] of Object.entries({
  'nodes whose budget has no room for its blocks': { ...NODE_1, budget: MiB - 1 },
  'a guest that is about no node': { ...APART, enabled: [] },
  'pages of several sizes': { ...APART, pageSize: 2 * MiB, memory: [0, 0] },
})) {
  test(`memory stays, and vCPUs may come to it: ${what}`, async () => {
    const { look } = guestOf(sketch)
    const now = look()
    const { plan } = await decide(now)
    if (plan !== null) await move(plan, new Map([['web', now]]))
    assert.equal(
      look().parts.map(({ node }) => node),
      [0, 0, 0],
    )
  })
}

test('what a guest has on a node goes to another one together, and is not parted from it there', async () => {
  const { look, steps } = guestOf({ vcpus: [ON_0, ON_1], memory: [0, 1], blocks: { 7: 1 } })
  const now = look()
  const cellsIn = ({ vcpus, parts }: GuestNow) => [...vcpus, ...parts].map(({ cell }) => cell)
  assert.equal([now.cells, cellsIn(now)], [2, [0, 1, 0, 1, 1]])
  // They talk to each other: one node is better for both.
  await move((await decide(now)).plan!, new Map([['web', now]]))
  const cells = new Set(steps.map((step) => (/vCPU 0|memory 0/.test(step) ? 0 : 1)))
  assert.is(cells.size, 1)
  assert.is(new Set(look().parts.map(({ node }) => node)).size, 1)
  assert.equal([look().cells, cellsIn(look())], [2, [0, 1, 0, 1, 1]])
})

test('one whose vCPUs float over all nodes is one piece', () => {
  const { look } = guestOf({ vcpus: [ON_0, [...ON_0, ...ON_1]], memory: [0, 1] })
  const { cells, parts } = look()
  assert.equal([cells, parts.map(({ cell }) => cell)], [1, [0, 0]])
})

test.run()
