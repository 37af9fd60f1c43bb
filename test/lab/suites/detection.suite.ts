/** Detection against the description that the machine was made from, and against hwloc. */

import { detectHost, type HostCpu } from 'homenode'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { directoryReader } from '../../../src/topology/node-fs.js'
import { readLatencies } from '../../../src/topology/nodes.js'
import { skipUnless } from '../../skip.js'
import { hasLstopo, lstopo, summaryOfHost, summaryOfLstopo } from '../../topology/lstopo.js'
import { checkHost } from '../expected.js'
import { homenode, machine, withMemory } from './inside.js'

const host = await detectHost()

test('the host is what the machine was made from', () => checkHost(host, machine))

test('homenode topo shows the same host', async () => {
  const { code, stdout } = await homenode(['topo', '--json'])
  assert.is(code, 0)
  const shown = JSON.parse(stdout)
  checkHost(shown, machine)
  const fixed = (cpus: readonly HostCpu[]) => JSON.stringify(cpus)
  assert.is(fixed(shown.cpus), fixed(host.cpus))
})

test('latencies of HMAT are those of the nodes that reach each memory best', () => {
  const { nodes } = machine
  const expected = nodes.map((_, from) => nodes.map(({ hmat }) => (hmat?.initiator === from ? hmat.latencyNs : null)))
  const found = readLatencies(
    directoryReader('/'),
    nodes.map((_, id) => id),
  )
  assert.equal(found, expected)
  // None of these machines has a node that is told of all memory: distances stay those of SLIT.
  assert.is(host.latencies, undefined)
})

skipUnless(hasLstopo, 'lstopo is not installed')('the host is what lstopo shows', () => {
  const shown = summaryOfLstopo(lstopo([]))
  // hwloc leaves nodes without memory out.
  assert.equal({ ...summaryOfHost(host), nodes: withMemory }, shown)
})

test.run()
