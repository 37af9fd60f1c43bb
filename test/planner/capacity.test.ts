import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { capacity } from '../../src/capacity.js'
import { InputError } from '../../src/errors.js'
import { plan } from '../../src/plan.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import { hostShape, makeHost } from './cases.js'

const host = syntheticHost('pack:2 [numa(memory=8GiB)] l3:1 core:4 pu:2')

test('as many fit as there are cores for, and the next has no CPU', async () => {
  const request = { vms: [{ name: 'a', vcpus: 2, memory: '256MiB' }] }
  const found = await capacity(host, request, 'a')
  assert.is(found.more, 7)
  assert.equal(
    found.because.map(({ constraint }) => constraint),
    ['cpu-exclusive'],
  )
})

test('as many fit as there is memory for, and the next has none', async () => {
  const request = { vms: [{ name: 'a', vcpus: 1, memory: '3GiB', cpuPolicy: 'shared', demand: 0.1 }] }
  const found = await capacity(host, request, 'a')
  assert.is(found.more, 3)
  // 2 GiB are left on each node: enough together, were it not for the other two.
  assert.equal(
    found.because.map(({ constraint }) => constraint),
    ['cell-node', 'memory-capacity', 'memory-policy'],
  )
})

test('a VM that does not fit itself leaves the others their room', async () => {
  const request = {
    vms: [
      { name: 'huge', vcpus: 100, memory: '256MiB' },
      { name: 'a', vcpus: 8, memory: '256MiB' },
    ],
  }
  assert.is((await capacity(host, request, 'a')).more, 1)
  assert.is((await capacity(host, request, 'huge')).more, 0)
})

test('a VM that is not in the request is refused by name', async () => {
  const request = { vms: [{ name: 'a', vcpus: 1, memory: '256MiB' }] }
  await capacity(host, request, 'b').then(
    () => assert.unreachable(),
    (error) => {
      assert.instance(error, InputError)
      assert.match(error.message, 'expected the name of a VM of the request ("a"), got "b"')
    },
  )
})

test('the number is that of the copies that a plan of the request with them places, and one more does not fit', async () => {
  await fc.assert(
    fc.asyncProperty(hostShape, fc.integer({ min: 1, max: 4 }), async (shape, vcpus) => {
      const model = { vcpus, memory: '300MiB' }
      const small = makeHost(shape)
      const { more, because } = await capacity(small, { vms: [{ ...model, name: 'a' }] }, 'a')
      const copies = (count: number) => Array.from({ length: count }, (_, at) => ({ ...model, name: `vm${at}` }))
      const all = await plan(small, { vms: copies(more + 1) })
      assert.ok(more === 0 || all.refused.length === 0)
      const beyond = await plan(small, { vms: copies(more + 2) })
      assert.ok(beyond.refused.length > 0)
      assert.ok(because.length > 0)
    }),
    { numRuns: 25 },
  )
})

test.run()
