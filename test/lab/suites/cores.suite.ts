/** Core scheduling, where CPUs have SMT siblings: a cookie for each trust domain, and none when the threads have ended. */

import { readdirSync } from 'node:fs'
import { detectHost } from 'homenode'
import { runPlan } from 'homenode/executor'
import koffi from 'koffi'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../../skip.js'
import { planned, requestOf, SECONDS } from './inside.js'

const prctl = koffi.load(null).func('int prctl(int, unsigned long, unsigned long, unsigned long, void *)')
const PR_SCHED_CORE = 62
const PR_SCHED_CORE_GET = 0

/** A thread's cookie; 0: none. `null`: the kernel has no core scheduling. */
function cookieOf(tid: number): bigint | null {
  const cookie = new BigUint64Array(1)
  return prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, tid, 0, cookie) < 0 ? null : cookie[0]!
}

skipUnless(cookieOf(process.pid) !== null, 'this kernel has no core scheduling (CONFIG_SCHED_CORE)')(
  'vCPUs of a trust domain have a cookie in common, those of another one another, and nobody keeps it',
  async () => {
    const vms = [
      { name: 'a', vcpus: 2, trust: 'one' },
      { name: 'b', trust: 'two' },
      { name: 'c', trust: 'one' },
    ]
    const host = await detectHost()
    const seen = new Map<string, Set<bigint | null>>()
    const report = await runPlan(await planned(host, requestOf(...vms)), {
      seconds: SECONDS,
      backend: 'threads',
      onProgress: ({ vcpus }) => {
        for (const { vm, tid } of vcpus) seen.set(vm, (seen.get(vm) ?? new Set()).add(cookieOf(tid)))
      },
    })
    assert.equal(report.findings, [])
    const [a, b, c] = ['a', 'b', 'c'].map((vm) => [...seen.get(vm)!])
    assert.is(a!.length, 1)
    assert.ok(a![0]! > 0n)
    assert.equal(c, a)
    assert.is(b!.length, 1)
    assert.ok(b![0]! > 0n)
    assert.is.not(b![0], a![0])
    for (const tid of readdirSync('/proc/self/task')) assert.is(cookieOf(Number(tid)), 0n)
  },
)

test.run()
