import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'homenode-bench-test-'))
test.after(() => rmSync(scratch, { recursive: true }))

interface Row {
  readonly [column: string]: string | number | null
}

const svg = join(scratch, 'planner.svg')
const options = ['--import', 'tsx', 'bench/run.ts', 'planner', '--quick', '--json', '--svg', svg]
const { status, stdout, stderr } = spawnSync(process.execPath, options, { cwd: root, encoding: 'utf8' })

function rows(): Row[] {
  assert.is(status, 0, stderr)
  return JSON.parse(stdout).rows
}

test('every family has homenode’s plans, all of them valid, and the optimum of some', () => {
  const ours = rows().filter(({ solver, family }) => solver === 'homenode' && family !== undefined)
  assert.is(ours.length, 6)
  for (const { family, invalidPlans, vmsPlaced } of ours) {
    assert.is(invalidPlans, 0, `${family}`)
    assert.ok(Number(vmsPlaced) > 0, `${family}`)
  }
  const all = rows().find(({ family, optimumKnown }) => family === 'all' && optimumKnown !== undefined)!
  assert.ok(Number(all.optimumKnown) >= 3)
  assert.is(all.wrongBounds, 0)
})

test('peers that are not installed are named, the guide’s rule always takes part', () => {
  const solvers = new Set(rows().map(({ solver }) => solver))
  assert.ok(solvers.has("the guide's rule"))
  for (const peer of ['hwloc-distrib', 'Nova'])
    assert.ok(solvers.has(peer) || stderr.includes(`${peer} is not installed`))
})

test('each target of speed has a row with a figure', () => {
  const speeds = rows().filter(({ target }) => target !== undefined)
  for (const text of [
    'first full plan',
    'after 50 ms',
    'from nothing',
    'living instance',
    'the module',
    'do not fit',
  ]) {
    const row = speeds.find(({ what }) => `${what}`.includes(text))
    assert.ok(Number(row?.value) >= 0 && row?.value !== null, text)
  }
})

test('the plot names every solver that took part', () => {
  const drawn = readFileSync(svg, 'utf8')
  for (const solver of new Set(rows().map(({ solver }) => `${solver ?? 'homenode'}`)))
    assert.ok(drawn.includes(`>${solver}<`), solver)
})

test.run()
