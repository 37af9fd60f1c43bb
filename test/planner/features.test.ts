/** What a request may ask for beside whole cells of dedicated vCPUs, by small cases worked out by hand. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { plan } from '../../src/plan.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Plan } from '../../src/types.js'
import { verifyPlan } from '../../src/verify.js'

const GiB = 2 ** 30
/** Two nodes of four CPUs in one LLC, 4 GiB each. */
const twoNodes = syntheticHost('numa:2(memory=4GiB) l3:1 core:4 pu:1')

async function planned(request: object, host = twoNodes): Promise<Plan> {
  return verifyPlan(host, request, await plan(host, request))
}

test('a cell that spans nodes has memory in proportion to its vCPUs on each', async () => {
  const request = { vms: [{ name: 'a', vcpus: 6, memory: '3GiB', cells: 1, span: true }] }
  const found = await planned(request)
  assert.equal(
    found.vms[0]?.vcpus.map(({ cell, node }) => [cell, node]),
    [...Array(4).fill([0, 0]), ...Array(2).fill([0, 1])],
  )
  assert.equal(found.vms[0]?.cells[0]?.memory, [
    { node: 0, bytes: 2 * GiB },
    { node: 1, bytes: GiB },
  ])
})

test('interleaved memory is even over the nodes of the VM, preferred memory spills only what does not fit', async () => {
  const memoryOf = async (memoryPolicy: string, vcpus: number, cells: number, memory: string) => {
    const request = { vms: [{ name: 'a', vcpus, memory, cells, memoryPolicy }] }
    return (await planned(request)).vms[0]?.cells.map((cell) => cell.memory)
  }
  const halves = [
    { node: 0, bytes: GiB / 2 },
    { node: 1, bytes: GiB / 2 },
  ]
  assert.equal(await memoryOf('interleave', 6, 2, '2GiB'), [halves, halves])
  assert.equal(await memoryOf('interleave', 2, 1, '2GiB'), [[{ node: 0, bytes: 2 * GiB }]])
  assert.equal(await memoryOf('preferred', 2, 1, '2GiB'), [[{ node: 0, bytes: 2 * GiB }]])
  assert.equal(await memoryOf('preferred', 2, 1, '5GiB'), [
    [
      { node: 0, bytes: 4 * GiB },
      { node: 1, bytes: GiB },
    ],
  ])
})

test('a VM may have dedicated and shared vCPUs: the shared ones float beside the dedicated', async () => {
  const request = {
    vms: [{ name: 'a', vcpus: 3, memory: '1GiB', cpuPolicy: 'mixed', dedicatedVcpus: '1', demand: 0.5 }],
  }
  const found = await planned(request)
  assert.equal(
    found.vms[0]?.vcpus.map(({ cpus, dedicated }) => [cpus, dedicated]),
    [
      ['1-3', false],
      ['0', true],
      ['1-3', false],
    ],
  )
})

test('vCPUs that talk to each other share an LLC', async () => {
  const host = syntheticHost('numa:1(memory=8GB) l3:2 core:2 pu:1')
  // 0 with 2, 1 with 3.
  const traffic = [0, 1, 2, 3].map((from) => [0, 1, 2, 3].map((to) => (Math.abs(from - to) === 2 ? 1 : 0)))
  const request = { vms: [{ name: 'a', vcpus: 4, memory: '1GiB', traffic }] }
  const found = await planned(request, host)
  assert.is(found.cost.lostVcpus, 0)
  const uniform = { vms: [{ name: 'a', vcpus: 4, memory: '1GiB' }] }
  // Each of the four has two of its three peers in the other LLC: 4 x 0.1 x 2/3.
  assert.is((await planned(uniform, host)).cost.lostVcpus, 0.266667)
})

test('where a VM is now is where it stays, unless moving pays', async () => {
  const vm = { name: 'a', vcpus: 2, memory: '1GiB' }
  const start = await plan(twoNodes, { vms: [{ ...vm, devices: [{ node: 1, strict: true }] }] })
  const { cells, vcpus } = start.vms[0]!
  assert.equal(
    vcpus.map(({ node }) => node),
    [1, 1],
  )
  const current = { cells, vcpus }
  const stays = { vms: [{ ...vm, current }] }
  const found = await planned(stays)
  assert.equal(found.vms[0]?.vcpus, vcpus)
  assert.is(found.cost.lostVcpus, 0)
  // Its device is on node 0 now: to leave costs 2 x 0.001 and 1 GiB / 4 GiB/s / 600 s x 2, to stay 2 x 0.05 a unit of 10.
  const pays = { vms: [{ ...vm, current, devices: [{ node: 0, strict: false }] }] }
  const moved = await planned(pays)
  assert.equal(
    moved.vms[0]?.vcpus.map(({ node }) => node),
    [0, 0],
  )
  assert.is(moved.cost.terms.migration, 0.002833)
  assert.is(moved.cost.lostVcpus, 0.002833)
})

test.run()
