/** What holds of every simulated host: the decision code of `homenode balance` against loads of all kinds. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type FleetOptions, fleetOf } from '../../bench/balance/fleet.js'
import { homenodeBalance } from '../../bench/balance/ours.js'
import { nothing, simulate } from '../../bench/balance/simulate.js'
import type { Kind } from '../../bench/balance/traces.js'
import type { SettingsInput } from '../../executor/balance/settings.js'
import type { Round } from '../../executor/balance/types.js'

const GIB = 2 ** 30
const RUNS = 5

const kinds = fc.uniqueArray(fc.constantFrom<Kind>('daily', 'bursty', 'idle', 'steady'), { minLength: 1 })
const fleets = fc.record({
  nodes: fc.constantFrom(2, 3, 4),
  vms: fc.integer({ min: 2, max: 24 }),
  seed: fc.integer({ min: 1, max: 10_000 }),
})

async function run(
  options: FleetOptions,
  minutes: number,
  settings: SettingsInput,
  mayNot?: (name: string) => string | null,
) {
  const rounds: Round[] = []
  const log = (round: Round) => rounds.push(round)
  const fleet = fleetOf({ ...options, minutes: Math.max(minutes, 240) })
  const balancing = await homenodeBalance({ settings, log, ...(mayNot === undefined ? {} : { mayNot }) })
  return { fleet, rounds, result: await simulate(fleet, balancing, minutes) }
}

test('never more VMs and bytes at a time than allowed, and no VM that may not move', async () => {
  const caps = fc.record({
    movesPerRound: fc.integer({ min: 1, max: 5 }),
    bytesPerRound: fc.integer({ min: 1, max: 16 }).map((gib) => gib * GIB),
    patience: fc.integer({ min: 1, max: 4 }),
  })
  await fc.assert(
    fc.asyncProperty(fleets, kinds, caps, async (fleet, mixture, settings) => {
      const held = (name: string) => (Number(name.slice(2)) % 3 === 0 ? 'it never moves' : null)
      const { rounds, result } = await run({ ...fleet, kinds: mixture }, 40, { ...settings, percentile: 1 }, held)
      assert.ok(result.mostBytes <= settings.bytesPerRound)
      for (const { moves, figures } of rounds) {
        assert.ok(moves.length <= settings.movesPerRound)
        assert.ok(figures.bytes <= settings.bytesPerRound)
        assert.is(
          figures.bytes,
          moves.reduce((sum, move) => sum + move.bytes, 0),
        )
        assert.ok(moves.every(({ vm }) => held(vm) === null))
      }
    }),
    { numRuns: RUNS },
  )
})

test('what is done has paid for as many rounds as are asked for', async () => {
  await fc.assert(
    fc.asyncProperty(fleets, kinds, fc.integer({ min: 1, max: 5 }), async (fleet, mixture, patience) => {
      const { rounds } = await run({ ...fleet, kinds: mixture }, 30, { patience, horizon: 900 })
      for (const { decision, figures, round, now, planned } of rounds) {
        if (decision !== 'act') continue
        assert.ok(figures.held >= patience && round >= patience)
        assert.ok(figures.gain! * figures.horizon > figures.price! * figures.margin)
        assert.ok(Math.abs(now!.lostVcpus - planned!.lostVcpus - figures.gain!) < 1e-5)
      }
    }),
    { numRuns: RUNS },
  )
})

test('steady loads: no worse than doing nothing over the horizon, moves included, and then all stays', async () => {
  await fc.assert(
    fc.asyncProperty(fleets, async (options) => {
      const horizon = 3600
      const steady: FleetOptions = { ...options, kinds: ['steady'], churn: 0 }
      const { fleet, rounds, result } = await run(steady, 2 * (horizon / 60), { horizon, rest: 60 })
      const idle = await simulate(fleet, nothing, 2 * (horizon / 60))
      assert.ok(result.lostHours <= idle.lostHours + 1e-9, `${result.lostHours} against ${idle.lostHours}`)
      assert.is(result.flaps, 0)
      const last = rounds.slice(-30)
      assert.ok(
        last.every(({ decision }) => decision !== 'act'),
        JSON.stringify(last.find(({ decision }) => decision === 'act')),
      )
    }),
    { numRuns: RUNS },
  )
})

test('loads of all kinds: a VM is moved a few times an hour at most, and comes back to a node seldom', async () => {
  await fc.assert(
    fc.asyncProperty(fleets, kinds, async (fleet, mixture) => {
      const minutes = 120
      const { rounds, result } = await run({ ...fleet, kinds: mixture }, minutes, { rest: 1200 })
      const moved = new Map<string, number>()
      for (const { decision, moves } of rounds) {
        if (decision === 'act') for (const { vm } of moves) moved.set(vm, (moved.get(vm) ?? 0) + 1)
      }
      // It rests for 20 minutes, 40 after the second time, 80 after the third.
      for (const times of moved.values()) assert.ok(times <= 3)
      assert.ok(result.flaps <= fleet.vms / 4)
    }),
    { numRuns: RUNS },
  )
})

test('the same host and load give the same rounds', async () => {
  const options = { nodes: 3, vms: 12, seed: 7 }
  const [one, two] = [await run(options, 30, {}), await run(options, 30, {})]
  assert.equal(one.rounds, two.rounds)
  assert.equal(one.result, two.result)
})

test.run()
