import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { currentThread } from '../../../executor/ffi/threads.js'
import {
  observeThread,
  schedstatOf,
  statOf,
  switchesFromSched,
  switchesFromStatus,
} from '../../../executor/observe/observe.js'
import { cpus } from '../plans.js'

const fields = Array.from({ length: 50 }, (_, i) => String(i + 3))

test('the fields of stat are found behind any thread name', () => {
  const stat = statOf(`12 (a) b (c)) ${fields.join(' ')}\n`)
  assert.is(stat.lastCpu, 39)
  assert.is(stat.kernelNs, 15 * 10_000_000)
  assert.is(stat.guestNs, 43 * 10_000_000)
})

test('time in the guest is part of the user time, and what is left is outside', () => {
  const withTimes = (user: number, guest: number) => {
    const values = [...fields]
    values[14 - 3] = String(user)
    values[43 - 3] = String(guest)
    return statOf(`12 (vcpu) ${values.join(' ')}\n`)
  }
  assert.is(withTimes(50, 30).outsideNs, 20 * 10_000_000)
  assert.is(withTimes(29, 30).outsideNs, 0)
})

test('the first two numbers of schedstat are time on the CPU and run delay', () => {
  assert.equal(schedstatOf('25183 117 9\n'), { onCpuNs: 25183, runDelayNs: 117 })
  assert.equal(schedstatOf('0 0 0\n'), { onCpuNs: 0, runDelayNs: 0 })
})

test('switches and migrations are found in sched, switches alone in status', () => {
  const sched = [
    'node (23282, #threads: 15)',
    'se.nr_migrations                             :                    1',
    'nr_switches                                  :                  250',
    'nr_voluntary_switches                        :                    3',
    'nr_involuntary_switches                      :                  247',
  ]
  assert.equal(switchesFromSched(sched.join('\n')), { voluntarySwitches: 3, involuntarySwitches: 247, migrations: 1 })
  const status = 'Name:\tnode\nvoluntary_ctxt_switches:\t31\nnonvoluntary_ctxt_switches:\t2470\n'
  const expected = { voluntarySwitches: 31, involuntarySwitches: 2470, migrations: null }
  assert.equal(switchesFromStatus(status), expected)
})

test('the own thread is seen on its allowed CPUs, and its time passes', () => {
  const tid = currentThread()
  const before = observeThread(tid)
  assert.equal(before.affinity, cpus)
  assert.ok(cpus.includes(before.lastCpu))
  const end = performance.now() + 50
  while (performance.now() < end);
  const after = observeThread(tid)
  assert.ok(after.onCpuNs > before.onCpuNs)
  assert.ok(after.outsideNs + after.kernelNs >= before.outsideNs + before.kernelNs)
  assert.ok(after.runDelayNs >= before.runDelayNs)
  assert.is(after.guestNs, 0)
})

test('a thread that waits again and again gives its CPU up of its own will', async () => {
  const before = observeThread(currentThread())
  for (let i = 0; i < 20; i++) await delay(2)
  const after = observeThread(currentThread())
  assert.ok(after.voluntarySwitches >= before.voluntarySwitches + 20)
  assert.ok(after.involuntarySwitches >= before.involuntarySwitches)
})

test('a thread that does not exist is an error', () => {
  const gone = 2 ** 22 - 1
  assert.not.ok(readdirSync('/proc').includes(String(gone)))
  assert.throws(() => observeThread(gone), /sched_getaffinity.*ESRCH/)
})

test.run()
