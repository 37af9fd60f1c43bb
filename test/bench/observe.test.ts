import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runBench } from './run.js'

test('the CPU time of each reader is measured while processes with threads like those of vCPUs run', () => {
  const { status, stdout, stderr } = runBench(['observe', '--quick', '--json'])
  assert.is(status, 0, stderr)
  const { rows, notes } = JSON.parse(stdout)
  if (notes !== undefined) {
    assert.match(notes[0], /no C compiler/)
    return
  }
  assert.equal(
    rows.map(({ reader }: { reader: string }) => reader),
    ['Meter', 'homenode top --batch', 'homenode top --batch --view vcpus', 'homenode top --json'],
  )
  for (const row of rows) assert.ok(row['percent of a CPU'] > 0 && row['percent of a CPU'] < 100, JSON.stringify(row))
})

test.run()
