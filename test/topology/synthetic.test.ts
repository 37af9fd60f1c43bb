import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { parseHost } from '../../src/topology/hostfile.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import { skipUnless } from '../skip.js'
import { hasLstopo, lstopo, summaryOfHost, summaryOfLstopo } from './lstopo.js'

const testWithLstopo = skipUnless(hasLstopo, 'lstopo is not installed')

/** Descriptions that hwloc takes, with everything of its syntax that a Host can show. */
const SPECS = [
  'pu:4',
  'pack:2 [numa(memory=64GB)] l3:2 core:8 pu:2',
  'pack:2 numa:2 core:2 pu:1',
  'numa:2(memory=16GiB) pack:1 core:2 pu:2',
  'node:3 core:2 pu:1',
  'socket:2 die:2 l3:1 l2:2 core:1 pu:2',
  'Package:2 NUMANode:1(memory=1000kB) L3Cache:2(size=4MB) L2:1 L1d:1 L1i:1 Core:2 PU:1',
  'pa:2 co:2 pu:2',
  'group:2 group:2 pack:1 core:2 pu:1',
  '2',
  '2 3',
  '2 2 2',
  '2 2 2 1',
  '2 1 2 2 1',
  '2 1 2 1 2 1',
  '1 2 2 1 2 1 2',
  '1 1 2 2 1 1 2 2',
  '2 1 1 2 1 1 1 2 1',
  '2 [numa] 2 2',
  'core:2 2',
  'pack:2[numa(memory=2GB)]core:2 pu:2',
  'pack:2 [numa(memory=1GB)] [numa(memory=2GB)] core:2 pu:2',
  '[numa(memory=4GB)] pack:2 [numa(memory=1GB)] core:2 pu:1',
  'pack:2 [numa(memory=1GB)] core:2 [numa(memory=2GB)] pu:2',
  'pack:2 core:2 pu:2(indexes=0,2,4,6,1,3,5,7)',
  'pack:2 core:2 pu:2(indexes=core:pack)',
  'pack:2 core:2 pu:2(indexes=pack:core)',
  'pack:2 core:2 pu:2(indexes=pack)',
  'pack:2 numa:2(indexes=pack) core:1 pu:1',
  'pack:2 core:2 pu:2(indexes=2*2:4*2)',
  'pack:2 core:4 pu:2(indexes=2*8:1*2)',
  'pack:2(indexes=7,9) numa:1(indexes=3,1) core:2 pu:1',
  'pack:2 [numa(memory=1MB indexes=5,2)] core:2 pu:1',
  'pack:2 [numa(memory=1MB)] [numa(memory=2MB indexes=4,3,5,1)] core:2 pu:1',
]

for (const spec of SPECS) {
  testWithLstopo(`"${spec}" is what lstopo makes of it`, () => {
    const peer = lstopo(['--input', spec])
    const host = syntheticHost(spec)
    assert.equal(summaryOfHost(host), summaryOfLstopo(peer))
    const nodes = peer.filter(({ type }) => type === 'NUMANode').sort((a, b) => a.id - b.id)
    // lstopo 2.9 shows no memory for nodes in brackets that are given none.
    const expected = nodes.map(({ memory }) => memory || 2 ** 30)
    assert.equal(
      host.nodes.map(({ memory }) => memory.total),
      expected,
    )
    for (const cpu of host.cpus) {
      const around = nodes.filter(({ cpus }) => cpus.includes(cpu.id))
      const least = Math.min(...around.map(({ cpus }) => cpus.length))
      assert.ok(around.some(({ id, cpus }) => id === cpu.node && cpus.length === least))
    }
  })
}

/** Descriptions from the outside to the inside, of at most 256 CPUs. */
const description = fc
  .record({
    numa: fc.constantFrom('none', 'level', 'brackets'),
    counts: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 7, maxLength: 7 }),
    levels: fc.subarray(['group', 'pack', 'numa', 'die', 'l3', 'l2', 'core']),
    threads: fc.integer({ min: 1, max: 2 }),
  })
  .map(({ numa, counts, levels, threads }) => {
    const kept = levels.filter((level) => level !== 'numa' || numa === 'level')
    const words = kept.map((level, index) => `${level}:${index < 5 ? counts[index] : 1}`)
    if (numa === 'brackets')
      words.splice(Math.min(1, kept.length - (kept.at(-1) === 'core' ? 1 : 0)), 0, '[numa(memory=3GiB)]')
    return [...words, `pu:${threads}`].join(' ')
  })

testWithLstopo('descriptions at random are what lstopo makes of them', () => {
  fc.assert(
    fc.property(description, (spec) => {
      assert.equal(summaryOfHost(syntheticHost(spec)), summaryOfLstopo(lstopo(['--input', spec])), spec)
    }),
    { numRuns: 20 },
  )
})

test('every description gives a valid host file', () => {
  fc.assert(
    fc.property(description, (spec) => {
      const host = syntheticHost(spec)
      assert.equal(parseHost(JSON.parse(JSON.stringify(host))), host)
    }),
  )
  for (const spec of SPECS)
    assert.equal(parseHost(JSON.parse(JSON.stringify(syntheticHost(spec)))), syntheticHost(spec))
})

test('a node has 1 GiB where nothing is said, and none where 0 is said', () => {
  const { nodes, distances } = syntheticHost('numa:3(memory=0) pu:1')
  assert.equal(
    nodes.map(({ memory }) => memory.total),
    [0, 0, 0],
  )
  assert.equal(distances, [
    [10, 20, 20],
    [20, 10, 20],
    [20, 20, 10],
  ])
  assert.equal(syntheticHost('pack:1 [numa] [numa(memory=0)] pu:1').nodes, [
    { id: 0, memory: { total: 2 ** 30, free: 2 ** 30 }, pages: [{ size: 4096, total: 262144, free: 262144 }] },
    { id: 1, memory: { total: 0, free: 0 }, pages: [{ size: 4096, total: 0, free: 0 }] },
  ])
})

test('the unit decides: GB is decimal, GiB binary, a bare number bytes', () => {
  const memoryOf = (size: string) => syntheticHost(`numa:1(memory=${size}) pu:1`).nodes[0]!.memory.total
  assert.equal(['8192', '1kB', '1MB', '2GB', '1TB', '1MiB', '1GiB'].map(memoryOf), [
    8192,
    1e3,
    1e6,
    2e9,
    1e12,
    2 ** 20,
    2 ** 30,
  ])
})

test('threads are counted within their core, wherever their numbers are', () => {
  const { cpus } = syntheticHost('core:2 pu:2(indexes=0,2,1,3)')
  assert.equal(
    cpus.map(({ id, core, thread }) => [id, core, thread]),
    [
      [0, 0, 0],
      [1, 1, 0],
      [2, 0, 1],
      [3, 1, 1],
    ],
  )
})

test('what is wrong is named with its place', () => {
  const cases: [string, number, RegExp][] = [
    ['', 1, /levels, such as/],
    ['  \n', 1, /levels, such as/],
    ['[numa]', 1, /levels, such as/],
    ['foo:2 pu:1', 1, /a level: package/],
    ['pack:2 c:2 pu:1', 8, /a level/],
    ['machine:1 pu:2', 1, /a level/],
    ['l6:1 pu:2', 1, /a level/],
    ['pack:2 core:2', 8, /"pu" as the last level/],
    ['pu:2 core:1', 6, /"pu" as the last level/],
    ['pack:0 pu:2', 6, /a count from 1/],
    ['pack:01 pu:2', 6, /a count from 1/],
    ['pack:-1 pu:2', 6, /a count/],
    ['pack: pu:2', 6, /a count/],
    ['pack pu:2', 5, /":" and a count/],
    ['pack:2, pu:1', 7, /a space/],
    ['pu:4097', 4, /at most|from 1 to 4096/],
    ['pu:99999999999999999999999', 4, /from 1 to 4096/],
    ['pack:64 core:64 pu:2', 17, /at most 4096 CPUs/],
    ['numa:257 pu:1', 1, /at most 256 NUMA nodes/],
    ['pack:200 [numa] [numa] pu:1', 11, /at most 256 NUMA nodes/],
    ['numa:2 numa:2 pu:1', 8, /one numa level only/],
    ['pack:2 pack:2 pu:1', 8, /one package level only/],
    ['numa:1 [numa] pu:1', 1, /as a level or in brackets/],
    ['core:2 numa:2 pu:1', 8, /one NUMA node/],
    ['core:2 pu:2 [numa]', 14, /one NUMA node/],
    ['2 core:2 pu:1', 1, /types for all levels/],
    ['pack:2 [core] pu:1', 9, /"numa"/],
    ['pack:2 [numa pu:1', 13, /"]"/],
    ['pack:2 [numa:2] pu:1', 13, /"]"/],
    ['pack:2(memory=1GB) pu:1', 1, /memory= on a NUMA node/],
    ['pack:2(foo=1) pu:1', 8, /memory=, indexes=/],
    ['l3:2(memory=1GB) pu:1', 6, /size=, indexes=/],
    ['numa:2(memory=1GB pu:1', 19, /memory=, indexes= or "\)"/],
    ['numa:2(memory=) pu:1', 15, /a value/],
    ['numa:2(memory=1XB) pu:1', 15, /a size/],
    ['numa:2(memory=-1) pu:1', 15, /a size/],
    ['numa:2(memory=99999999999999999999) pu:1', 15, /./],
    ['pu:2 pu:1', 6, /one pu level only/],
    ['pack:2 pu:2(indexes=1,2)', 21, /4 numbers/],
    ['pack:2 pu:2(indexes=0,0,1,2)', 21, /numbers that differ/],
    ['pack:2 pu:2(indexes=0,1,2,)', 21, /numbers up to/],
    ['pack:2 pu:2(indexes=0,1,2,65536)', 21, /numbers up to/],
    ['pack:2 pu:2(indexes=core)', 21, /levels of this machine/],
    ['pack:2 pu:2(indexes=pack:pack)', 21, /./],
    ['pack:2 pu:2(indexes=3*2)', 21, /an interleaving/],
    ['pack:2 pu:2(indexes=0*4)', 21, /step\*count/],
    ['group:1 '.repeat(129), 1025, /at most 128 levels/],
  ]
  for (const [spec, character, message] of cases) {
    try {
      syntheticHost(spec)
    } catch (error) {
      assert.instance(error, InputError, spec)
      assert.is((error as InputError).where, `character ${character}`, spec)
      assert.match((error as InputError).message, message)
      continue
    }
    assert.unreachable(`${spec} was accepted`)
  }
})

test('any text gives a valid host or an InputError', () => {
  const word = fc.constantFrom(
    ...[
      'pack:2 ',
      'numa:2',
      '[numa',
      ']',
      '(memory=',
      '1GB',
      ')',
      'indexes=',
      '0,1',
      '2*2',
      ':',
      'core:',
      '3',
      ' ',
      'pu:2',
      'l2:1 ',
      'pu:1',
      '\n',
      'é',
    ],
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(word, { maxLength: 12 }).map((words) => words.join('')),
  )
  fc.assert(
    fc.property(text, (spec) => {
      try {
        const host = syntheticHost(spec)
        assert.equal(parseHost(host), host)
      } catch (error) {
        assert.instance(error, InputError)
      }
    }),
    { numRuns: 500 },
  )
})

test.run()
