import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hostShape, makeHost, request } from './cases.js'
import { anywhere, checkMoves, replan, replans } from './replans.js'

test('every state between the moves from one plan to another holds', () => {
  const seen = { moves: 0, parked: 0, redivided: 0, memory: 0 }
  const isMet = () => Object.values(seen).every((times) => times > 0)
  // Parking is rare: a round may have none.
  for (let round = 0; round === 0 || (round < 8 && !isMet()); round++) {
    fc.assert(
      fc.property(replans, (one) => {
        assert.equal(checkMoves(one), [])
        const { moves } = one.plan
        const cells = moves.map(({ vm, cell }) => `${vm} ${cell}`)
        seen.moves += moves.length
        seen.parked += cells.length - new Set(cells).size
        seen.redivided += moves.filter((move) => move.redivides).length
        seen.memory += moves.filter((move) => move.memory.length > 0).length
      }),
      { numRuns: 150 },
    )
  }
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 0, `${what} are met`)
})

test('from any place at all, a state breaks nothing that was not broken at the start', () => {
  const seen = { moves: 0 }
  fc.assert(
    fc.property(hostShape, request, fc.infiniteStream(fc.nat(1_000_000)), (shape, input, stream) => {
      const host = makeHost(shape)
      const one = replan(
        host,
        input,
        anywhere(host, input.vms, () => stream.next().value),
      )
      assert.equal(checkMoves(one), [])
      seen.moves += one.plan.moves.length
    }),
    { numRuns: 100 },
  )
  assert.ok(seen.moves > 50, `${seen.moves} moves are met`)
})

test.run()
