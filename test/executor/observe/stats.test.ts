import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { portLoop } from '../../../bench/guests/port-loop.js'
import { Kvm } from '../../../executor/kvm/kvm.js'
import { enterGuest } from '../../../executor/kvm/kvm-vcpu.js'
import { VmMemory } from '../../../executor/memory/memory.js'
import { KvmStats } from '../../../executor/observe/stats.js'
import { layoutVm } from '../../../executor/plan/layout.js'
import { kvmStatus } from '../../../executor/run/probe.js'
import { skipUnless } from '../../skip.js'
import { machineWith } from '../machines.js'
import { MiB, planOf } from '../plans.js'
import { holdings } from '../process.js'

const status = kvmStatus()
const testWithKvm = skipUnless(status.usable, status.usable ? '' : `KVM is not usable: ${status.text}`)

testWithKvm("a vCPU's statistics count its exits", async () => {
  using memory = VmMemory.map(layoutVm(planOf({ vcpus: ['0'], cells: [MiB] }).vms[0]!))
  using machine = await machineWith(memory, portLoop)
  const [vcpu] = machine.vcpus
  using stats = KvmStats.open(vcpu!.fd)
  const before = stats.read()
  for (let exit = 0; exit < 100; exit++) assert.is(enterGuest(vcpu!.fd), 0)
  const after = stats.read()
  assert.ok(Number(after.exits) - Number(before.exits) >= 100, `${before.exits} -> ${after.exits}`)
})

testWithKvm('statistics have a name, a kind, a unit and a scale', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  using vcpu = vm.createVcpu(0)
  using ofVm = KvmStats.open(vm.fd)
  using ofVcpu = KvmStats.open(vcpu.fd)
  for (const stats of [ofVm, ofVcpu]) {
    const names = stats.statistics.map(({ name }) => name)
    assert.ok(names.length > 5 && names.every((name) => /^\w+$/.test(name)), names.join())
    assert.is(new Set(names).size, names.length)
    assert.equal(Object.keys(stats.read()), names)
    assert.ok(stats.statistics.every(({ kind, unit }) => kind !== 'unknown' && unit !== 'unknown'))
  }
  const find = (name: string) => ofVcpu.statistics.find((statistic) => statistic.name === name)
  assert.equal(find('exits'), { name: 'exits', kind: 'cumulative', unit: 'none', scale: 1, bucketSize: 0 })
  assert.is(find('halt_wait_ns')?.unit, 'seconds')
  assert.is(find('halt_wait_ns')?.scale, 1e-9)
  assert.is(find('halt_wait_hist')?.kind, 'logarithmic histogram')
  assert.ok(Array.isArray(ofVcpu.read().halt_wait_hist))
})

testWithKvm('what is no VM and no vCPU has no statistics, and nothing is left open', () => {
  const before = holdings().fds
  {
    using kvm = Kvm.open()
    assert.throws(() => KvmStats.open(kvm.fd), /KVM_GET_STATS_FD.*(ENOTTY|EINVAL)/)
    using vm = kvm.createVm()
    using stats = KvmStats.open(vm.fd)
    stats.close()
    assert.throws(() => stats.read(), /EBADF/)
  }
  assert.throws(() => KvmStats.open(-1), /EBADF/)
  assert.equal(holdings().fds, before)
})

test.run()
