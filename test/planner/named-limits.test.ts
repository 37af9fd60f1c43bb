/** Hosts and requests beyond what one problem can hold are refused at the place, before they are put into the module. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { plan } from '../../src/plan.js'
import { MAX } from '../../src/planner/generated/abi.js'
import { parseHost, syntheticHost } from '../../src/topology/index.js'

const TWO_NODES = syntheticHost('node:2 core:4 pu:1')

function hostWith(...pages: readonly number[]) {
  const { schemaVersion, kind } = TWO_NODES
  return parseHost({
    schemaVersion,
    kind,
    nodes: [
      { id: 0, memory: { total: 2 ** 30, free: 2 ** 30 }, pages: pages.map((size) => ({ size, total: 9, free: 9 })) },
    ],
    cpus: TWO_NODES.cpus.filter(({ node }) => node === 0),
  })
}

const vm = (fields: object) => ({ name: 'a', vcpus: 1, memory: '1MiB', ...fields })
const many = <Value>(count: number, make: (at: number) => Value) => Array.from({ length: count }, (_, at) => make(at))

async function refused(host: Parameters<typeof plan>[0], vms: readonly object[], says: RegExp): Promise<void> {
  const error: Error = await plan(host, { vms }, { steps: 0 }).then(
    () => new Error('it was planned'),
    (error) => error,
  )
  assert.is(error.name, 'InputError', error.message)
  assert.match(error.message, says)
}

test('page sizes: so many on all nodes, as large as a host file allows', async () => {
  const sizes = many(MAX.PAGE_SIZES + 1, (at) => 4096 * 2 ** at)
  await refused(hostWith(...sizes), [vm({})], /^nodes: expected at most 8 sizes of pages, got 9/)
  assert.is((await plan(hostWith(...sizes.slice(1)), { vms: [vm({})] })).status, 'optimal')
  assert.is((await plan(hostWith(4096, 2 ** 52), { vms: [vm({})] })).status, 'optimal')
})

test('devices: so many of all VMs together', async () => {
  const vms = many(3, (at) => vm({ name: `v${at}`, devices: many(6000, () => ({ node: 0 })) }))
  await refused(TWO_NODES, vms, /^vms\[2\]\.devices: expected at most 16384 /)
})

test('relations: so many pairs, each counted once, whoever names the other', async () => {
  const group = (fields: (at: number) => object) => many(130, (at) => vm({ name: `x${at}`, ...fields(at) }))
  const others = many(130, (at) => vm({ name: `y${at}` }))
  const names = others.map(({ name }) => name)
  for (const relation of ['separateFrom', 'near']) {
    const vms = [...group(() => ({ [relation]: names })), ...others]
    await refused(TWO_NODES, vms, /^vms: expected at most 16384 relations \(separateFrom, near\) between VMs/)
  }
  // Again and again the same: one pair.
  const again = [
    vm({ separateFrom: Array(9000).fill('b'), cpuPolicy: 'shared' }),
    vm({ name: 'b', separateFrom: Array(9000).fill('a') }),
  ]
  assert.is((await plan(TWO_NODES, { vms: again })).status, 'optimal')
})

test('CPUs that the host does not have are named as a list', async () => {
  const error: Error = await plan(TWO_NODES, { reserve: { cpus: '0-9999' }, vms: [vm({})] }).catch((error) => error)
  assert.is(error.message, 'reserve.cpus: expected CPUs of the host, got 8-9999')
})

test.run()
