import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { portLoop } from '../../../bench/guests/port-loop.js'
import { spin } from '../../../bench/guests/spin.js'
import { REPORT_PORT } from '../../../executor/guests/walk.js'
import type { VcpuSample } from '../../../executor/vm/sampler.js'
import { skipUnless } from '../../skip.js'
import { bundleExecutor } from '../bundle.js'
import { cpus, MiB, planOf } from '../plans.js'
import { holdings } from '../process.js'

const { executor, verified } = await bundleExecutor()
const status = executor.kvmStatus()
const testWithKvm = skipUnless(status.usable, status.usable ? '' : `KVM is not usable: ${status.text}`)

/** A VM with one vCPU. */
async function create(guest: typeof spin, cells: readonly number[] = [4 * MiB], transparentHugePages = false) {
  const plan = verified.sealPlan(planOf({ vcpus: [String(cpus[0])], cells }))
  const vm = await executor.Vm.create(plan, 'demo', { memory: { transparentHugePages } })
  await vm.load(guest.code)
  vm.vcpus[0]!.startInLongMode(0, guest.registers({ vcpu: 0, start: 0, end: 0 }))
  vm.attach('port', { start: REPORT_PORT }, { kind: 'report' })
  return vm
}

testWithKvm('samples of a running vCPU grow, and agree with each other', async () => {
  {
    await using vm = await create(portLoop)
    assert.is(vm.sample()[0]!.thread, null)
    await vm.run()
    const enough = (sample: VcpuSample) => (sample.exits.io ?? 0) > 1000
    let [first] = vm.sample()
    for (; !enough(first!); [first] = vm.sample()) await delay(10)
    let [second] = vm.sample()
    while ((second!.exits.io ?? 0) < first!.exits.io! + 1000) {
      await delay(10)
      ;[second] = vm.sample()
    }
    assert.ok(second!.atMs > first!.atMs)
    assert.equal(Object.keys(second!.exits), ['io'])
    assert.equal(second!.thread!.affinity, [cpus[0]])
    assert.is(second!.thread!.lastCpu, cpus[0])
    assert.ok(second!.thread!.onCpuNs >= first!.thread!.onCpuNs)
    const [{ kvm: early }, { kvm: late }] = [first!, second!]
    if (early !== null) assert.ok(Number(late!.exits) >= Number(early.exits) + 1000)
    await vm.pause()
    const [paused] = vm.sample()
    await delay(20)
    assert.equal(vm.sample()[0]!.exits, paused!.exits)
    await vm.stop()
    assert.is(vm.sample()[0]!.thread, null)
    assert.ok(vm.sample()[0]!.exits.io! >= paused!.exits.io!)
  }
  assert.equal(
    holdings().fds.filter((name) => name.includes('kvm')),
    [],
  )
})

testWithKvm('a guest that never leaves is sampled for the first time while it runs', async () => {
  await using vm = await create(spin)
  await vm.run()
  // By then it is in the guest: a call that waits for the vCPU would never return.
  await delay(200)
  const [{ exits, thread }] = vm.sample() as [VcpuSample]
  assert.equal(exits, {})
  assert.is(thread?.lastCpu, cpus[0])
})

testWithKvm('a closed VM is not sampled', async () => {
  const vm = await create(spin)
  await vm.close()
  assert.throws(() => vm.sample(), /closed/)
})

testWithKvm('the pages of each cell are found while the guest runs', async () => {
  await using vm = await create(spin, [4 * MiB, 8 * MiB], true)
  await vm.run()
  const found = await vm.readPages()
  assert.equal(
    found.map(({ cell, pages }) => [cell, pages.reduce((sum, { bytes }) => sum + bytes, 0)]),
    [
      [0, 4 * MiB],
      [1, 8 * MiB],
    ],
  )
  for (const { pages } of found) {
    assert.ok(pages.every(({ pageSize }) => pageSize === null || pageSize === 4096 || pageSize === 2 * MiB))
  }
})

test.run()
