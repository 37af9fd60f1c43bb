/** Copying pauses while tasks wait for memory, as a file says that is written here. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyChanges } from '../../../executor/apply/apply.js'
import { preparePin } from '../../../executor/apply/by-hand.js'
import { MemoryPressure } from '../../../executor/apply/memory-pressure.js'
import type { ApplyOptions, ChangeProgress, Changes } from '../../../executor/apply/types.js'
import { shareOfLast10 } from '../../../executor/meter/parse.js'
import { skipUnless } from '../../skip.js'
import { hasQemu, NO_QEMU, startQemu } from '../found/guests.js'
import { foundOnly } from './found.js'

const folder = mkdtempSync(join(tmpdir(), 'hn-pressure-'))
const file = join(folder, 'memory')
test.after(() => rmSync(folder, { recursive: true }))

function write(avg10: string): void {
  const line = (name: string, share: string) => `${name} avg10=${share} avg60=77.00 avg300=88.00 total=123\n`
  writeFileSync(file, line('some', avg10) + line('full', '99.00'))
}

test('the share of the last 10 s is that of some task', () => {
  const full = 'full avg10=7.00 avg60=0.00 avg300=0.00 total=1\n'
  assert.is(shareOfLast10(`some avg10=12.50 avg60=1.00 avg300=2.00 total=1\n${full}`), 0.125)
  assert.is(shareOfLast10('some avg10=100.00 avg60=1.00 avg300=2.00 total=1\n'), 1)
  assert.is(shareOfLast10(full), null)
  assert.is(shareOfLast10(''), null)
})

test('it waits until there is no more than the limit, and looks again only after a while', async () => {
  const pressure = new MemoryPressure({ most: 0.1, file }, undefined, 1)
  write('10.01')
  let pauses = 0
  await pressure.wait(() => {
    if (++pauses === 3) write('10.00')
  })
  assert.equal([pauses, pressure.pausedMs], [3, 3])
})

test('what is not measured is no reason to wait', async () => {
  const pressure = new MemoryPressure({ most: 0, file: join(folder, 'none') }, undefined, 1)
  await pressure.wait(() => assert.unreachable())
  assert.is(pressure.pausedMs, 0)
})

test('it waits so long in all and no longer, and not when it is to end', async () => {
  write('100.00')
  const pressure = new MemoryPressure({ most: 0.1, file }, undefined, 1)
  let pauses = 0
  await pressure.wait(() => void pauses++)
  assert.is(pauses, 60)
  const end = new AbortController()
  // It would take an hour.
  const ended = new MemoryPressure({ most: 0.1, file }, end.signal, 3_600_000)
  await ended.wait(() => end.abort())
})

test('a limit that is none is refused with the option', async () => {
  const changes = { kind: 'Changes', steps: [], vms: [], obstacles: [], dedicated: [], partitions: [] }
  const cases: readonly [unknown, RegExp][] = [
    [3, /^options.pressure: expected an object, got 3/],
    [{}, /^options.pressure.most: expected a share, 0 to 1/],
    [{ most: '0.5' }, /^options.pressure.most: .*got "0.5"/],
    [{ most: 1.5 }, /^options.pressure.most: .*got 1.5/],
    [{ most: 1, file: 3 }, /^options.pressure.file: /],
  ]
  for (const [pressure, message] of cases) {
    const error = await applyChanges(changes as never, { pressure: pressure as never }).catch((thrown) => thrown)
    assert.match(String(error.message), message)
  }
})

const withQemu = skipUnless(hasQemu, NO_QEMU)

/** Changes that look at each page of a guest's memory, and find it where it should be. */
async function withGuest(work: (changes: Changes, options: ApplyOptions) => Promise<void>): Promise<void> {
  const guest = await startQemu([
    '-accel',
    'tcg',
    '-name',
    `guest=pressure-${process.pid},debug-threads=on`,
    '-m',
    '64',
  ])
  try {
    const [vm] = (await foundOnly(guest.pid)).vms
    const pinned = await preparePin(vm!, { role: 'vcpu', number: 0 }, '0')
    const memory = vm!.mappings.map(({ start, bytes, pageSize, policy, resident }) => {
      return { start, bytes, pageSize, policy, through: 'kernel' as const, from: resident, to: resident }
    })
    const steps = pinned.steps.map((step) => ({ ...step, memory }))
    await work({ ...pinned, steps }, { state: join(folder, 'state') })
  } finally {
    await guest.stop()
  }
}

withQemu('a copy pauses between two batches, says so, and goes on when the pressure has gone', () =>
  withGuest(async (changes, options) => {
    write('50.00')
    const seen: ChangeProgress[] = []
    const onProgress = (progress: ChangeProgress) => {
      seen.push(progress)
      if (seen.filter(({ doing }) => doing === 'paused').length === 2) write('0.00')
    }
    const applied = await applyChanges(changes, { ...options, pressure: { most: 0.1, file }, onProgress })
    assert.equal([applied.stopped, applied.differences], [false, []])
    const paused = seen.filter(({ doing }) => doing === 'paused')
    assert.equal(
      paused.map((one) => one.paused),
      [1, 2],
    )
    assert.equal([seen.at(-1)?.doing, seen.at(-1)?.paused], ['read-back', 2])
  }),
)

withQemu('without a limit, nobody looks', () =>
  withGuest(async (changes, options) => {
    write('100.00')
    const onProgress = ({ doing, paused }: ChangeProgress) => {
      assert.is.not(doing, 'paused')
      assert.is(paused, 0)
    }
    await applyChanges(changes, { ...options, onProgress })
  }),
)

test.run()
