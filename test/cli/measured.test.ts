/** `--measured`: commands that plan on this machine go by what was measured of it. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Observer } from '../../executor/loop/observe.js'
import { detectHost, syntheticHost } from '../../src/topology/index.js'
import type { Plan } from '../../src/types.js'
import { hasQemu, NO_QEMU, startQemu } from '../executor/found/guests.js'
import { skipUnless } from '../skip.js'
import { homenode, requestOf, scratch } from './command.js'

const write = scratch()
const host = await detectHost()
/** A byte a second: whoever takes bandwidth loses all that waits for memory. */
const slow = { ...host, bandwidths: host.nodes.map(() => host.nodes.map(() => 1)) }
const measured = write('measured.json', JSON.stringify(slow))
const elsewhere = write(
  'elsewhere.json',
  JSON.stringify({ ...syntheticHost('pack:8 [numa(memory=1GiB)] core:3 pu:1'), smt: 1.2 }),
)
const unmeasured = write('unmeasured.json', JSON.stringify({ ...host, latencies: undefined }))
const LOAD = { bandwidth: '2GB/s', memoryBound: 0.5 }
const request = write('request.json', requestOf({ name: 'a', vcpus: 1, memory: '4MiB', ...LOAD }))

const state = mkdtempSync(join(tmpdir(), 'homenode-measured-'))
test.after(() => rmSync(state, { recursive: true, force: true }))

test('a plan on this machine has the price of what was measured, and what is free now', async () => {
  const without = await homenode(['plan', '-f', request, '--json'])
  assert.is(JSON.parse(without.stdout).cost.terms.bandwidth, 0)
  const { code, stdout, stderr } = await homenode(['plan', '-f', request, '--measured', measured, '--json'])
  assert.is(code, 0, stderr)
  assert.is(JSON.parse(stdout).cost.terms.bandwidth, 0.5)
  const drawn = await homenode(['plan', '-f', request, '--measured', '-'], { input: JSON.stringify(slow) })
  assert.match(drawn.stdout, /lost to bandwidth 0\.5/)
})

test('a plan that was made with it holds with it, and what fits beside it and is converted is planned with it', async () => {
  const made = await homenode(['plan', '-f', request, '--measured', measured, '--json'])
  const plan = write('plan.json', made.stdout)
  const checked = (...args: string[]) => homenode(['check', plan, '-f', request, ...args])
  assert.is((await checked()).code, 3)
  const held = await checked('--measured', measured)
  assert.is(held.code, 0, held.stderr)
  assert.match(held.stdout, /^the plan holds: 1 of 1 VM placed, 0\.5 lost vCPUs/)
  const lost = await homenode(['capacity', '-f', request, '--vm', 'a', '--measured', measured, '--json'])
  assert.ok(JSON.parse(lost.stdout).lostVcpus >= 0.5, lost.stderr)
  const converted = await homenode(['convert', request, '--to', 'json', '--measured', measured])
  assert.is(JSON.parse(converted.stdout).cost.terms.bandwidth, 0.5)
  const qemu = await homenode(['convert', plan, '--to', 'qemu', '--measured', measured])
  assert.is(qemu.code, 0, qemu.stderr)
  const drift = await homenode(['check', plan, '--drift', '--measured', measured])
  assert.is(drift.code, 2)
})

skipUnless(hasQemu, NO_QEMU)('so has one for what runs', async () => {
  const name = `measured ${process.pid}`
  const rules = [
    { name: 'others', set: { moves: 'never' } },
    { name: 'ours', match: { name }, set: { moves: null } },
  ]
  const ours = write('ours.json', JSON.stringify({ rules }))
  const guest = await startQemu(['-accel', 'tcg', '-name', `guest=${name},debug-threads=on`, '-m', '64'])
  try {
    // Others that run here may be refused: this one counts for more than all of them.
    const wishes = write('wishes.json', JSON.stringify({ vms: [{ name, weight: 1000, ...LOAD }] }))
    const lost = async (...args: string[]) => {
      const { code, stdout, stderr } = await homenode(['plan', '--running', '-f', wishes, '--json', ...args])
      assert.ok(code === 0 || code === 3, `${code}: ${stderr}`)
      const plan: Plan = JSON.parse(stdout)
      assert.ok(
        plan.vms.some((vm) => vm.name === name),
        stdout,
      )
      return plan.cost.terms.bandwidth
    }
    assert.is(await lost(), 0)
    assert.ok((await lost('--measured', measured)) >= 0.5)
    const applied = await homenode([
      ...['apply', '--running', '--dry-run', '-f', wishes, '--json'],
      ...['--measured', measured, '--policy', ours],
    ])
    // Others that run here, and stay where they are, may leave no room.
    assert.ok([0, 3, 4].includes(applied.code!), `${applied.code}: ${applied.stderr}`)
    const shown = await homenode(['ps', '--measured', measured, '--json'])
    assert.is(shown.code, 0, shown.stderr)
  } finally {
    await guest.stop()
  }
})

test('each round of the balancer has it, on the machine as it is by then', async () => {
  using observer = await Observer.open({}, slow)
  const seen = (await observer.look()).host
  assert.equal(seen.bandwidths, slow.bandwidths)
  assert.equal(
    seen.nodes.map(({ id }) => id),
    host.nodes.map(({ id }) => id),
  )
  const { code, stdout, stderr } = await homenode([
    'balance',
    '--once',
    '--interval',
    '0.5s',
    '--json',
    '--state',
    join(state, 'a'),
    '--measured',
    measured,
  ])
  assert.is(code, 0, stderr)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const rounds = lines.filter(({ kind }) => kind === 'BalanceRound')
  assert.is(rounds.length, 1, stdout)
  assert.is(rounds[0].error, null, stdout)
})

test('the file of another machine, one without measures, and one beside another host are bad input, with nothing begun', async () => {
  const commands = [
    ['plan', '-f', request],
    ['plan', '--running'],
    ['capacity', '-f', request, '--vm', 'a'],
    ['convert', request, '--to', 'json'],
    ['apply', '--running', '--dry-run'],
    ['ps'],
    ['run', '-f', request],
    ['balance', '--once', '--state', join(state, 'never')],
  ]
  for (const command of commands) {
    const { code, stdout, stderr } = await homenode([...command, '--measured', elsewhere])
    assert.equal([code, stdout], [2, ''], `${command}: ${stderr}`)
    assert.match(
      stderr,
      /elsewhere\.json: nodes: expected those of this machine \(.*\), got 0-7: it was measured on another one/,
    )
  }
  const bare = await homenode(['plan', '-f', request, '--measured', unmeasured])
  assert.is(bare.code, 2)
  assert.match(
    bare.stderr,
    /unmeasured\.json: expected a host with what "homenode calibrate" measured, got one without/,
  )
  const both = await homenode(['plan', '-f', request, '--measured', measured, '--host', measured])
  assert.is(both.code, 2)
  const twice = await homenode(['plan', '-f', '-', '--measured', '-'], { input: '{}' })
  assert.is(twice.code, 2)
})

test.run()
