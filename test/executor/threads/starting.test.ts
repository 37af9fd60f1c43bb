import type { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spin } from '../../../bench/guests/spin.js'
import type { Vm } from '../../../executor/vm/vm.js'
import { cpus, MiB } from '../plans.js'
import { first, makeVm, makeVmWith, testWithKvm } from '../vms.js'

testWithKvm(
  'a thread is started when all but one of those before it run, and the main thread has turns in between',
  async () => {
    const vcpus = 6
    await using vm = await makeVm({ vcpus: Array.from({ length: vcpus }, () => cpus.join(',')) })
    /** Of each new thread: how many vCPUs had one that ran. */
    const begun: number[] = []
    const count = (_: Worker) => begun.push(vm.vcpus.filter(({ tid }) => tid !== 0).length)
    process.on('worker', count)
    let turns = 0
    const timer = setInterval(() => turns++, 0)
    try {
      await vm.prepare()
    } finally {
      clearInterval(timer)
      process.off('worker', count)
    }
    // Threads that faulted the memory in are used again.
    const reused = vcpus - begun.length
    assert.ok(begun.length >= 2, `${begun.length} new threads`)
    for (const [i, count] of begun.entries())
      assert.ok(count >= reused + i - 1, `${count} of ${reused + i} threads ran`)
    assert.ok(turns >= begun.length, `${turns} turns in ${begun.length} starts`)
  },
)

testWithKvm('the threads of a VM that has stopped are those of the next one', async () => {
  let started = 0
  const count = () => started++
  const vms: Vm[] = []
  try {
    for (let i = 0; i < 20; i++)
      vms.push(await makeVmWith(spin.code, {}, { vcpus: Array(4).fill(first), cells: [MiB] }))
    for (const [i, vm] of vms.entries()) {
      await vm.run()
      await vm.stop()
      if (i === 0) process.on('worker', count)
    }
  } finally {
    process.off('worker', count)
    for (const vm of vms) await vm.close()
  }
  assert.is(started, 0)
})

test.run()
