/** Text of procfs as counters. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  parseCpuTimes,
  parseNumastat,
  parsePressure,
  parseSched,
  parseSchedstat,
  parseStatCounters,
} from '../../../executor/meter/parse.js'
import { cpuTimes, numastatText, schedText, statText } from './recorded.js'

test('stat: counters of a thread whose name has parentheses and spaces', () => {
  assert.equal(parseStatCounters(statText({ name: 'a) (b 1', ticks: 250, lastCpu: 13, threads: 9 })), {
    ranNs: 2.5e9,
    threads: 9,
    startTime: 90_000,
    residentPages: 500,
    lastCpu: 13,
  })
  assert.is(parseStatCounters('7 (cut off) S 1 2 3'), null)
  assert.is(parseStatCounters(''), null)
})

test('schedstat: all zeros are not counted', () => {
  assert.equal(parseSchedstat('12345678901 22 3\n'), { onCpuNs: 12_345_678_901, delayNs: 22 })
  assert.is(parseSchedstat('0 0 0\n'), null)
  assert.is(parseSchedstat(''), null)
})

test('sched: migrations, and accesses by node, both kinds together', () => {
  assert.equal(
    parseSched(
      schedText(17, [
        [3, 4],
        [0, 10],
      ]),
    ),
    {
      migrations: 17,
      faults: [
        { node: 0, count: 7 },
        { node: 1, count: 10 },
      ],
    },
  )
})

test('sched: where nothing was sampled, nothing is known of it', () => {
  assert.is(
    parseSched(
      schedText(0, [
        [0, 0],
        [0, 0],
      ]),
    ).faults,
    null,
  )
  assert.equal(parseSched('a kernel without CONFIG_SCHED_DEBUG'), { migrations: null, faults: null })
})

test('pressure, numastat and the times of CPUs', () => {
  const some = 'some avg10=1.00 avg60=0.00 avg300=0.00 total=12\n'
  assert.equal(parsePressure(some), { someNs: 12_000, fullNs: null })
  assert.equal(parsePressure(`${some}full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n`), {
    someNs: 12_000,
    fullNs: 5000,
  })
  assert.is(parsePressure(''), null)
  assert.equal(parseNumastat(numastatText(10, 2, 4)), { hit: 10, miss: 2, foreign: 3, local: 6, other: 4 })
  assert.is(parseNumastat('numa_hit 1\n'), null)
  assert.equal(
    [...parseCpuTimes(cpuTimes([3, 4], [5, 6]))],
    [
      [0, { busyNs: 3e7, idleNs: 5e7 }],
      [1, { busyNs: 4e7, idleNs: 6e7 }],
    ],
  )
})

test('user, nice, system, interrupts and stolen time are busy; idle and waiting for I/O are idle; a guest is in user', () => {
  const [[cpu, time]] = [...parseCpuTimes('cpu 0\ncpu12 1 2 4 8 16 32 64 128 256 512\n')] as [[number, object]]
  assert.equal([cpu, time], [12, { busyNs: (1 + 2 + 4 + 32 + 64 + 128) * 1e7, idleNs: 24e7 }])
})

test('any text gives whole numbers or nothing', () => {
  const pieces = fc.constantFrom(
    'cpu0',
    '1',
    ' ',
    '\n',
    ')',
    'numa_faults node=',
    'task_private=',
    'se.nr_migrations',
    ':',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string()), { maxLength: 60 }), (parts) => {
      const text = parts.join('')
      const numbers = [
        ...Object.values(parseStatCounters(text) ?? {}),
        ...Object.values(parseSchedstat(text) ?? {}),
        parseSched(text).migrations ?? 0,
        ...(parseSched(text).faults ?? []).flatMap(({ node, count }) => [node, count]),
        ...[...parseCpuTimes(text).values()].flatMap(({ busyNs, idleNs }) => [busyNs, idleNs]),
        ...Object.values(parseNumastat(text) ?? {}),
      ]
      return numbers.every((number) => number >= 0)
    }),
  )
})

test.run()
