import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runBench } from './run.js'

test('the same checkout prints the same digests, one for each case', () => {
  const [first, second] = [runBench(['plans', '--quick', '--json']), runBench(['plans', '--quick', '--json'])]
  assert.is(first.status, 0, first.stderr)
  const rows: { case: string; sha256: string }[] = JSON.parse(first.stdout).rows
  assert.equal(JSON.parse(second.stdout).rows, rows)
  assert.is(new Set(rows.map((row) => row.case)).size, 7)
  assert.is(new Set(rows.map((row) => row.sha256)).size, 7, 'different cases have different plans')
})

test.run()
