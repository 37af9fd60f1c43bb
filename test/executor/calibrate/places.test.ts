import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  acrossNodes,
  coresOn,
  inOneLlc,
  memoryNodes,
  onOneNode,
  type Pair,
  siblings,
  someOf,
  usableCpus,
} from '../../../executor/calibrate/places.js'
import type { HostCpu } from '../../../src/types.js'
import { hostShape, makeHost } from '../../planner/cases.js'

test('each pair is of the kind that it stands for, of CPUs that can be used; where there is one, one is found', () => {
  const met = { core: 0, llc: 0, node: 0, nodes: 0 }
  fc.assert(
    fc.property(hostShape, fc.integer({ min: 0, max: 9 }), (shape, without) => {
      const host = makeHost(shape)
      const affinity = host.cpus.map(({ id }) => id).filter((id) => id !== without)
      const cpus = usableCpus(host, affinity)
      assert.ok(cpus.every((cpu) => cpu.online && cpu.allowed && cpu.id !== without))
      const of = (pair: Pair) => pair.map((id) => cpus.find((cpu) => cpu.id === id)!) as [HostCpu, HostCpu]
      const any = (holds: (a: HostCpu, b: HostCpu) => boolean) =>
        cpus.some((a) => cpus.some((b) => a.id !== b.id && holds(a, b)))
      const kinds = {
        core: [siblings(cpus), (a: HostCpu, b: HostCpu) => a.core === b.core],
        llc: [inOneLlc(cpus), (a: HostCpu, b: HostCpu) => a.core !== b.core && a.llc === b.llc],
        node: [onOneNode(cpus), (a: HostCpu, b: HostCpu) => a.llc !== b.llc && a.node === b.node],
        nodes: [acrossNodes(cpus, 0, 1), (a: HostCpu, b: HostCpu) => [a.node, b.node].sort().join() === '0,1'],
      } as const
      for (const [kind, [pairs, holds]] of Object.entries(kinds)) {
        for (const pair of pairs) assert.ok(pair[0] !== pair[1] && holds(...of(pair)), kind)
        // CPUs of no known node are in none.
        const known = (a: HostCpu, b: HostCpu) => holds(a, b) && a.node !== null && b.node !== null
        if (any(known)) assert.ok(pairs.length > 0, kind)
        if (pairs.length > 0) met[kind as keyof typeof met]++
      }
    }),
  )
  for (const [kind, times] of Object.entries(met)) assert.ok(times > 0, kind)
})

test('nodes without memory, and those outside of the cpuset, are not measured', () => {
  const shape = { packages: 1, nodes: 3, llcs: 1, cores: 2, threads: 1, memory: [1, 0, 1], distance: 20 }
  const host = makeHost({ ...shape, spoil: { offline: 0, disallowed: 0, slow: 0 }, closed: 2 })
  assert.equal(memoryNodes(host), [0])
  assert.equal(
    coresOn(host.cpus, 1).map(({ id }) => id),
    [2, 3],
  )
})

test('some of many are apart from each other', () => {
  assert.equal(someOf([0, 1, 2, 3, 4, 5, 6], 3), [0, 2, 4])
  assert.equal(someOf([0, 1], 3), [0, 1])
  assert.equal(someOf([], 3), [])
})

test.run()
