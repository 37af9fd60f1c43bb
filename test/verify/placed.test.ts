/** `checkPlaced`: whether VMs can be where `current` has them. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { placedRequest } from '../../src/fleet/placed.js'
import { plan } from '../../src/plan.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import { checkPlaced } from '../../src/verify.js'

const host = syntheticHost('pack:2 [numa(memory=8GiB)] l3:2 core:2 pu:2')

function vmOn(name: string, cpus: readonly number[], node = 0, bytes = 2 ** 30): object {
  return {
    name,
    vcpus: cpus.length,
    memory: `${bytes / 2 ** 20}MiB`,
    current: {
      cells: [{ cell: 0, pageSize: 4096, memory: [{ node, bytes }] }],
      vcpus: cpus.map((cpu, vcpu) => ({ vcpu, cell: 0, node, cpus: `${cpu}`, dedicated: true })),
    },
  }
}

function found(...vms: object[]): string[] {
  return checkPlaced(host, { vms }).map(({ constraint }) => constraint)
}

test('what a plan has placed holds', async () => {
  const vm = fc.record({
    vcpus: fc.integer({ min: 1, max: 6 }),
    memory: fc.constantFrom('1GiB', '3GiB'),
    threadPolicy: fc.constantFrom('prefer', 'require', 'isolate', 'spread'),
    cpuPolicy: fc.constantFrom('dedicated', 'shared'),
    emulator: fc.constantFrom('housekeeping', 'dedicated'),
    memoryPolicy: fc.constantFrom('strict', 'preferred', 'interleave'),
  })
  let placed = 0
  await fc.assert(
    fc.asyncProperty(fc.array(vm, { minLength: 1, maxLength: 5 }), async (list) => {
      const request = parseRequest({ vms: list.map((one, at) => ({ name: `vm${at}`, ...one })) })
      const there = placedRequest(request, await plan(host, request, { steps: 100 }))
      placed += there.vms.length
      assert.equal(checkPlaced(host, there), [])
    }),
  )
  assert.ok(placed > 100, `${placed}`)
})

test('a CPU for two, one that is not there, memory that a node does not have', () => {
  assert.equal(found(vmOn('a', [0, 1]), vmOn('b', [2, 3])), [])
  assert.equal(found(vmOn('a', [0, 1]), vmOn('b', [1, 2])), ['cpu-exclusive'])
  assert.ok(found(vmOn('a', [99])).length > 0)
  assert.ok(found(vmOn('a', [0], 7)).length > 0)
  assert.ok(found(vmOn('a', [8])).length > 0, 'a CPU of another node')
  assert.equal(found(vmOn('a', [0], 0, 7 * 2 ** 30), vmOn('b', [2], 0, 7 * 2 ** 30)), ['memory-capacity'])
})

test('a VM that is nowhere is not asked about', () => {
  assert.throws(() => checkPlaced(host, { vms: [{ name: 'a', vcpus: 1, memory: '1GiB' }] }), /vms\[0\]\.current/)
})

test.run()
