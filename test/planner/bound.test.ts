import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Host } from '../../src/types.js'

const planner = await Planner.load()

interface Shape {
  readonly count: number
  readonly llcs: number
  readonly cores: number
  readonly distances: readonly number[]
  /** GiB by node. */
  readonly memory: readonly number[]
}

/** Even nodes at given distances, of which some may have less memory. */
const nodes: fc.Arbitrary<Shape> = fc.record({
  count: fc.integer({ min: 2, max: 5 }),
  llcs: fc.integer({ min: 1, max: 2 }),
  cores: fc.integer({ min: 2, max: 4 }),
  distances: fc.array(fc.constantFrom(12, 12, 21, 32), { minLength: 25, maxLength: 25 }),
  memory: fc.array(fc.constantFrom(4, 4, 4, 1, 0), { minLength: 5, maxLength: 5 }),
})

function hostOf({ count, llcs, cores, distances, memory }: Shape): Host {
  const host = syntheticHost(`numa:${count} l3:${llcs} core:${cores} pu:1`)
  const far = (a: number, b: number) => distances[Math.min(a, b) * 5 + Math.max(a, b)] ?? 20
  return {
    ...host,
    nodes: host.nodes.map((node) => {
      const bytes = (memory[node.id] ?? 0) * 2 ** 30
      return {
        ...node,
        memory: { total: bytes, free: bytes },
        pages: [{ size: 4096, total: bytes / 4096, free: bytes / 4096 }],
      }
    }),
    distances: host.distances.map((row, a) => row.map((_, b) => (a === b ? 10 : far(a, b)))),
  }
}

/** The same machine, its nodes and CPUs numbered from the other end. */
function reversed(host: Host): Host {
  const node = (id: number) => host.nodes.length - 1 - id
  const cpu = (id: number) => host.cpus.length - 1 - id
  return {
    ...host,
    nodes: host.nodes.map((_, id) => ({ ...host.nodes[node(id)]!, id })),
    distances: host.distances.map((row, a) => row.map((_, b) => host.distances[node(a)]?.[node(b)] ?? 10)),
    cpus: host.cpus.map((_, id) => {
      const old = host.cpus[cpu(id)]!
      const llcs = Math.max(...host.cpus.map(({ llc }) => llc ?? 0))
      return { ...old, id, node: node(old.node ?? 0), core: id, llc: llcs - (old.llc ?? 0) }
    }),
  }
}

const vm = fc.record({ vcpus: fc.integer({ min: 1, max: 14 }), memory: fc.constantFrom('64MiB', '1GiB', '60KiB') })

test('no number of cells gives a plan below the bound of the VM that leaves it open', () => {
  let compared = 0
  fc.assert(
    fc.property(nodes, vm, (shape, asked) => {
      const host = hostOf(shape)
      const plan = planner.plan(host, parseRequest({ vms: [{ ...asked, name: 'a' }] }))
      if (plan.vms.length === 0) return
      for (let cells = 1; cells <= asked.vcpus; cells++) {
        const fixed = planner.plan(host, parseRequest({ vms: [{ ...asked, name: 'a', cells }] }), { steps: 100 })
        if (fixed.vms.length === 0) continue
        compared++
        assert.ok(fixed.cost.lostVcpus >= plan.cost.lowerBound, `${cells} cells: ${fixed.cost.lostVcpus}`)
        if (plan.status === 'optimal') assert.ok(fixed.cost.lostVcpus >= plan.cost.lostVcpus)
      }
    }),
    { numRuns: 150 },
  )
  assert.ok(compared > 300, `${compared} plans compared`)
})

test('numbering the nodes and CPUs from the other end does not change what is proven', () => {
  let proven = 0
  fc.assert(
    fc.property(nodes, vm, (shape, asked) => {
      // Which memory a node without its own uses goes by numbers, where distances are equal.
      const host = hostOf({ ...shape, memory: shape.memory.map((gibibytes) => Math.max(1, gibibytes)) })
      const request = parseRequest({ vms: [{ ...asked, name: 'a' }] })
      const plan = planner.plan(host, request)
      const mirrored = planner.plan(reversed(host), request)
      assert.is(mirrored.vms.length, plan.vms.length)
      assert.ok(mirrored.cost.lostVcpus >= plan.cost.lowerBound)
      assert.ok(plan.cost.lostVcpus >= mirrored.cost.lowerBound)
      if (plan.status !== 'optimal' || mirrored.status !== 'optimal') return
      proven++
      assert.is(mirrored.cost.lostVcpus, plan.cost.lostVcpus)
    }),
    { numRuns: 300 },
  )
  assert.ok(proven > 150, `${proven} proven`)
})

test.run()
