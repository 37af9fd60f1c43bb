import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Vm, VmError } from '../../../executor/index.js'
import { crash } from '../guests/behaviours.js'
import { count, echo } from '../guests/programs.js'
import { cpus, MiB, planOf } from '../plans.js'
import { leftSince, settledHoldings } from '../process.js'
import { runScript } from '../script.js'
import { executor, failure, first, last, makeVm, makeVmWith, number64, run, testWithKvm, warmUp } from '../vms.js'

const data = (module: string) => `data:text/javascript,${encodeURIComponent(module)}`

test.before(warmUp)

/** Runs a VM to its failure, and sees that nothing of it is left. */
async function failed(make: () => Promise<Vm>): Promise<VmError> {
  const before = await settledHoldings()
  let error: Error
  {
    await using vm = await make()
    await vm.run().catch(() => {})
    error = await failure(vm.wait())
    assert.equal(vm.state, { name: 'failed', error })
    assert.is(await failure(vm.pause()), error)
    await vm.stop()
    assert.is(vm.state.name, 'failed')
  }
  assert.equal(await leftSince(before), [])
  assert.is(error.name, 'VmError')
  return error as VmError
}

const reads = { rdx: 0x60n, rsi: 0x4000n, rdi: 0x4008n }

testWithKvm('a handler that throws, at once or later, fails the VM with what it threw', async () => {
  const thrown = new Error('no such register')
  for (const read of [
    () => {
      throw thrown
    },
    async () => {
      await delay(1)
      throw thrown
    },
  ]) {
    const error = await failed(async () => {
      const vm = await makeVmWith(echo, reads)
      vm.onPort({ start: 0x60 }, { read })
      return vm
    })
    assert.is(error.message, 'VM "demo", vCPU 0: the handler of port 0x60 threw: no such register')
    assert.is(error.cause, thrown)
    assert.equal([error.vm, error.vcpu, error.failure.kind], ['demo', 0, 'device'])
  }
})

testWithKvm('what a handler does not answer, and what a device does not, fails the VM with the address', async () => {
  const unreadable = await failed(async () => {
    const vm = await makeVmWith(echo, reads)
    vm.onPort({ start: 0x60 }, { write() {} })
    return vm
  })
  assert.match(unreadable.message, /the handler of port 0x60 threw: it cannot be read/)
  const exitPort = await failed(async () => {
    const vm = await makeVmWith(echo, { ...reads, rdx: 0xf4n })
    vm.exitPort()
    return vm
  })
  assert.match(exitPort.message, /^VM "demo", vCPU 0: exit io: the guest read port 0xf4, where no device is/)
})

testWithKvm('a listener that throws fails the VM', async () => {
  const error = await failed(async () => {
    const vm = await makeVmWith(Uint8Array.of(0xef, 0xeb, 0xfe), { rdx: 0x70n })
    vm.ioeventfd('port', { address: 0x70 }, () => {
      throw new Error('from the listener')
    })
    return vm
  })
  assert.is(error.message, 'VM "demo": from the listener')
})

testWithKvm('a console that throws fails the VM', async () => {
  const error = await failed(async () => {
    const vm = await makeVmWith(Uint8Array.of(0xee, 0xeb, 0xfe), { rdx: 0x3f8n })
    vm.serial(() => {
      throw new Error('nobody looks')
    })
    return vm
  })
  assert.match(error.message, /nobody looks/)
})

for (const [what, module, text] of [
  ['throws', 'export const createDevice = () => ({ read() { throw new Error("broken") } })', /threw: broken/],
  ['cannot be loaded', 'export const createDevice = (', /SyntaxError|Unexpected/],
  [
    'makes nothing',
    'export const device = 1',
    /the device of data:.* cannot be made: expected a function createDevice, got nothing/,
  ],
  [
    'takes more memory than a thread has',
    'const all = []; export const createDevice = () => ({ read() { for (;;) all.push(Array(1e5).fill({})) } })',
    /memory/,
  ],
  ['ends its thread', 'export const createDevice = () => ({ read() { process.exit(3) } })', /exited with code: 3/],
] as const) {
  testWithKvm(`a device whose module ${what} fails the VM`, async () => {
    const error = await failed(async () => {
      const vm = await makeVmWith(echo, reads)
      vm.onPort({ start: 0x60 }, { module: data(module) })
      return vm
    })
    assert.match(error.message, /^VM "demo", vCPU 0: /)
    assert.match(error.message, text)
  })
}

testWithKvm('a device that never returns does not keep its VM from being stopped', async () => {
  const before = await settledHoldings()
  {
    await using vm = await makeVmWith(echo, reads)
    vm.onPort({ start: 0x60 }, { module: data('export const createDevice = () => ({ read() { for (;;); } })') })
    await vm.run()
    await delay(50)
    await vm.stop()
    assert.is(vm.state.name, 'stopped')
  }
  assert.equal(await leftSince(before), [])
})

testWithKvm('of two VMs in a process one fails, and the other goes on', async () => {
  await using good = await makeVmWith(count, { rdi: 0x3000n }, { name: 'good' })
  await using bad = await makeVmWith(crash.code, {}, { name: 'bad', vcpus: [last] })
  await good.run()
  // It may fail before it is seen to run.
  await bad.run().catch(() => {})
  assert.match((await failure(bad.wait())).message, /^VM "bad", vCPU 0: exit shutdown/)
  const at = number64(good.read(0x3000, 8))
  await delay(30)
  assert.ok(number64(good.read(0x3000, 8)) > at)
  assert.is(good.state.name, 'running')
})

testWithKvm('in a run one VM fails, which is a finding, and the others are reported as they ran', async () => {
  const plan = planOf(
    { name: 'good', vcpus: [first], cells: [8 * MiB] },
    { name: 'bad', vcpus: [first, last], cells: [4 * MiB] },
  )
  const guest = {
    ...crash,
    // The VM "bad" has a second vCPU.
    code: Uint8Array.from([0x48, 0x85, 0xdb, 0x74, 0x02, 0x0f, 0x0b, 0xb0, 0x01, 0xe6, 0x10, 0xeb, 0xfc]),
    registers: ({ vcpu }: { vcpu: number }) => ({ rbx: BigInt(vcpu) }),
  }
  const report = await run.carryOut(plan, plan, { seconds: 0.3 }, guest)
  assert.is(report.verified, false)
  assert.equal(
    report.findings.map(({ constraint, vm, vcpu }) => ({ constraint, vm, vcpu })),
    [{ constraint: 'failed', vm: 'bad', vcpu: 1 }],
  )
  assert.match(report.findings[0]!.text, /^VM "bad", vCPU 1: exit shutdown/)
  assert.ok(report.vcpus.find(({ vm }) => vm === 'good')!.exits > 100)
  assert.equal(report.memory[0]!.residentBytes, { [report.memory[0]!.node]: 8 * MiB })
})

testWithKvm('more vCPUs than KVM allows are refused with the numbers', async () => {
  const status = executor.kvmStatus()
  const most = status.usable ? status.maxVcpus : 0
  const before = await settledHoldings()
  const error = await failure(makeVm({ vcpus: Array.from({ length: most + 1 }, () => cpus.join(',')) }))
  assert.is(
    error.message.replace(/ids up to \d+/, 'ids up to N').replace(/below \d+/, 'below N'),
    `VM "demo": KVM_CAP_MAX_VCPUS: the plan has ${most + 1} vCPUs with APIC ids up to N; KVM allows ${most} in a VM, with ids below N`,
  )
  assert.equal(await leftSince(before), [])
})

testWithKvm(
  'a CPU that does not exist is an error that names VM, vCPU and call, or with `relaxed` a finding',
  async () => {
    const error = await failed(() => makeVm({ vcpus: [first, '8000'] }))
    assert.match(error.message, /^VM "demo", vCPU 1: sched_setaffinity\(CPU 8000\): EINVAL .*cpuset/)
    await using vm = await makeVmWith(count, { rdi: 0x3000n }, { vcpus: ['8000'] }, { relaxed: true })
    await vm.run()
    assert.equal(
      vm.refusals.map(({ constraint, vm, vcpu }) => ({ constraint, vm, vcpu })),
      [{ constraint: 'refused', vm: 'demo', vcpu: 0 }],
    )
    assert.match(vm.refusals[0]!.text, /^VM "demo", vCPU 0: sched_setaffinity\(CPU 8000\): EINVAL/)
  },
)

testWithKvm('memory that cannot be bound is an error that names VM and call, or with `relaxed` a finding', async () => {
  const before = await settledHoldings()
  const error = await failure(makeVm({ node: 1000 }))
  assert.match(error.message, /^VM "demo": mbind\(node 1000\): EINVAL .*the node does not exist/)
  assert.equal(await leftSince(before), [])
  await using vm = await makeVm({ node: 1000 }, { relaxed: true })
  assert.match(vm.refusals[0]!.text, /^VM "demo": mbind\(node 1000\): EINVAL/)
  assert.equal(Object.values((await vm.readMemory())[0]!.residentBytes), [64 * MiB])
})

testWithKvm('the signal of the caller ends the creation while memory is faulted in, and nothing is left', async () => {
  const before = await settledHoldings()
  const reason = new Error('enough')
  assert.is(await failure(makeVm({}, { signal: AbortSignal.abort(reason) })), reason)
  const controller = new AbortController()
  const making = failure(makeVm({ cells: [1024 * MiB] }, { signal: controller.signal }))
  await delay(20)
  controller.abort(reason)
  assert.is(await making, reason)
  const onProgress = () => {
    throw new Error('from the caller')
  }
  assert.match((await failure(makeVm({ cells: [2048 * MiB] }, { onProgress }))).message, 'from the caller')
  assert.equal(await leftSince(before), [])
})

testWithKvm('a process that ends while its guests run does not hang', () => {
  assert.is(runScript('await spinning(); process.exit(5)').status, 5)
  const uncaught = runScript('await spinning(); setTimeout(() => { throw new Error("uncaught") }, 10)')
  assert.is(uncaught.status, 1)
  assert.match(uncaught.stderr, 'uncaught')
  // Nobody stops it, and nothing else is left to do: the guest keeps the process alive.
  assert.is(runScript('const vm = await spinning(); setTimeout(() => vm.stop(), 100); await vm.wait()').status, 0)
})

testWithKvm('a process that ends while threads are starting does not abort', () => {
  for (let ms = 0; ms < 50; ms += 5) {
    const { status, stderr } = runScript(
      `setTimeout(() => process.exit(5), ${ms}); await spinning(); await new Promise(() => {})`,
    )
    assert.is(status, 5, `after ${ms} ms: ${stderr}`)
  }
})

testWithKvm('a process without descriptors to spare is told which call failed, and goes on', () => {
  const script = `
    const { readdirSync, openSync } = await import('node:fs')
    await (await spinning()).close()
    const before = readdirSync('/proc/self/fd').length
    const held = []
    try { for (;;) held.push(openSync('/dev/null')) } catch {}
    const error = await Vm.create(plan, 'demo').catch((error) => error)
    console.log(error.message)
    const { closeSync } = await import('node:fs')
    for (const fd of held) closeSync(fd)
    console.log(readdirSync('/proc/self/fd').length - before)
    await (await spinning()).close()
    console.log('went on')`
  const { stdout, stderr } = runScript(script, 'ulimit -n 200;')
  const [message = '', grown, end] = stdout.trim().split('\n')
  assert.match(message, /^VM "demo": (open\(\/dev\/kvm\)|ioctl\(KVM_CREATE_VM\)): EMFILE /, stderr)
  assert.is(grown, '0')
  assert.is(end, 'went on')
})

testWithKvm('a vCPU that KVM has no descriptor for is refused, and the others stay', () => {
  const script = `
    const { openSync, closeSync } = await import('node:fs')
    const { AccelKvm } = await import(process.env.BUNDLE + '/accel.js')
    const guest = new AccelKvm({ name: 'web' })
    await guest.init()
    await guest.createVcpu(0)
    const held = []
    try { for (;;) held.push(openSync('/dev/null')) } catch {}
    const error = await guest.createVcpu(1).catch((error) => error)
    console.log(error.message)
    console.log(guest.vcpuIds().join())
    for (const fd of held) closeSync(fd)
    await guest.createVcpu(1)
    console.log(guest.vcpuIds().join())
    await guest.close()`
  const { stdout, stderr } = runScript(script, 'ulimit -n 200;')
  const [message = '', before, after] = stdout.trim().split('\n')
  assert.match(message, /^VM "web".*ioctl\(KVM_CREATE_VCPU\): EMFILE /, stderr)
  assert.equal([before, after], ['0', '0,1'])
})

test.run()
