import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runBench } from './run.js'

test('all hosts are ranked each time, and what is known is not planned again', () => {
  const { status, stdout, stderr } = runBench(['rank', '--quick', '--json'])
  assert.is(status, 0, stderr)
  const { rows } = JSON.parse(stdout)
  const [first, , , another, again] = rows
  assert.is(first.what, 'first time')
  assert.ok(rows.every(({ fits }: { fits: number }) => fits > 0 && fits <= 20))
  assert.equal([again.what, again.fits, again.losesNothing], ['the same again', another.fits, another.losesNothing])
})

test.run()
