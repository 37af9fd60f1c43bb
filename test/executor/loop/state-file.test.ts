/** What balance remembers: whole, of this boot, and believed only where nobody else could have written it. */

import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { takeLock } from '../../../executor/apply/lock.js'
import { Balancer } from '../../../executor/balance/balancer.js'
import { NOTHING, recall, remember } from '../../../executor/loop/state-file.js'
import { UnsupportedError } from '../../../src/errors.js'

const folder = mkdtempSync(join(tmpdir(), 'hn-state-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'balance.json')

/** Of an engine that has seen something. */
function engineState() {
  const balancer = new Balancer()
  const vcpus = [{ use: 0.5, delay: 0.1 }]
  const pressure = { cpu: 0.1, memory: null }
  balancer.observe({ at: 5000, interval: 5000, vms: [{ key: '7:9', name: 'db', vcpus }], pressure })
  return balancer.state()
}

const changes = {
  kind: 'Changes' as const,
  vms: [],
  steps: [],
  obstacles: [],
  dedicated: [],
  partitions: [],
  bytes: 0,
  waiting: [],
  undoes: null,
}
const known = {
  acting: true,
  engine: engineState(),
  pending: { round: 3, undoFile: join(folder, 'undo-x.json'), changes },
  undoFiles: ['a', 'b'],
}

test('what is remembered is recalled; at first there is nothing', () => {
  assert.equal(recall(folder), { ...NOTHING, lost: null })
  remember(folder, known)
  assert.equal(recall(folder), { ...known, lost: null })
  assert.equal(readdirSync(folder), ['balance.json'])
  assert.equal(new Balancer({}, recall(folder).engine!).demands(), new Balancer({}, known.engine).demands())
})

test('after a reboot only whether it acts is still of use', () => {
  remember(folder, known)
  const content = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(path, JSON.stringify({ ...content, boot: 'another' }))
  assert.equal(recall(folder), { ...NOTHING, acting: true, lost: null })
})

test('a file that is damaged, or that others could have written, is left aside, and it is said why', () => {
  remember(folder, known)
  const text = readFileSync(path, 'utf8')
  const content = JSON.parse(text)
  const cases: readonly [string, RegExp][] = [
    [text.slice(0, -20), /JSON/],
    ['', /JSON/],
    ['[]', /an object/],
    [JSON.stringify({ ...content, acting: 'yes' }), /acting: expected true or false/],
    [JSON.stringify({ ...content, more: 1 }), /more: expected one of the fields/],
    [JSON.stringify({ ...content, engine: { ...content.engine, round: -1 } }), /round: expected /],
    [JSON.stringify({ ...content, pending: { ...content.pending, changes: { kind: 'Changes' } } }), /changes\.steps/],
  ]
  for (const [bad, why] of cases) {
    writeFileSync(path, bad)
    const { lost, ...rest } = recall(folder)
    assert.equal(rest, NOTHING, bad)
    assert.match(lost!, why)
    assert.ok(lost!.includes(path))
    assert.is(readFileSync(`${path}.damaged`, 'utf8'), bad)
  }
  remember(folder, known)
  chmodSync(path, 0o666)
  assert.match(recall(folder).lost!, /may be written by others/)
})

test('what the system refuses is said as a refusal of the state folder', () => {
  const none = join(folder, 'none')
  for (const work of [() => remember(none, known), () => takeLock(none)]) {
    try {
      work()
      assert.unreachable()
    } catch (error) {
      assert.instance(error, UnsupportedError)
      assert.match((error as Error).message, new RegExp(`^state folder: ${none}: ENOENT`))
    }
  }
})

test('what is left of a process that was killed while it wrote is replaced, and does not pile up', () => {
  writeFileSync(join(folder, 'balance.json.new'), '{"half', { mode: 0o600 })
  remember(folder, known)
  assert.equal(recall(folder), { ...known, lost: null })
  assert.not.ok(readdirSync(folder).includes('balance.json.new'))
})

test.run()
