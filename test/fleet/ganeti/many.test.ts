/**
 * Many instances at once on one node of Ganeti, which is said to be a host that it is not: they are not started. The other node is there for hail,
 * which wants room elsewhere should one fail.
 */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import { skipUnless } from '../../skip.js'
import { Cluster, INSTANCE, missing } from './cluster.js'

const why = missing()
const withGaneti = skipUnless(why === null, why ?? '')
const MANY = Array.from({ length: 20 }, (_, at) => `vm${at + 1}`)

let cluster: Cluster
test.before(async () => {
  if (why === null) cluster = await Cluster.start(2)
})
test.after(() => cluster?.end())

withGaneti('20 at once give no CPU twice', async () => {
  cluster.file('hosts/node1.json', syntheticHost('pack:1 [numa(memory=64GiB)] l3:6 core:4 pu:1'))
  cluster.file('instance.json', { ...INSTANCE, start: false })
  for (const name of MANY) cluster.file(`${name}.json`, { vms: [{ name, vcpus: 1, memory: '64MiB' }] })
  const all = await Promise.all(MANY.map((name) => cluster.made(cluster.creation(name, 'instance.json', 'hosts'))))
  const there = await cluster.instances('pnode', 'hv/cpu_mask')
  assert.is(there.size, MANY.length)
  const seats = [...there.values()].map((place) => place.join(' '))
  assert.is(new Set(seats).size, MANY.length, seats.join(', '))
  assert.equal(
    all.map(({ node, hvparams }) => `${node} ${hvparams.cpu_mask}`),
    MANY.map((name) => there.get(name)!.join(' ')),
  )
})

test.run()
