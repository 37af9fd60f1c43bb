/** AccelKvm's vCPUs, threads and life, as the kernel has them. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCpulist } from '../../../../src/cpulist.js'
import { crash, crashone } from '../../guests/behaviours.js'
import { count, cpuids, echo, greet } from '../../guests/programs.js'
import { cpus, MiB } from '../../plans.js'
import { leftSince, settledHoldings } from '../../process.js'
import { accel, type executor, failure, number64, refusal, testWithKvm, warmUp } from '../../vms.js'
import { accelWith, allowedOf, cpu, LOW, node } from '../accels.js'

const { AccelKvm } = accel

test.before(warmUp)

const kvmFiles = (): string[] =>
  readdirSync('/proc/self/fd')
    .flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        return []
      }
    })
    .filter((target) => /kvm-v/.test(target))
    .sort()

test('without the device init says what is missing and what to do, and may be tried again', async () => {
  await using guest = new AccelKvm({ device: '/dev/nowhere' })
  for (let i = 0; i < 2; i++) {
    const error = await failure(guest.init())
    assert.is(error.name, 'SyscallError')
    assert.match(error.message, /^open\(\/dev\/nowhere\): ENOENT .*modprobe/)
  }
  await using other = new AccelKvm({ device: '/dev/null' })
  assert.match((await failure(other.init())).message, /KVM_GET_API_VERSION\): ENOTTY .*another device/)
  assert.is(other.state, null)
})

test('calls before init are refused', async () => {
  await using guest = new AccelKvm()
  const calls = [
    () => guest.createVcpu(0),
    () => guest.setupNumaMemory({ ...LOW }),
    () => guest.run(),
    () => guest.wait(),
    async () => guest.setVcpuAffinity(0, [cpu]),
    async () => guest.read(0, 1),
    async () => guest.exitPort(),
  ]
  for (const call of calls)
    assert.match((await failure(call())).message, /expected a call of init\(\) before, got none/)
  assert.equal(guest.vcpuIds(), [])
})

testWithKvm('a VM and its vCPUs are KVM descriptors, each vCPU with a thread that waits', async () => {
  assert.equal(kvmFiles(), [])
  await using guest = new AccelKvm({ name: 'web' })
  assert.equal(await guest.init(), { enforced: true })
  assert.equal(await guest.init(), { enforced: true })
  assert.equal(kvmFiles(), ['anon_inode:kvm-vm'])
  const threads = readdirSync('/proc/self/task')
  for (const id of [3, 0]) assert.equal(await guest.createVcpu(id), { enforced: true })
  assert.equal(kvmFiles(), ['anon_inode:kvm-vcpu:0', 'anon_inode:kvm-vcpu:3', 'anon_inode:kvm-vm'])
  assert.equal(guest.vcpuIds(), [3, 0])
  const tids = guest.vcpuIds().map((id) => guest.getVcpuThread(id))
  assert.is(new Set(tids).size, 2)
  for (const tid of tids) {
    assert.ok(readdirSync('/proc/self/task').includes(`${tid}`))
    // It falls asleep, as one that waits does.
    while (!/^State:\s+S/m.test(readFileSync(`/proc/self/task/${tid}/status`, 'utf8'))) await delay(1)
  }
  assert.ok(readdirSync('/proc/self/task').length <= threads.length + 2)
  assert.equal(guest.state, { name: 'created' })
})

testWithKvm('a number that is taken, is none, or is beyond what KVM has makes no vCPU', async () => {
  await using guest = new AccelKvm()
  await guest.init()
  await guest.createVcpu(1)
  for (const [id, says] of [
    [1, /^id: expected a whole number from 0 to \d+, none of 1, which it has, got 1$/],
    [-1, /whole number from 0/],
    [1.5, /whole number from 0/],
    [1e6, /from 0 to \d+, .*got 1000000$/],
    ['0', /got "0"/],
  ] as const) {
    const error = await failure(guest.createVcpu(id as number))
    assert.is(error.name, 'InputError')
    assert.match(error.message, says)
  }
  assert.equal(kvmFiles(), ['anon_inode:kvm-vcpu:1', 'anon_inode:kvm-vm'])
  await guest.createVcpu(0)
  assert.equal(guest.vcpuIds(), [1, 0])
})

testWithKvm('vCPUs that are made at the same time all get their thread', async () => {
  await using guest = new AccelKvm()
  await guest.init()
  await Promise.all([0, 1, 2, 3].map((id) => guest.createVcpu(id)))
  assert.is(new Set(guest.vcpuIds().map((id) => guest.getVcpuThread(id))).size, 4)
  for (const id of guest.vcpuIds()) assert.is(allowedOf(guest, id), allowedOf(guest, 0))
})

testWithKvm('a vCPU that is only being made is not there yet', async () => {
  await using guest = new AccelKvm()
  await guest.init()
  const making = guest.createVcpu(0)
  assert.match(
    refusal(() => guest.setVcpuAffinity(0, [cpu])).message,
    /^vcpu: expected one whose createVcpu\(\) has come/,
  )
  assert.match(refusal(() => guest.setVcpuPriority(0, -1)).message, /^vcpu: expected/)
  assert.equal(guest.vcpuIds(), [])
  assert.match((await failure(guest.createVcpu(0))).message, /none of 0, which it has/)
  await making
  assert.equal(guest.vcpuIds(), [0])
  guest.setVcpuAffinity(0, [cpu])
  assert.is(allowedOf(guest, 0), `${cpu}`)
})

testWithKvm('a guest runs, prints, and ends through its exit port', async () => {
  const text = 'made by hand\n'
  await using guest = await accelWith(greet, { rdx: 0x3f8n, rsi: 0x2000n, rcx: BigInt(text.length), rbx: 7n })
  let printed = ''
  guest.serial((bytes) => {
    printed += Buffer.from(bytes).toString()
  })
  guest.exitPort()
  guest.write(0x2000, Buffer.from(text))
  assert.equal(await guest.run(), { enforced: true })
  assert.equal(await guest.wait(), { name: 'stopped', by: 'guest', exitCode: 7 })
  assert.is(printed, text)
  assert.is(guest.getVcpuThread(0), 0)
})

testWithKvm('handlers that come after the vCPU answer its ports and its memory-mapped registers', async () => {
  await using guest = await accelWith(echo, { rdx: 0x60n, rsi: 0xd000_0000n, rdi: 0xd000_0010n })
  const seen: unknown[] = []
  guest.onPort(
    { start: 0x60, length: 2 },
    {
      read: async (_, data, vcpu) => {
        await delay(2)
        data.set([0x34, 0x12])
        seen.push(['in', vcpu])
      },
      write: (_, data) => void seen.push(['out', [...data]]),
    },
  )
  guest.onMmio(
    { start: 0xd000_0000, length: 0x1000 },
    {
      read: (_, data) => void data.fill(0xff),
      write: (address, data) => void seen.push(['store', address, number64(data)]),
    },
  )
  await guest.run()
  assert.equal(await guest.wait(), { name: 'stopped', by: 'halt', exitCode: null })
  assert.equal(seen, [
    ['store', 0xd000_0010, 0n],
    ['in', 0],
    ['out', [0x35, 0x12]],
  ])
})

testWithKvm('a device of a module answers in the thread of the vCPU', async () => {
  const module = `export const createDevice = (code, { exit }) => ({ read(_, data) { data.fill(0) }, write() { exit(code) } })`
  await using guest = await accelWith(echo, { rdx: 0x60n, rsi: 0x4000n, rdi: 0x4008n })
  guest.onPort({ start: 0x60 }, { module: `data:text/javascript,${encodeURIComponent(module)}`, options: 9 })
  await guest.run()
  assert.is((await guest.wait()).exitCode, 9)
})

testWithKvm('a device whose module is not there fails the guest', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n })
  guest.onPort({ start: 0x60 }, { module: 'data:text/javascript,throw new Error("broken")' })
  await failure(guest.run().then(() => guest.wait()))
  assert.is(guest.state?.name, 'failed')
})

testWithKvm('vCPUs find their numbers as APIC ids, as cores of one package', async () => {
  await using guest = await accelWith(cpuids, {}, { vcpus: [0, 5] })
  const asked = Uint32Array.of(1, 0, 0xb, 0, 0xb, 1)
  guest.write(0x2000, new Uint8Array(asked.buffer))
  for (const [id, at] of [
    [0, 0x4000],
    [5, 0x5000],
  ] as const) {
    guest.vcpu(id).setRegisters({ rsi: 0x2000n, rdi: BigInt(at), r8: 3n })
  }
  await guest.run()
  await guest.wait()
  for (const [id, at] of [
    [0, 0x4000],
    [5, 0x5000],
  ] as const) {
    const words = new Uint32Array(guest.read(at, 48).buffer)
    assert.is(words[1]! >>> 24, id)
    if (words[5] !== 0) assert.equal([words[7], words[4], words[8], words[9]], [id, 0, 3, 2])
  }
})

testWithKvm('a paused guest does nothing, goes on where it was, and stops while it spins', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n })
  const counted = () => number64(guest.read(0x3000, 8))
  await guest.run()
  while (counted() < 1000n) await delay(5)
  await guest.pause()
  const at = counted()
  await delay(30)
  assert.is(counted(), at)
  assert.is(guest.vcpu(0).registers().rdi, 0x3000n)
  await guest.resume()
  while (counted() <= at) await delay(5)
  await guest.stop()
  await guest.stop()
  assert.equal(await guest.wait(), { name: 'stopped', by: 'caller', exitCode: null })
})

testWithKvm('what the state does not allow is refused by name', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n })
  const text = async (promise: Promise<unknown>) => (await failure(promise)).message
  assert.match(await text(guest.pause()), /pause is for a VM that is running; this one is created/)
  await guest.run()
  assert.match(await text(guest.createVcpu(1)), /createVcpu is for a VM that is created; this one is running/)
  assert.match(await text(guest.run()), /this one is running/)
  assert.match(await text(guest.load(count)), /created or paused/)
  assert.is(refusal(() => guest.vcpu(0).registers()).name, 'VmStateError')
  assert.is(refusal(() => guest.exitPort()).name, 'VmStateError')
  await guest.stop()
  assert.is(refusal(() => guest.setVcpuAffinity(0, [cpu])).name, 'VmStateError')
  assert.is(refusal(() => guest.setVcpuPriority(0, -1)).name, 'VmStateError')
  await guest.close()
  assert.match(refusal(() => guest.read(0, 1)).message, /this one is closed/)
  assert.match(await text(guest.residentMemory()), /this one is closed/)
  assert.match(await text(guest.setupNumaMemory({ ...LOW, gpa: MiB })), /this one is closed/)
  await using closed = new AccelKvm()
  await closed.close()
  assert.match(await text(closed.init()), /has been closed/)
})

testWithKvm('a guest without a vCPU does not run, and gets one afterwards', async () => {
  await using guest = await accelWith(count, {}, { vcpus: [] })
  assert.match((await failure(guest.run())).message, /^run: expected a VM with a vCPU/)
  await guest.createVcpu(0)
  guest.vcpu(0).startInLongMode(0x1000, { rdi: 0x3000n })
  await guest.run()
  assert.is(guest.state?.name, 'running')
})

testWithKvm('a guest that crashes fails with the vCPU and the cause, and the others have stopped', async () => {
  await using guest = await accelWith(crashone.code, {}, { vcpus: [0, 1, 2], name: 'web' })
  guest.vcpu(0).setRegisters({ rcx: 7n })
  guest.vcpu(1).setRegisters({ rcx: 1n })
  guest.vcpu(2).setRegisters({ rcx: 9n })
  const tids = guest.vcpuIds().map((id) => guest.getVcpuThread(id))
  await guest.run().catch(() => {})
  const error = await failure(guest.wait())
  assert.is(error.name, 'VmError')
  assert.match(error.message, /^VM "web", vCPU 1: exit shutdown: .*triple fault/)
  assert.is((error as InstanceType<typeof executor.VmError>).vcpu, 1)
  assert.equal(
    guest.vcpuIds().map((id) => guest.getVcpuThread(id)),
    [0, 0, 0],
  )
  assert.ok(tids.every((tid) => tid > 0))
  assert.is(
    refusal(() => guest.setVcpuAffinity(0, [cpu])),
    error,
  )
})

testWithKvm('whoever does not want to wait any longer is told, and the guest goes on', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n })
  await guest.run()
  assert.is((await failure(guest.wait({ deadlineMs: 20 }))).name, 'DeadlineError')
  assert.is(guest.state?.name, 'running')
})

testWithKvm(
  'ranges that are none or are taken, and programs that do not go, are refused with what was expected',
  async () => {
    await using guest = await accelWith(count)
    guest.exitPort()
    guest.serial(() => {})
    for (const [call, says] of [
      [() => guest.onPort({ start: 0xf7 }, {}), /^port range: expected addresses that no other device has/],
      [() => guest.onPort({ start: 0xffff, length: 2 }, {}), /^port range: expected whole numbers, up to 65536/],
      [() => guest.exitPort(0x3ff), /no other device/],
      [() => guest.serial(() => {}, 0xf0), /no other device/],
      [() => guest.onMmio({ start: MiB - 1 }, {}), /^mmio range: expected addresses where no memory is/],
    ] as const) {
      const error = refusal(call)
      assert.is(error.name, 'InputError')
      assert.match(error.message, says)
    }
    const elf = (type: number) => {
      const file = new Uint8Array(64)
      file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1])
      file.set([type, 0, 62, 0], 16)
      file.set([56], 54)
      return file
    }
    assert.match((await failure(guest.load(elf(3)))).message, /^ELF file: expected type 2 .*got 3/)
    assert.match((await failure(guest.load(elf(2)))).message, /^ELF file: expected/)
  },
)

testWithKvm('a pause that an access keeps waiting ends with its deadline, and the guest goes on', async () => {
  await using guest = await accelWith(echo, { rdx: 0x60n, rsi: 0x4000n, rdi: 0x4008n })
  let answer = () => {}
  const asked = new Promise<void>((resolve) => {
    const read = () => {
      resolve()
      return new Promise<void>((done) => {
        answer = done
      })
    }
    guest.onPort({ start: 0x60 }, { read, write() {} })
  })
  await guest.run()
  await asked
  assert.is((await failure(guest.pause({ deadlineMs: 20 }))).name, 'DeadlineError')
  assert.is(guest.state?.name, 'running')
  answer()
  assert.is((await guest.wait()).by, 'halt')
})

testWithKvm('with interrupt controllers in the kernel a halted vCPU waits', async () => {
  await using guest = await accelWith(Uint8Array.of(0xf4), {}, { irqchip: true })
  await guest.run()
  assert.is((await failure(guest.wait({ deadlineMs: 50 }))).name, 'DeadlineError')
})

testWithKvm('whatever it is closed in the middle of, nothing is left', async () => {
  const whiles: (() => Promise<unknown>)[] = [
    async () => {
      const guest = new AccelKvm()
      await guest.close()
      await guest.close()
    },
    async () => {
      const guest = new AccelKvm()
      const opening = guest.init().catch(() => {})
      await guest.close()
      await opening
    },
    async () => {
      const guest = new AccelKvm()
      await guest.init()
      const making = Promise.allSettled([0, 1, 2].map((id) => guest.createVcpu(id)))
      await guest.close()
      // Those that had their thread already have been made.
      for (const each of await making) if (each.status === 'rejected') assert.is(each.reason.name, 'VmStateError')
    },
    async () => {
      const guest = new AccelKvm()
      await guest.init()
      guest.enableNuma([node])
      const taking = guest.setupNumaMemory({ node, size: 256 * MiB, gpa: 0 }).then(
        () => 'taken',
        () => 'refused',
      )
      await guest.close()
      await taking
    },
    async () => {
      const guest = await accelWith(count, { rdi: 0x3000n }, { vcpus: [0, 1] })
      const starting = guest.run().catch(() => {})
      await guest.close()
      await starting
    },
    async () => {
      const guest = await accelWith(count, { rdi: 0x3000n }, { vcpus: [0, 1] })
      await guest.run()
      await Promise.all([guest.close(), guest.close()])
    },
    async () => {
      const guest = await accelWith(crash.code)
      await guest.run().catch(() => {})
      await guest.close()
    },
    async () => {
      const guest = await accelWith(echo, { rdx: 0x60n, rsi: 0x4000n, rdi: 0x4008n })
      guest.onPort({ start: 0x60 }, { read: () => new Promise(() => {}) })
      await guest.run()
      await delay(10)
      await guest.close()
    },
  ]
  for (const once of whiles) await once()
  const before = await settledHoldings()
  assert.equal(before.mappings, [])
  for (const [i, once] of whiles.entries()) {
    await once()
    assert.equal(await leftSince(before), [], `case ${i}`)
  }
})

testWithKvm('a thread is given back as it was: the next vCPU finds no affinity of the one before', async () => {
  for (let i = 0; i < 3; i++) {
    await using guest = await accelWith(count, { rdi: 0x3000n })
    assert.is(allowedOf(guest, 0), formatCpulist(cpus))
    guest.setVcpuAffinity(0, [cpu])
  }
})

test.run()
