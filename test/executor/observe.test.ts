import { readdirSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { currentThread } from '../../executor/ffi/threads.js'
import { lastCpuOf, observeThread, runDelayOf } from '../../executor/observe.js'
import { cpus } from './plans.js'

test('the last CPU is found behind any thread name', () => {
  const fields = Array.from({ length: 50 }, (_, i) => String(i + 3))
  assert.is(lastCpuOf(`12 (a) b (c)) ${fields.join(' ')}\n`), 39)
})

test('the run delay is the second number', () => {
  assert.is(runDelayOf('25183 117 9\n'), 117)
  assert.is(runDelayOf('0 0 0\n'), 0)
})

test('the own thread is seen on its allowed CPUs', () => {
  const state = observeThread(currentThread())
  assert.equal(state.affinity, cpus)
  assert.ok(cpus.includes(state.lastCpu))
})

test('a thread that does not exist is an error', () => {
  const gone = 2 ** 22 - 1
  assert.not.ok(readdirSync('/proc').includes(String(gone)))
  assert.throws(() => observeThread(gone), /sched_getaffinity.*ESRCH/)
})

test.run()
