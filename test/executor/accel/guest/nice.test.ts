/** Priorities of vCPUs as nice values, whatever that of the process is. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { niceFor } from '../../../../executor/accel/guest/vcpu-config.js'

test('a priority counts from the nice value of the thread', () => {
  assert.equal(
    [niceFor(0, 0), niceFor(20, 0), niceFor(-19, 0), niceFor(10, -10), niceFor(-5, 7)],
    [0, -20, 19, -20, 12],
  )
})

test('where there is no such nice value the range is named', () => {
  assert.throws(() => niceFor(11, -10), "priority: expected -29 to 10 beside this thread's nice value -10, got 11")
  assert.throws(() => niceFor(-19, 1), "priority: expected -18 to 21 beside this thread's nice value 1, got -19")
  assert.throws(() => niceFor(1.5, 0), 'priority: expected a whole number from -19 to 20, got 1.5')
})

test.run()
