import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KVM_EXIT_IO } from '../../../executor/abi/kvm.js'
import { hlt } from '../guests/hlt.js'
import { count, echo, greet, pour, real } from '../guests/programs.js'
import { MiB, planOf } from '../plans.js'
import { leftSince, settledHoldings } from '../process.js'
import {
  executor,
  failure,
  first,
  last,
  makeVm,
  makeVmWith,
  number64,
  refusal,
  testWithKvm,
  verified,
  warmUp,
} from '../vms.js'

test.before(warmUp)

test('a VM is made from the object that the verifier returned, for a VM that it places', async () => {
  const plan = planOf({ vcpus: [first] })
  for (const given of [plan, structuredClone(verified.sealPlan(plan)), null, undefined]) {
    const error = await failure(executor.Vm.create(given as never, 'demo'))
    assert.is(error.name, 'InputError')
    assert.match(error.message, 'verifyPlan')
  }
  assert.match((await failure(executor.Vm.create(verified.sealPlan(plan), 'web'))).message, /^name: .*"web"/)
})

testWithKvm('a guest prints on the serial console and ends through the exit port', async () => {
  const text = 'hello from the guest\n'
  await using vm = await makeVmWith(greet, { rdx: 0x3f8n, rsi: 0x2000n, rcx: BigInt(text.length), rbx: 7n })
  let printed = ''
  vm.serial((bytes) => {
    printed += Buffer.from(bytes).toString()
  })
  vm.exitPort()
  vm.write(0x2000, Buffer.from(text))
  assert.equal(vm.state, { name: 'created' })
  await vm.run()
  assert.equal(await vm.wait(), { name: 'stopped', by: 'guest', exitCode: 7 })
  assert.equal(vm.state, { name: 'stopped', by: 'guest', exitCode: 7 })
  assert.is(printed, text)
})

testWithKvm('more than the console holds at a time comes out whole and in order', async () => {
  const text = Array.from({ length: 40_000 }, (_, i) => `${i},`).join('')
  await using vm = await makeVmWith(greet, { rdx: 0x2f8n, rsi: 0x100000n, rcx: BigInt(text.length) })
  const parts: Uint8Array[] = []
  vm.serial((bytes) => parts.push(bytes), 0x2f8)
  vm.exitPort()
  vm.write(0x100000, Buffer.from(text))
  await vm.run()
  await vm.wait()
  assert.ok(parts.length > 1)
  assert.is(Buffer.concat(parts).toString(), text)
})

testWithKvm(
  'handlers answer reads and writes of ports and of memory-mapped registers, and may take their time',
  async () => {
    await using vm = await makeVmWith(echo, { rdx: 0x60n, rsi: 0xd000_0000n, rdi: 0xd000_0010n })
    const seen: unknown[] = []
    vm.onPort(
      { start: 0x60, length: 2 },
      {
        read: async (port, data, vcpu) => {
          await delay(5)
          data.set([0x34, 0x12])
          seen.push(['in', port, data.length, vcpu])
        },
        write: (port, data) => {
          seen.push(['out', port, [...data]])
        },
      },
    )
    vm.onMmio(
      { start: 0xd000_0000, length: 0x1000 },
      {
        read: (address, data) => {
          data.fill(0xff)
          seen.push(['load', address, data.length])
        },
        write: async (address, data) => {
          await delay(5)
          seen.push(['store', address, number64(data)])
        },
      },
    )
    await vm.run()
    assert.equal(await vm.wait(), { name: 'stopped', by: 'halt', exitCode: null })
    assert.equal(seen, [
      ['load', 0xd000_0000, 8],
      ['store', 0xd000_0010, 0n],
      ['in', 0x60, 2, 0],
      ['out', 0x60, [0x35, 0x12]],
    ])
  },
)

testWithKvm('coalesced writes to ports and memory reach their handlers in order, with far fewer exits', async () => {
  const writes = 3000
  await using vm = await makeVmWith(pour, { rdx: 0x70n, rdi: 0xd000_0000n, rcx: BigInt(writes) })
  const ports: number[] = []
  const stores: number[] = []
  const number = (data: Uint8Array) => new DataView(data.buffer, data.byteOffset).getUint32(0, true)
  vm.onPort({ start: 0x70 }, { write: (_, data) => void ports.push(number(data)) })
  vm.onMmio({ start: 0xd000_0000, length: 4096 }, { write: (_, data) => void stores.push(number(data)) })
  vm.coalesce('port', { start: 0x70, length: 4 })
  vm.coalesce('mmio', { start: 0xd000_0000, length: 4096 })
  vm.exitPort()
  await vm.run()
  assert.is((await vm.wait()).exitCode, 0)
  const expected = Array.from({ length: writes }, (_, i) => writes - i)
  assert.equal(ports, expected)
  assert.equal(stores, expected)
  const exits = vm.block(0).exits.reduce((sum, exits) => sum + exits, 0)
  assert.ok(exits < (2 * writes) / 20, `${vm.block(0).exits}`)
})

testWithKvm('coalesced writes arrive while the guest goes on without another exit', async () => {
  const code = Uint8Array.from([0xef, 0xeb, 0xfe])
  await using vm = await makeVmWith(code, { rdx: 0x70n, rax: 42n })
  const seen = new Promise<number>((resolve) => {
    vm.onPort({ start: 0x70 }, { write: (_, data) => resolve(data[0]!) })
  })
  vm.coalesce('port', { start: 0x70, length: 4 })
  await vm.run()
  assert.is(await seen, 42)
  assert.is(vm.block(0).exits[KVM_EXIT_IO], 0)
})

testWithKvm('an ioeventfd counts writes that never leave the guest', async () => {
  const writes = 500
  await using vm = await makeVmWith(pour, { rdx: 0x70n, rdi: 0xd000_0000n, rcx: BigInt(writes) })
  let told = 0
  const ports = vm.ioeventfd('port', { address: 0x70, bytes: 4 })
  vm.ioeventfd('mmio', { address: 0xd000_0000 }, (count) => {
    told += count
  })
  vm.exitPort()
  await vm.run()
  await vm.wait()
  assert.is(
    vm.block(0).exits.reduce((sum, exits) => sum + exits, 0),
    1,
  )
  assert.is(ports.take(), writes)
  assert.is(ports.take(), 0)
  while (told < writes) await delay(5)
  assert.is(told, writes)
})

testWithKvm('an ioeventfd with a value counts that value alone', async () => {
  await using vm = await makeVmWith(pour, { rdx: 0x70n, rdi: 0xd000_0000n, rcx: 20n })
  const seen: number[] = []
  vm.onPort({ start: 0x70 }, { write: (_, data) => void seen.push(data[0]!) })
  vm.onMmio({ start: 0xd000_0000 }, { write() {} })
  const bell = vm.ioeventfd('port', { address: 0x70, bytes: 4, value: 5n })
  vm.exitPort()
  await vm.run()
  await vm.wait()
  assert.is(bell.take(), 1)
  assert.is(seen.length, 19)
  assert.not.ok(seen.includes(5))
})

testWithKvm('a device of a module answers in the thread of the vCPU', async () => {
  const module = `export const createDevice = ({ shared }, { vcpu, exit }) => ({
    read(address, data) { data[0] = address; data[1] = vcpu },
    write(address, data) { new Uint8Array(shared).set(data); exit(9) },
  })`
  const shared = new SharedArrayBuffer(8)
  await using vm = await makeVmWith(echo, { rdx: 0x60n, rsi: 0x4000n, rdi: 0x4008n })
  vm.onPort({ start: 0x60 }, { module: `data:text/javascript,${encodeURIComponent(module)}`, options: { shared } })
  await vm.run()
  assert.equal(await vm.wait(), { name: 'stopped', by: 'guest', exitCode: 9 })
  assert.equal([...new Uint8Array(shared)].slice(0, 2), [0x61, 0])
})

testWithKvm('a guest starts in real mode, below and above 64 KiB', async () => {
  for (const [at, segment, offset] of [
    [0x7c00, 0, 0x7c00],
    [0x12340, 0x1234, 0],
  ] as const) {
    await using vm = await makeVm()
    await vm.load(real, at)
    vm.vcpus[0]!.startInRealMode(at, { rsp: 0x8000n })
    await vm.run()
    assert.is((await vm.wait()).by, 'halt')
    const view = new DataView(vm.read(0x500, 4).buffer)
    assert.equal([view.getUint16(0, true), view.getUint16(2, true)], [segment, offset + 8])
  }
})

testWithKvm('registers and segments are set by name, and read back', async () => {
  await using vm = await makeVmWith(hlt.code, { rax: 1n, r15: 15n })
  const vcpu = vm.vcpus[0]!
  vcpu.setRegisters({ rbx: 2n })
  const { rax, rbx, r15, rip } = vcpu.registers()
  assert.equal([rax, rbx, r15, rip], [1n, 2n, 15n, 0x1000n])
  const before = vcpu.specialRegisters()
  vcpu.setSpecialRegisters({ fs: { base: 0x1234_5678_9000n }, gdt: { base: 0x3000n, limit: 23 }, cr2: 0xdeadn })
  const after = vcpu.specialRegisters()
  assert.is(after.fs.base, 0x1234_5678_9000n)
  assert.is(after.fs.limit, before.fs.limit)
  assert.equal(after.gdt, { base: 0x3000n, limit: 23 })
  assert.is(after.cr2, 0xdeadn)
  assert.equal(after.cs, before.cs)
  assert.match(refusal(() => vcpu.setRegisters({ eax: 1n } as never)).message, /^registers: expected names of rax/)
  assert.match(refusal(() => vcpu.setSpecialRegisters({ efer: 0n })).message, /KVM_SET_SREGS\): EINVAL.*contradict/)
  await vm.run()
  await vm.wait()
})

testWithKvm('a paused guest does nothing, and goes on where it was', async () => {
  await using vm = await makeVmWith(count, { rdi: 0x3000n })
  const counted = () => number64(vm.read(0x3000, 8))
  await vm.run()
  while (counted() < 1000n) await delay(5)
  await vm.pause()
  assert.equal(vm.state, { name: 'paused' })
  const at = counted()
  await delay(50)
  assert.is(counted(), at)
  const { rip, rdi } = vm.vcpus[0]!.registers()
  assert.ok(rip >= 0x1000n && rip < 0x1005n)
  assert.is(rdi, 0x3000n)
  vm.vcpus[0]!.setRegisters({ rdi: 0x4000n })
  await vm.resume()
  while (number64(vm.read(0x4000, 8)) < 1000n) await delay(5)
  assert.ok(counted() <= at + 1n)
  for (let i = 0; i < 20; i++) {
    await vm.pause()
    await vm.resume()
  }
  await vm.stop()
  assert.equal(vm.state, { name: 'stopped', by: 'caller', exitCode: null })
  assert.equal(await vm.wait(), vm.state)
})

testWithKvm('with interrupt controllers in the kernel a halt waits, and other vCPUs wait to be started', async () => {
  await using vm = await makeVmWith(count, { rdi: 0x3000n }, { vcpus: [first, last] }, { irqchip: true })
  vm.vcpus[0]!.setRegisters({ rip: 0x5000n })
  vm.write(0x5000, hlt.code)
  await vm.run()
  await delay(30)
  assert.is(vm.state.name, 'running')
  assert.is(number64(vm.read(0x3000, 8)), 0n)
  await vm.pause()
  assert.is(vm.vcpus[0]!.registers().rip, 0x5001n)
  await vm.resume()
  await vm.stop()
  assert.is(vm.state.name, 'stopped')
})

testWithKvm('what a state does not allow is refused by name', async () => {
  await using vm = await makeVmWith(count, { rdi: 0x3000n })
  const message = async (promise: Promise<unknown>) => (await failure(promise)).message
  assert.is(await message(vm.pause()), 'VM "demo": pause is for a VM that is running; this one is created')
  assert.is(await message(vm.resume()), 'VM "demo": resume is for a VM that is paused; this one is created')
  await vm.run()
  assert.match(await message(vm.run()), /run is for a VM that is created; this one is running/)
  assert.match(await message(vm.load(count)), /load is for a VM that is created or paused/)
  assert.is(refusal(() => vm.vcpus[0]!.registers()).name, 'VmStateError')
  assert.is(refusal(() => vm.onPort({ start: 1 }, {})).name, 'VmStateError')
  await vm.stop()
  await vm.stop()
  assert.match(await message(vm.resume()), /this one is stopped/)
  assert.is(refusal(() => vm.repin(0, first)).name, 'VmStateError')
  await vm.close()
  assert.match(refusal(() => vm.read(0, 1)).message, /this one is closed/)
})

testWithKvm('ranges that are none, are taken, or are memory are refused with what was expected', async () => {
  await using vm = await makeVm()
  vm.onPort({ start: 0x60, length: 4 }, {})
  for (const [range, text] of [
    [{ start: 0x63 }, 'no other device'],
    [{ start: 0xffff, length: 2 }, 'up to 65536'],
    [{ start: -1 }, 'whole numbers'],
    [{ start: 1, length: 0 }, 'whole numbers'],
  ] as const) {
    assert.match(refusal(() => vm.onPort(range, {})).message, text)
  }
  assert.match(refusal(() => vm.onMmio({ start: 64 * MiB - 1 }, {})).message, 'where no memory is')
  assert.match(
    refusal(() => vm.write(64 * MiB - 1, new Uint8Array(2))).message,
    /memory of VM "demo" \(0x0-0x4000000\)/,
  )
})

testWithKvm('whoever does not want to wait any longer is told, and the VM goes on', async () => {
  await using vm = await makeVmWith(count, { rdi: 0x3000n })
  await vm.run()
  const late = await failure(vm.wait({ deadlineMs: 20 }))
  assert.is(late.name, 'DeadlineError')
  assert.is(late.message, 'VM "demo": wait was not done after 20 ms')
  const reason = new Error('enough')
  assert.is(await failure(vm.wait({ signal: AbortSignal.abort(reason) })), reason)
  const controller = new AbortController()
  const waiting = failure(vm.wait({ signal: controller.signal }))
  controller.abort(reason)
  assert.is(await waiting, reason)
  assert.is(vm.state.name, 'running')
})

testWithKvm('a pause that an access keeps waiting ends with its deadline, and the guest goes on', async () => {
  await using vm = await makeVmWith(echo, { rdx: 0x60n, rsi: 0x4000n, rdi: 0x4008n })
  let answer = () => {}
  const asked = new Promise<void>((resolve) => {
    const read = () => {
      resolve()
      return new Promise<void>((done) => {
        answer = done
      })
    }
    vm.onPort({ start: 0x60 }, { read, write() {} })
  })
  await vm.run()
  await asked
  assert.is((await failure(vm.pause({ deadlineMs: 30 }))).name, 'DeadlineError')
  assert.is(vm.state.name, 'running')
  answer()
  assert.is((await vm.wait()).by, 'halt')
})

testWithKvm('a stop does not wait for an access that is never answered', async () => {
  await using vm = await makeVmWith(echo, { rdx: 0x60n, rsi: 0x4000n, rdi: 0x4008n })
  vm.onPort({ start: 0x60 }, { read: () => new Promise(() => {}) })
  await vm.run()
  await delay(20)
  await vm.stop()
  assert.is(vm.state.name, 'stopped')
})

testWithKvm('a handler never runs inside of a call of the caller', async () => {
  await using vm = await makeVmWith(echo, { rdx: 0x60n, rsi: 0x4000n, rdi: 0x4008n })
  let isInside = false
  const seen: boolean[] = []
  vm.onPort({ start: 0x60 }, { read: () => void seen.push(isInside) })
  await vm.run()
  // The guest's access is told meanwhile, and heard when the VM stops.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
  isInside = true
  const stopping = vm.stop()
  isInside = false
  await stopping
  assert.equal(seen, [false])
})

testWithKvm('a VM that is disposed of leaves no descriptor, mapping or thread behind', async () => {
  const once = async () => {
    await using vm = await makeVmWith(count, { rdi: 0x3000n }, { vcpus: [first, last], cells: [8 * MiB, 4 * MiB] })
    vm.serial(() => {})
    vm.ioeventfd('port', { address: 0x70 }, () => {})
    await vm.run()
    await vm.pause()
  }
  await once()
  const before = await settledHoldings()
  assert.equal(before.mappings, [])
  await once()
  {
    await using _unused = await makeVm()
  }
  assert.equal(await leftSince(before), [])
})

test.run()
