/** Hosts, plans and maps on a terminal of 80 columns. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { showPlanMap } from '../../src/cli/map-view.js'
import { styleOf } from '../../src/cli/output.js'
import { showPlan } from '../../src/cli/plan-view.js'
import { showHost } from '../../src/cli/topo-view.js'
import { parseCpulist, shortCpulist } from '../../src/cpulist.js'
import { sceneOfPlan } from '../../src/picture/of-plan.js'
import { plan } from '../../src/plan.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/index.js'
import type { Host } from '../../src/types.js'
import { hosts } from '../picture/scenes.js'

const COLUMNS = 80
const narrow = styleOf({ columns: COLUMNS }, 'never')

function tooLong(text: string): string[] {
  return text.split('\n').filter((line) => line.length > COLUMNS)
}

test('a short cpulist has the same CPUs, and is no longer', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 90 })), (ids) => {
      const sorted = [...ids].sort((a, b) => a - b)
      const text = shortCpulist(ids)
      assert.equal(parseCpulist(text, { allowEmpty: true }), sorted)
      assert.ok(text.length <= sorted.join().length)
    }),
  )
  assert.is(shortCpulist([0, 2, 4, 6, 8, 10, 12, 14]), '0-14:2')
  assert.is(shortCpulist([0, 1, 2, 3, 8, 10, 12]), '0-3,8,10,12')
  assert.is(shortCpulist([5]), '5')
})

test('hosts of any shape keep to the width', () => {
  fc.assert(
    fc.property(hosts, (host) => {
      assert.equal(tooLong(showHost(host, narrow)), [])
    }),
    { numRuns: 60 },
  )
})

test('many distances become lists that say the same', () => {
  const host = syntheticHost('pack:16 group:4 [numa(memory=1GiB)] core:1 pu:1')
  const text = showHost(host, narrow)
  assert.equal(tooLong(text), [])
  assert.match(text, /^Node distances\nNODE +HOW FAR TO WHICH NODES\n +0 +10 to 0; 20 to 1-63\n/m)
  assert.match(text, /^ +5 +10 to 5; 20 to 0-4,6-63$/m)
})

/** CPUs of a node are every second, fourth and so on: the lists that are longest. */
function interleaved(): Host {
  const host = syntheticHost('pack:4 [numa(memory=64GiB)] l3:2 core:8 pu:2')
  const half = host.cpus.length / 4
  const moved = host.cpus.map((cpu, at) => ({ ...cpu, id: (at % half) * 4 + Math.floor(at / half) }))
  return { ...host, cpus: moved.sort((a, b) => a.id - b.id) }
}

const REQUEST = {
  reserve: { cpus: '0,4', memory: '1GiB' },
  vms: [
    { name: 'db', vcpus: 30, memory: '96GiB', cells: 3, iothreads: 2 },
    { name: 'web', vcpus: 20, memory: '16GiB', threadPolicy: 'isolate', emulator: 'dedicated', iothreads: 1 },
    { name: 'batch', vcpus: 24, memory: '8GiB', cpuPolicy: 'shared', demand: 0.25 },
    { name: 'big', vcpus: 300, memory: '1GiB' },
  ],
}

test('plans and maps keep to the width where CPUs are numbered in turn', async () => {
  const host = interleaved()
  const request = parseRequest(REQUEST)
  const made = await plan(host, request, { steps: 100 })
  assert.equal([made.vms.length, made.refused.length], [3, 1])
  const text = showPlan(made, narrow)
  assert.equal(tooLong(text), [])
  assert.match(text, /:4/)
  assert.equal(tooLong(showPlanMap(sceneOfPlan(host, request, made), made, narrow)), [])
})

test('a map has a character for each CPU and the letter of the VM that has it', async () => {
  const host = interleaved()
  const request = parseRequest(REQUEST)
  const made = await plan(host, request, { steps: 100 })
  const text = showPlanMap(sceneOfPlan(host, request, made), made, narrow)
  const letters = [...text.matchAll(/^ {2}LLC \d+ +(.*?) {2}[\d,:-]+$/gm)].map(([, row]) => row!.replaceAll(' ', ''))
  assert.is(letters.join('').length, host.cpus.length)
  const countOf = (letter: string) => letters.join('').split(letter).length - 1
  assert.equal([countOf('a'), countOf('b'), countOf('+'), countOf('='), countOf('c')], [30, 20, 2, 2, 0])
  const floats = parseCpulist(made.vms[2]!.vcpus[0]!.cpus)
  assert.is(countOf('~'), floats.length)
  assert.match(text, /^a db, b web, c batch$/m)
  assert.match(text, /^\. free, ~ shared, \+ VMM's thread, = reserved$/m)
  assert.match(text, /^refused: big$/m)
  assert.match(text, /^partial: 3 of 4 VMs placed/)
})

test('a map says which CPUs are offline or not allowed', () => {
  fc.assert(
    fc.property(hosts, (host) => {
      const none = {
        status: 'infeasible',
        cost: { lostVcpus: 0, lowerBound: 0, gap: 0, terms: {} },
        vms: [],
        refused: [],
      }
      const request = parseRequest({ vms: [{ name: 'a', vcpus: 1, memory: '1MiB' }] })
      const text = showPlanMap(sceneOfPlan(host, request, none as never), none as never, narrow)
      // A cache with many CPUs takes several lines.
      const row = /^ {2}(?:LLC \S+| +) +([.x!]+(?: [.x!]+)*)(?: {2}[\d,:-]+)?$/
      const marks = text
        .split('\n')
        .map((line) => row.exec(line)?.[1]?.replaceAll(' ', '') ?? '')
        .join('')
      const expected = host.cpus.map((cpu) => (!cpu.online ? 'x' : cpu.allowed ? '.' : '!'))
      assert.is([...marks].sort().join(''), expected.sort().join(''))
      assert.equal(tooLong(text), [])
    }),
    { numRuns: 300 },
  )
})

test.run()
