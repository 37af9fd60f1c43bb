/**
 * Compares the planner with the exact solver on random instances.
 *   node --import tsx test/planner/exact/main.ts [--count N] [--seed N] [--steps N] [--without FEATURE,...] [--unproven]
 */

import { parseArgs } from 'node:util'
import { compareMany } from './campaign.js'
import { FEATURES, type Feature } from './random.js'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    steps: { type: 'string' },
    seconds: { type: 'string' },
    without: { type: 'string', default: '' },
    unproven: { type: 'boolean', default: false },
  },
})

const without = values.without.split(',').filter((name) => name !== '')
const unknown = without.filter((name) => !(FEATURES as readonly string[]).includes(name))
if (unknown.length > 0) throw new Error(`no such feature: ${unknown.join(', ')} (there are ${FEATURES.join(', ')})`)
const { summary, faults } = await compareMany({
  count: Number(values.count),
  ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
  ...(values.steps === undefined ? {} : { steps: Number(values.steps) }),
  ...(values.seconds === undefined ? {} : { seconds: Number(values.seconds) }),
  without: new Set(without as Feature[]),
  showsUnproven: values.unproven,
})
console.log(summary)
process.exitCode = faults > 0 ? 1 : 0
