import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compareMany } from '../exact/campaign.js'

/**
 * EXACT_COUNT=100000 compares so many instances, however long that takes; EXACT_SEED repeats a run. With EXACT_STEPS=100 the planner searches less,
 * which leaves time for several times as many instances: what it claims has to be right then, too.
 */
const { EXACT_COUNT: count, EXACT_SEED: seed, EXACT_STEPS: steps } = process.env
/** CPU time without it. */
const SECONDS = 75

test('no bound, no optimum and no refusal of the planner is wrong where everything can be tried', async () => {
  const { summary, faults, compared } = await compareMany({
    ...(count === undefined ? { count: 1_000_000, seconds: SECONDS } : { count: Number(count) }),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(steps === undefined ? {} : { steps: Number(steps) }),
  })
  console.log(summary)
  assert.is(faults, 0, summary)
  assert.ok(compared >= Math.min(500, Number(count ?? 500)), `${compared} compared`)
})

test.run()
