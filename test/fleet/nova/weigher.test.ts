/** The weigher of clients/nova in Nova's own handler, with the server that it asks. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import { cli, root } from '../../cli/command.js'
import { skipUnless } from '../../skip.js'

/** Debian's, which sees Debian's packages. */
const PYTHON = '/usr/bin/python3'
const hasNova = spawnSync(PYTHON, ['-c', 'import nova.scheduler.weights']).status === 0
const withNova = skipUnless(hasNova, "Debian's python3-nova is not installed")

const folder = mkdtempSync(join(tmpdir(), 'homenode-nova-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const save = (name: string, spec: string) =>
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(syntheticHost(spec)))
// On two caches a vCPU has 8 of the 15 others behind the other one: 16 x 0.1 x 8 / 15 lost vCPUs.
save('halves', 'pack:1 [numa(memory=64GiB)] l3:2 core:8 pu:1')
save('whole', 'pack:1 [numa(memory=64GiB)] l3:1 core:16 pu:1')
save('quarters', 'pack:1 [numa(memory=64GiB)] l3:4 core:4 pu:1')

async function serving(args: readonly string[], work: (endpoint: string) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, [cli, 'serve', '--rank', '--hosts', folder, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  try {
    const [address] = (await once(createInterface(child.stdout!), 'line')) as [string]
    await work(address.startsWith('/') ? `unix:${address}` : address)
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

interface Weighed {
  readonly order: readonly string[]
  readonly weights: readonly number[]
  readonly said: readonly (readonly [level: string, text: string])[]
  readonly isKnown: boolean
}

async function weigh(endpoint: string, hosts: object, more: object = {}): Promise<Weighed> {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'weigh.py')
  const child = spawn(PYTHON, [script, join(root, 'clients/nova')], { stdio: ['pipe', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', (part) => {
    out += part
  })
  child.stderr.on('data', (part) => {
    err += part
  })
  child.stdin.end(JSON.stringify({ endpoint, hosts, vcpus: 16, policy: 'dedicated', ...more }))
  const [code] = await once(child, 'close')
  assert.is(code, 0, err)
  return JSON.parse(out)
}

withNova('an instance of 16 vCPUs goes where it loses 0, not where it loses 0.853', async () => {
  await serving(['--port', '0'], async (endpoint) => {
    const { order, weights, said, isKnown } = await weigh(endpoint, { halves: {}, quarters: {}, whole: {} })
    assert.equal(order, ['whole', 'halves', 'quarters'])
    // Normalized between -1.28 and 0; memory is alike, and adds 0.1 to all.
    assert.equal(
      weights.map((weight) => Math.round(weight * 1000) / 1000),
      [1.1, 0.433, 0.1],
    )
    assert.equal(said, [])
    assert.is(isKnown, true, 'the scheduler finds it by its name')
  })
})

withNova('what is pinned and what memory is used counts; who refuses and who is not known is last', async () => {
  const socket = join(folder, 'rank.sock')
  await serving(['--socket', socket], async (endpoint) => {
    const pinned = await weigh(endpoint, { whole: { pinned: [3], used: 1024 }, stranger: {}, quarters: {} })
    assert.is(pinned.order[0], 'quarters')
    assert.is(pinned.weights[1], pinned.weights[2])
    const used = await weigh(endpoint, { whole: { used: 60_000 }, halves: {} })
    assert.equal(used.order, ['halves', 'whole'])
    // Beside 8 pinned CPUs 8 more share a cache where there is one, or where those are all in the other one.
    const [evens, lows] = [
      [0, 2, 4, 6, 8, 10, 12, 14],
      [0, 1, 2, 3, 4, 5, 6, 7],
    ]
    const wide = await weigh(
      endpoint,
      {
        halves: { pinned: lows, used: 8192 },
        whole: { pinned: evens, used: 8192 },
        quarters: { pinned: evens, used: 8192 },
      },
      { vcpus: 8 },
    )
    assert.is(wide.order.at(-1), 'quarters')
  })
})

withNova('where the endpoint is away, or does not understand, all weigh alike and a warning says why', async () => {
  const away = await weigh('http://127.0.0.1:1', { halves: { ram: 100 }, whole: { ram: 200 } })
  assert.equal(away.order, ['whole', 'halves'], 'by what the other weighers say')
  assert.equal(away.weights, [0.1, 0.05])
  assert.is(away.said.length, 1)
  assert.equal(away.said[0]![0], 'WARNING')
  assert.match(
    away.said[0]![1],
    /^homenode at http:\/\/127\.0\.0\.1:1 has no answer, so all hosts weigh alike: .*refused/,
  )
  await serving(['--port', '0'], async (endpoint) => {
    const odd = await weigh(endpoint, { halves: {}, whole: {} }, { vcpus: 5000 })
    assert.equal(odd.weights, [0.1, 0.1])
    assert.match(odd.said[0]![1], /status 400: .*vm\.vcpus: expected a whole number from 1 to 4096, got 5000/)
  })
})

test.run()
