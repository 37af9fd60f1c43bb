import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filledBy } from '../../../executor/calibrate/firmware.js'
import type { NodeId } from '../../../src/types.js'

const nodes = [0, 1, 4] as NodeId[]

test('what was not measured is in proportion to what was measured of the own memory; what was measured stays', () => {
  const firmware = [
    [80, null, null],
    [null, 100, 250],
    [null, null, null],
  ]
  const measured = [
    [90, 160, null],
    [161, 120, null],
    [null, null, null],
  ]
  assert.equal(filledBy(firmware, measured, nodes), [{ from: 1, to: 4, ns: 250, local: 100, latency: 300 }])
  const known = measured.map((row, from) => row.map((ns, to) => (from === 1 && to === 2 ? 280 : ns)))
  assert.equal(filledBy(firmware, known, nodes), [])
})

test('without a local figure, of the firmware or measured, there is nothing that a figure could be in proportion to', () => {
  const nothing = [null, null, null]
  const far = [[80, 200, 250], nothing, nothing]
  assert.equal(filledBy(far, [nothing, nothing, nothing], nodes), [])
  assert.equal(filledBy([[null, 200, 250], nothing, nothing], [[90, null, null], nothing, nothing], nodes), [])
  assert.equal(
    filledBy(far, [[88, null, 270], nothing, nothing], nodes).map(({ to, latency }) => [to, latency]),
    [[1, 220]],
  )
})

test.run()
