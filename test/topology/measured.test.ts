import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { syntheticHost, withMeasures } from '../../src/topology/index.js'
import type { Host } from '../../src/types.js'

const shape = (text: string): Host => syntheticHost(text)
const HERE = shape('pack:2 [numa(memory=16GiB)] l3:2 core:2 pu:2')
const FIGURES = {
  latencies: [
    [80, 130],
    [131, 80],
  ],
  smt: 1.3,
  spread: { smt: 0.02 },
}

function refusal(host: Host, measured: Host): string {
  try {
    withMeasures(host, measured)
  } catch (error) {
    if (error instanceof InputError) return error.message
    throw error
  }
  return ''
}

test('what was measured comes into the machine as it is now, and nothing else of the file does', () => {
  const then = { ...HERE, ...FIGURES, nodes: HERE.nodes.map((node) => ({ ...node, memory: { total: 1, free: 1 } })) }
  const offline = HERE.cpus.map((cpu) =>
    cpu.id === 3 ? { ...cpu, online: false, llc: null, core: null, thread: null, capacity: null } : cpu,
  )
  const firmware = {
    latencies: [
      [70, 99],
      [99, 70],
    ],
    hops: {
      core: 1,
      llc: 1,
      node: 1,
      nodes: [
        [null, 1],
        [1, null],
      ],
    },
  }
  const now = { ...HERE, cpus: offline, ...firmware }
  const both = withMeasures(now, then)
  assert.equal(both, { ...HERE, cpus: offline, ...FIGURES })
  assert.is(both.hops, undefined)
})

test('CPUs that are offline then or now are not compared; numbers of cores and caches follow from the others', () => {
  const cpus = HERE.cpus.map((cpu) => (cpu.id < 2 ? { ...cpu, online: false } : { ...cpu, core: cpu.core! - 1 }))
  assert.is(refusal({ ...HERE, cpus }, { ...HERE, ...FIGURES }), '')
  assert.is(refusal({ ...HERE, ...FIGURES }, { ...HERE, cpus, ...FIGURES }), '')
})

test('the file of another machine is refused, with what is other there', () => {
  const cases: [string, RegExp][] = [
    [
      'pack:1 [numa(memory=16GiB)] l3:2 core:4 pu:2',
      /^nodes: expected those of this machine \(0-1\), got 0: it was measured on another one$/,
    ],
    ['pack:2 [numa(memory=16GiB)] l3:2 core:3 pu:2', /^cpus: expected those of this machine \(0-15\), got 0-23: /],
    [
      'pack:2 [numa(memory=16GiB)] l3:1 core:4 pu:2',
      /^cpus: CPU 4: expected on the last-level cache that it has on this machine, got on another: /,
    ],
    ['pack:2 [numa(memory=16GiB)] l3:2 core:4 pu:1', /^cpus: CPU 1: expected on the core /],
    ['pack:1 numa:2(memory=16GiB) l3:2 core:2 pu:2', /^cpus: CPU 8: expected on the package /],
  ]
  for (const [other, says] of cases) assert.match(refusal(HERE, { ...shape(other), ...FIGURES }), says, other)
  const far = HERE.distances.map((row) => row.map((distance) => (distance === 10 ? 10 : 32)))
  assert.match(
    refusal(HERE, { ...HERE, ...FIGURES, distances: far }),
    /^distances: expected those of this machine \(\[\[10,/,
  )
  const moved = HERE.cpus.map((cpu) => (cpu.id === 0 ? { ...cpu, node: HERE.nodes[1]!.id } : cpu))
  assert.match(
    refusal(HERE, { ...HERE, ...FIGURES, cpus: moved }),
    /^cpus: CPU 0: expected node 0, as on this machine, got node 1: /,
  )
})

test('a host that nobody measured is refused', () => {
  assert.is(refusal(HERE, HERE), 'expected a host with what "homenode calibrate" measured, got one without')
})

test.run()
