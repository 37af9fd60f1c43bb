import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { probeMbind } from '../../executor/index.js'
import { showCalibration } from '../../src/cli/calibrate-view.js'
import { styleOf } from '../../src/cli/output.js'
import { parseHost, syntheticHost } from '../../src/topology/index.js'
import { skipUnless } from '../skip.js'
import { homenode, requestOf, scratch } from './command.js'
import { hasScript, NO_SCRIPT, Terminal } from './terminal.js'

const mbind = probeMbind()
const testBound = skipUnless(mbind.usable, mbind.usable ? '' : `memory cannot be bound: ${mbind.text}`)
const write = scratch()
const folder = join(write('empty', ''), '..')

testBound('calibrate --out writes a host file that plan takes; --json prints the same', async () => {
  const out = join(folder, 'measured.json')
  const { code, stdout, stderr } = await homenode(['calibrate', '--out', out, '--json'])
  assert.is(code, 0, stderr)
  assert.is(readFileSync(out, 'utf8'), stdout)
  const host = parseHost(JSON.parse(stdout))
  assert.is(host.latencies!.length, host.nodes.length)
  assert.ok(host.latencies!.flat().some((ns) => ns !== null && ns > 0))
  const request = write('request.json', requestOf({ name: 'a', vcpus: 1, memory: '1MiB' }))
  const plan = await homenode(['plan', '--host', out, '-f', request, '--json'])
  assert.is(plan.code, 0, plan.stderr)
  assert.is(JSON.parse(plan.stdout).status, 'optimal')
  // Progress is for terminals: here are only the notes.
  assert.not.match(stderr, /\d+ of \d+/)
})

const atTerminal = skipUnless(mbind.usable && hasScript, hasScript ? 'memory cannot be bound' : NO_SCRIPT)

atTerminal('at a terminal it says how far it is; Ctrl-C ends it, and nothing is written', async () => {
  const out = join(folder, 'never.json')
  const terminal = new Terminal(['calibrate', '--out', out])
  try {
    await terminal.until(/0 of \d+: latency of the memory of node \d+ from node \d+/)
    terminal.press('\u0003')
    const { code } = await terminal.end()
    assert.is(code, 130)
    assert.match(terminal.screen.join('\n'), /interrupted by SIGINT: nothing was written/)
    assert.not.ok(existsSync(out))
  } finally {
    terminal.kill()
  }
})

test('a file that cannot be written is refused before anything is measured', async () => {
  const missing = await homenode(['calibrate', '--out', join(folder, 'nowhere', 'host.json')])
  assert.is(missing.code, 1)
  assert.match(missing.stderr, /nowhere\/host\.json cannot be written: ENOENT/)
  for (const name of ['', '-']) {
    const { code, stderr } = await homenode(['calibrate', '--out', name])
    assert.is(code, 2)
    assert.match(stderr, /--out: expected the name of a file/)
  }
})

test('the tables have each figure with its spread, and what plans make of it', () => {
  const before = {
    ...syntheticHost('pack:2 [numa(memory=64GB)] core:2 pu:2'),
    distances: [
      [10, 32],
      [32, 10],
    ],
  }
  const matrix = (own: number | null, other: number) => [
    [own, other],
    [other, own],
  ]
  const measured = {
    ...before,
    latencies: matrix(80, 128),
    bandwidths: matrix(2.04e10, 9e9),
    hops: { core: 21.4, llc: 50, node: null, nodes: matrix(null, 110) },
    smt: 1.3,
    spread: {
      latencies: matrix(0.004, 0.1),
      bandwidths: matrix(0.02, 0.3),
      hops: { core: 0.05, llc: 0.06, node: null, nodes: matrix(null, 0.07) },
      smt: 0.011,
    },
  }
  const lines = showCalibration(before, measured, ['a note'], styleOf({}, 'never', {})).split('\n')
  const found = (text: RegExp) => lines.filter((line) => text.test(line)).map((line) => line.replace(/ {2,}/g, '|'))
  assert.equal(found(/^node /), [
    'node 0|80 (0 %)|128 (10 %)',
    'node 1|128 (10 %)|80 (0 %)',
    'node 0|20.4 (2 %)|9.0 (30 %)',
    'node 1|9.0 (30 %)|20.4 (2 %)',
  ])
  assert.equal(found(/^(SMT|cores|caches|nodes)/), [
    'SMT siblings|21 (5 %)',
    'cores of one last-level cache|50 (6 %)',
    'caches of one node|-',
    'nodes 0 and 1|110 (7 %)',
  ])
  assert.equal(found(/^(distance|hop|lost) /), [
    'distance of node 1 from node 0|32|16',
    'hop from node 0 to node 1|3.2|2.0',
    'distance of node 0 from node 1|32|16',
    'hop from node 1 to node 0|3.2|2.0',
    'lost vCPUs per busy SMT sibling|0.38|0.35',
  ])
  assert.ok(lines.includes('Two busy SMT siblings yield 1.30 of one (1 %)') && lines.includes('a note'))
})

test.run()
