import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { formatPath } from '../../src/schema.js'
import { parseHost, syntheticHost } from '../../src/topology/index.js'

/** A host file as JSON.parse gives it: free to be spoilt. */
// biome-ignore lint/suspicious/noExplicitAny: the tests put values of every kind in every place
const file = (): any => JSON.parse(JSON.stringify(syntheticHost('numa:2(memory=1GiB) core:2 pu:2')))

function refusalOf(host: unknown): InputError {
  try {
    parseHost(host)
  } catch (error) {
    if (error instanceof InputError) return error
    throw error
  }
  throw new Error('it was accepted')
}

/** The file with another value in one place. */
function spoilt(path: readonly (string | number)[], value: unknown, whole = file()) {
  const host = structuredClone(whole)
  const parent = path.slice(0, -1).reduce((object, key) => object[key], host)
  parent[path.at(-1)!] = value
  return host
}

test('a host file reads back as it was', () => {
  const host = syntheticHost('pack:2 [numa(memory=64GB)] l3:2 core:8 pu:2')
  assert.equal(parseHost(JSON.parse(JSON.stringify(host))), host)
})

test('bandwidth and the mark of a node outside of the cpuset are kept', () => {
  const host = file()
  host.nodes[1] = { ...host.nodes[1], allowed: false, bandwidth: 2.5e10, memory: { total: 2 ** 30, free: 0 } }
  assert.equal(parseHost(host), host)
})

test('what can be reclaimed and what limits the host are kept', () => {
  const host = file()
  host.nodes[1].memory = { total: 2 ** 30, free: 2 ** 29, reclaimable: 2 ** 29 }
  host.nodes[1].pages.push({ size: 2 ** 34, total: 3, free: 3 })
  host.limits = [
    { size: 4096, pages: 0, cause: 'memory.max of /' },
    { size: 2 ** 34, pages: 2, cause: 'resv_hugepages' },
  ]
  assert.equal(parseHost(host), host)
})

test('what was measured is kept, with what is not known and how far to trust it', () => {
  const measures = {
    latencies: [
      [80.5, 130],
      [null, 82],
    ],
    bandwidths: [
      [2e10, 9e9],
      [9e9, null],
    ],
    hops: {
      core: null,
      llc: 41.25,
      node: null,
      nodes: [
        [null, 120],
        [121, null],
      ],
    },
    smt: 1.31,
  }
  const spread = { latencies: measures.latencies.map((row) => row.map((ns) => ns && 0)), smt: null }
  const host = { ...file(), ...measures, spread }
  assert.equal(parseHost(host), host)
})

test('measures have a row and a column for each node, and are above 0; a spread may be 0', () => {
  const measured = { ...file(), latencies: [[80, 130], [130]], spread: { smt: -0.1 } }
  assert.equal(refusalOf(measured).where, 'spread.smt')
  const { where, expected, got } = refusalOf({ ...measured, spread: { smt: 0 } })
  assert.equal([where, expected, got], ['latencies[1]', 'columns: 2, one for each node', '1'])
  assert.is(refusalOf({ ...file(), bandwidths: [[1, 2]] }).where, 'bandwidths')
  assert.is(
    refusalOf({
      ...file(),
      bandwidths: [
        [0, 1],
        [1, 1],
      ],
    }).where,
    'bandwidths[0][0]',
  )
  const hops = { core: null, llc: 40, node: null, nodes: [[null], [null, 1]] }
  assert.is(refusalOf({ ...file(), hops }).where, 'hops.nodes[0]')
  assert.is(refusalOf({ ...file(), hops: { ...hops, node: 0 } }).where, 'hops.node')
  assert.is(refusalOf({ ...file(), spread: { hops } }).where, 'spread.hops.nodes[0]')
  assert.is(refusalOf({ ...file(), smt: 0 }).where, 'smt')
})

test('a page has any size that is a power of two', () => {
  const withPages = (size: number) => {
    const host = file()
    host.nodes[0].pages.push({ size, total: 1, free: 1 })
    return host
  }
  for (let exponent = 13; exponent < 53; exponent++) {
    assert.is(parseHost(withPages(2 ** exponent)).nodes[0]!.pages[1]!.size, 2 ** exponent)
  }
  for (const size of [2 ** 50 + 1, 2 ** 53 - 1, 2 ** 53, 3 * 2 ** 30, 6000]) {
    assert.is(refusalOf(withPages(size)).where, 'nodes[0].pages[1].size', String(size))
  }
})

test('limits are of sizes that the host has, and ascend', () => {
  const whereOf = (limits: unknown) => refusalOf({ ...file(), limits }).where
  const limit = { size: 4096, pages: 5, cause: 'memory.max of /' }
  assert.is(whereOf(limit), 'limits')
  assert.is(whereOf([{ ...limit, size: 2 ** 21 }]), 'limits[0].size')
  assert.is(whereOf([limit, limit]), 'limits[1].size')
  assert.is(whereOf([{ ...limit, pages: -1 }]), 'limits[0].pages')
  assert.is(whereOf([{ ...limit, pages: null }]), 'limits[0].pages')
  for (const cause of ['', 'a\nb', '\x1b[2J']) assert.is(whereOf([{ ...limit, cause }]), 'limits[0].cause')
})

test('distances that are left out are 10 and 20', () => {
  const whole = file()
  delete whole.distances
  assert.equal(parseHost(whole).distances, [
    [10, 20],
    [20, 10],
  ])
  const partly = {
    ...file(),
    distances: [
      [null, 32],
      [null, 10],
    ],
  }
  assert.equal(parseHost(partly).distances, [
    [10, 32],
    [20, 10],
  ])
})

test('CPUs may be taken out: the rest is numbered anew', () => {
  const host = file()
  host.cpus.splice(0, 3)
  const cpus = parseHost(host).cpus
  assert.equal(
    cpus.map(({ id, core, thread, llc }) => [id, core, thread, llc]),
    [
      [3, 0, 0, 0],
      [4, 1, 0, 1],
      [5, 1, 1, 1],
      [6, 2, 0, 1],
      [7, 2, 1, 1],
    ],
  )
})

test('an offline CPU has no place in cores, whatever the file says', () => {
  const host = file()
  host.cpus[0].online = false
  const [first, second] = parseHost(host).cpus
  assert.equal([first!.core, first!.llc, first!.thread], [null, null, null])
  assert.equal([second!.core, second!.llc, second!.thread], [0, 0, 0])
})

test('what is wrong is named with its place', () => {
  const cases: [(string | number)[], unknown][] = [
    [['schemaVersion'], 2],
    [['kind'], 'Plan'],
    [['extra'], 1],
    [['cpus'], undefined],
    [['cpus'], []],
    [['nodes'], []],
    [['nodes', 1, 'id'], 0],
    [['nodes', 0, 'id'], -1],
    [['nodes', 0, 'id'], 65_536],
    [['nodes', 0, 'memory', 'free'], 2 ** 31],
    [['nodes', 0, 'memory', 'total'], '64GB'],
    [['nodes', 0, 'memory', 'total'], 2 ** 60],
    [['nodes', 0, 'memory', 'reclaimable'], 1],
    [['nodes', 0, 'memory', 'reclaimable'], -1],
    [['nodes', 0, 'memory', 'reclaimable'], null],
    [['nodes', 0, 'pages'], []],
    [['nodes', 0, 'pages', 0, 'size'], 5000],
    [['nodes', 0, 'pages', 0, 'free'], 2 ** 30],
    [['nodes', 0, 'bandwidth'], 0],
    [['nodes', 0, 'bandwidth'], 2 ** 53],
    [['distances'], [[10, 20]]],
    [['distances', 1], [20]],
    [['distances', 1, 0], 9],
    [['distances', 0, 1], 20.5],
    [['cpus', 3, 'node'], 7],
    [['cpus', 3, 'node'], 1],
    [['cpus', 1, 'node'], null],
    [['cpus', 1, 'id'], 0],
    [['cpus', 2, 'core'], null],
    [['cpus', 2, 'llc'], null],
    [['cpus', 2, 'capacity'], null],
    [['cpus', 2, 'capacity'], 1025],
    [['cpus', 2, 'capacity'], 0],
    [['cpus', 1, 'thread'], 0],
    [['cpus', 1, 'online'], 'yes'],
    [['cpus', 1, 'siblings'], []],
  ]
  for (const [path, value] of cases) {
    assert.is(refusalOf(spoilt(path, value)).where, formatPath(path), JSON.stringify([path, value]))
  }
  assert.is(refusalOf([]).where, '')
})

test('pages of one node ascend by size', () => {
  const host = file()
  host.nodes[0].pages.push({ size: 4096, total: 1, free: 1 })
  assert.is(refusalOf(host).where, 'nodes[0].pages[1].size')
})

test('any JSON gives a host or an InputError', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      try {
        parseHost(json)
        assert.unreachable('random JSON is no host')
      } catch (error) {
        assert.instance(error, InputError)
      }
    }),
  )
})

test('a host with any one value changed gives a host that reads back, or an InputError', () => {
  const places: (string | number)[][] = []
  const walk = (value: unknown, path: (string | number)[]) => {
    places.push(path)
    if (Array.isArray(value))
      value.forEach((item, index) => {
        walk(item, [...path, index])
      })
    else if (typeof value === 'object' && value !== null)
      for (const [key, item] of Object.entries(value)) walk(item, [...path, key])
  }
  const whole = { ...file(), limits: [{ size: 4096, pages: 5, cause: 'memory.max of /' }] }
  whole.nodes[0].memory.free = 2 ** 29
  whole.nodes[0].memory.reclaimable = 2 ** 28
  walk(whole, [])
  const value = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.integer({ min: -1, max: 5000 }), fc.constant(Number.NaN))
  fc.assert(
    fc.property(fc.constantFrom(...places.slice(1)), value, (path, replacement) => {
      try {
        const parsed = parseHost(spoilt(path, replacement, whole))
        assert.equal(parseHost(JSON.parse(JSON.stringify(parsed))), parsed)
      } catch (error) {
        assert.instance(error, InputError)
      }
    }),
    { numRuns: 500 },
  )
})

test.run()
