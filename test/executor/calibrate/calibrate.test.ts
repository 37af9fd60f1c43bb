import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { detectHost, parseHost } from '../../../src/topology/index.js'
import type { Host } from '../../../src/types.js'
import { skipUnless } from '../../skip.js'
import { cpus, nodes } from '../plans.js'
import { boundMappings } from '../process.js'
import { executor, failure } from '../vms.js'

const mbind = executor.probeMbind()
const testBound = skipUnless(mbind.usable, mbind.usable ? '' : `memory cannot be bound: ${mbind.text}`)
const host = await detectHost()
const at = (node: number) => host.nodes.findIndex(({ id }) => id === node)
const sources = [...new Set(host.cpus.filter(({ id }) => cpus.includes(id)).map(({ node }) => node!))]

testBound('each pair of nodes is measured, and the host with that is a host file', async () => {
  const told: string[] = []
  let last = -1
  const { measures, spread, notes } = await executor.calibrate(host, {
    onProgress: ({ done, of, what }) => {
      assert.ok(done > last && done < of, `${done} of ${of}`)
      last = done
      told.push(what)
    },
  })
  const measured: Host = { ...host, ...measures, spread }
  assert.equal(parseHost(JSON.parse(JSON.stringify(measured))), measured)
  for (const from of sources) {
    for (const to of nodes.filter((node) => host.nodes[at(node)]!.memory.total !== 0)) {
      for (const name of ['latencies', 'bandwidths'] as const) {
        const figure = measures[name][at(from)]![at(to)]
        if (figure === null)
          assert.ok(
            notes.some((note) => note.startsWith(`memory of node ${to} `)),
            notes.join('\n'),
          )
        else assert.ok(figure! > 0 && spread[name][at(from)]![at(to)]! >= 0, `${name} from ${from} to ${to}`)
      }
      assert.ok(told.includes(`latency of the memory of node ${to} from node ${from}`), told.join('\n'))
    }
  }
  // No memory is faster than light, nor slower than a disk.
  for (const ns of measures.latencies.flat()) assert.ok(ns === null || (ns > 1 && ns < 1e6), `${ns}`)
})

const withTwo = skipUnless(mbind.usable && cpus.length > 1, 'memory cannot be bound, or there is one CPU')

withTwo('with one CPU nothing is handed over, and no sibling is busy', async () => {
  const one = { ...host, cpus: host.cpus.map((cpu) => ({ ...cpu, allowed: cpu.id === cpus[0] })) }
  const { measures, notes } = await executor.calibrate(one)
  assert.equal([measures.hops.core, measures.hops.llc, measures.hops.node, measures.smt], [null, null, null, null])
  assert.ok(measures.hops.nodes.flat().every((ns) => ns === null))
  const said = [
    'no two CPUs that can be used are SMT siblings',
    'no two CPUs that can be used share a last-level cache',
  ]
  for (const note of said) assert.ok(notes.includes(note), notes.join('\n'))
  assert.ok(notes.some((note) => / online CPUs? (are|is) outside of this process's cpuset or affinity$/.test(note)))
})

testBound('a node whose memory is forbidden, and CPUs that are offline, are named and not measured', async () => {
  const offline = { ...host.cpus.at(-1)!, id: 4000, online: false, node: null, core: null, llc: null, thread: null }
  const forbidden = {
    ...host,
    nodes: host.nodes.map((node) => ({ ...node, allowed: false })),
    cpus: [...host.cpus, { ...offline, capacity: null }],
  }
  const { measures, notes } = await executor.calibrate(forbidden)
  assert.ok([...measures.latencies, ...measures.bandwidths].flat().every((figure) => figure === null))
  assert.ok(
    notes.some((note) => /^\d+ CPUs? (is|are) offline$/.test(note)),
    notes.join('\n'),
  )
  for (const { id } of host.nodes) assert.ok(notes.includes(`memory of node ${id} is outside of this process's cpuset`))
})

testBound('an abort in the middle of any measurement ends it, and all memory is given back', async () => {
  for (const which of [/^latency/, /^bandwidth/, /^hand-over/, /^what two/]) {
    const controller = new AbortController()
    const why = new Error('enough')
    const ended = executor.calibrate(host, {
      signal: controller.signal,
      onProgress: ({ what }) => {
        if (!which.test(what)) return
        // Before it begins, and when it has begun; where there are no siblings, nothing does.
        if (what.startsWith('what two')) controller.abort(why)
        else setImmediate(() => controller.abort(why))
      },
    })
    assert.is(await failure(ended), why)
    assert.equal(boundMappings(), [])
  }
  assert.is(
    (await failure(executor.calibrate(host, { signal: AbortSignal.abort(new Error('before')) }))).message,
    'before',
  )
})

test.run()
