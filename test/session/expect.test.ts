/** Room for those to come, in a session. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Session } from '../../src/session.js'
import { syntheticHost } from '../../src/topology/index.js'
import type { Host, Request } from '../../src/types.js'
import { checkPlan, roomBeside } from '../../src/verify.js'
import { smallHosts } from '../small-hosts.js'

const nodeOf = ({ vms }: Request, name: string) => vms.find((vm) => vm.name === name)!.current!.vcpus[0]!.node

/** The mean room that what is placed keeps for those to come. */
function roomOf(host: Host, { placed }: Session): number {
  const vms = placed.vms.map(({ name, current }) => {
    return { name, cost: { lostVcpus: 0, terms: {} }, ...current!, emulator: '', iothreads: [] }
  })
  return roomBeside(host, placed, vms).mean
}

test('a VM that comes goes to the smaller gap that it fits into, also after others have gone and where a session was opened again', async () => {
  const host = syntheticHost('pack:2 [numa(memory=16GiB)] l3:1 core:8 pu:1')
  const nodes: number[] = []
  for (const expect of [[{ vcpus: 4, memory: '1GiB' }], []]) {
    for (const reopened of [false, true]) {
      // On node 0 four CPUs are left, on node 1 two; "gone" had been on them.
      let session = await Session.open(host, { expect, vms: [] })
      session.add({ name: 'a', vcpus: 4, memory: '1GiB', cells: 1, memoryNodes: '0' })
      session.add({ name: 'b', vcpus: 6, memory: '1GiB', cells: 1, memoryNodes: '1' })
      session.add({ name: 'gone', vcpus: 2, memory: '1GiB', cells: 1, memoryNodes: '1' })
      session.remove('gone')
      if (reopened) session = await Session.open(host, session.placed)
      const { plan, request } = session.add({ name: 'c', vcpus: 2, memory: '1GiB', cells: 1 })
      assert.equal(checkPlan(host, request!, plan), [])
      assert.is(plan!.cost.lostVcpus, 0)
      nodes.push(nodeOf(session.placed, 'c'))
      if (expect.length === 0) continue
      assert.is(roomOf(host, session), 1)
      const { refused } = session.add({ name: 'd', vcpus: 4, memory: '1GiB', cells: 1 })
      assert.is(refused, null)
      assert.is(roomOf(host, session), 0)
    }
  }
  assert.equal(nodes, [1, 1, 0, 0])
})

const size = fc.record({
  vcpus: fc.integer({ min: 1, max: 4 }),
  memory: fc.constantFrom('512MiB', '1GiB', '3GiB'),
})
const events = fc.record({
  host: smallHosts,
  expect: fc.uniqueArray(size, { minLength: 1, maxLength: 3, selector: ({ vcpus, memory }) => `${vcpus} ${memory}` }),
  strategy: fc.constantFrom('pack', 'spread'),
  come: fc.array(fc.tuple(size, fc.nat(2), fc.nat(99)), { minLength: 4, maxLength: 9 }),
})

/** The last one has two gaps to go to, the larger of which is one that is expected. */
const GAPS: typeof events extends fc.Arbitrary<infer Value> ? Value : never = {
  host: syntheticHost('numa:2(memory=4GiB) l3:1 core:4 pu:1'),
  expect: [{ vcpus: 2, memory: '1GiB' }],
  strategy: 'pack',
  come: [2, 3, 1].map((vcpus) => [{ vcpus, memory: '512MiB' }, 1, 0]),
}

test('of the nodes where a VM that comes costs least, none keeps more room than the one that it gets', async () => {
  const met = { placed: 0, better: 0 }
  await fc.assert(
    fc.asyncProperty(events, async ({ host, come, ...settings }) => {
      const session = await Session.open(host, { ...settings, vms: [] }, { moves: false })
      for (const [at, [wanted, kind, number]] of come.entries()) {
        const before = session.placed
        if (kind === 0 && before.vms.length > 0) {
          session.remove(before.vms[number % before.vms.length]!.name)
          continue
        }
        const vm = { ...wanted, name: `vm${at}`, cells: 1 }
        // Each node by itself: its one cell is where its device is.
        const others = host.nodes.flatMap(({ id }) => {
          const { plan } = session.add({ ...vm, devices: [{ node: id }] })
          if (plan === null) return []
          const room = roomOf(host, session)
          session.remove(vm.name)
          return [{ cost: plan.cost.lostVcpus, room }]
        })
        const { plan, request } = session.add(vm)
        if (plan === null) {
          assert.equal(others, [])
          continue
        }
        assert.equal(checkPlan(host, request, plan), [])
        const least = Math.min(...others.map(({ cost }) => cost))
        const rooms = others.filter(({ cost }) => cost === least).map(({ room }) => room)
        assert.is(plan.cost.lostVcpus, least)
        assert.is(roomOf(host, session), Math.max(...rooms))
        met.placed++
        if (Math.min(...rooms) < Math.max(...rooms)) met.better++
      }
    }),
    { numRuns: 30, endOnFailure: true, includeErrorInReport: true, examples: [[GAPS]] },
  )
  assert.ok(met.placed > 0 && met.better > 0, JSON.stringify(met))
})

test.run()
