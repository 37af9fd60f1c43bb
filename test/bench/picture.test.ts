import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runBench } from './run.js'

test('the bench of pictures has a row for each host', () => {
  const { status, stdout, stderr } = runBench(['picture', '--quick', '--json'])
  assert.is(status, 0, stderr)
  const rows: { cpus: number; kB: number; msFirst: number }[] = JSON.parse(stdout).rows
  assert.equal(
    rows.map(({ cpus }) => cpus),
    [2, 16],
  )
  for (const { kB, msFirst } of rows) assert.ok(kB > 1 && msFirst > 0)
})

test.run()
