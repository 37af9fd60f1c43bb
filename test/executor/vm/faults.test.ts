import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kvm_run } from '../../../executor/abi/kvm.js'
import { DeviceBus } from '../../../executor/devices/bus.js'
import { Mailbox } from '../../../executor/devices/remote.js'
import * as libc from '../../../executor/ffi/libc.js'
import type { Guest } from '../../../executor/guests/guest.js'
import { walk } from '../../../executor/guests/walk.js'
import type { RunOptions } from '../../../executor/run/run.js'
import { allocateBlock, blockOf } from '../../../executor/wire/shared.js'
import { runGuest } from '../../../executor/worker/guest-loop.js'
import { skipUnless } from '../../skip.js'
import { bundleExecutor } from '../bundle.js'
import { crash, crashone, lost, otherport, stray } from '../guests/behaviours.js'
import { hlt } from '../guests/hlt.js'
import { cpus, MiB, planOf } from '../plans.js'
import { boundMappings, leftSince, settledHoldings } from '../process.js'

const { executor, run } = await bundleExecutor()
const status = executor.kvmStatus()
const testWithKvm = skipUnless(status.usable, status.usable ? '' : `KVM is not usable: ${status.text}`)
const [first, last] = [String(cpus[0]), String(cpus.at(-1))]

/** Not whole large pages, so that the guest's page tables lead a little beyond its memory. */
const BYTES = 5 * MiB

test.before(async () => {
  // The threads of the pool stay for a while: those that these runs need are there before anything is counted.
  const plan = planOf({ vcpus: [first, last, first, last] })
  await run.carryOut(plan, plan, { seconds: 0.05 })
})

/** The error that ends a run; nothing of the run may be left. */
async function failureOf(guest: Guest, options: RunOptions = {}, vcpus = [first]): Promise<Error> {
  const plan = planOf({ name: 'db', vcpus, cells: [BYTES] })
  const before = await settledHoldings()
  try {
    await run.carryOut(plan, plan, { seconds: 1000, backend: 'kvm', ...options }, guest)
  } catch (error) {
    assert.equal(await leftSince(before), [])
    return error as Error
  }
  throw new Error('the run did not fail')
}

for (const [name, guest, text] of [
  ['crash', crash, /^VM "db", vCPU 0: exit shutdown: the guest shut down, .*triple fault/],
  ['halt', hlt, /^VM "db", vCPU 0: exit hlt: the guest halted/],
  [
    'stray',
    stray,
    /^VM "db", vCPU 0: exit mmio: the guest wrote to 0x500000, where it has neither memory nor a device/,
  ],
  ['lost', lost, /^VM "db", vCPU 0: exit internal_error: KVM could not emulate an instruction/],
  ['otherport', otherport, /^VM "db", vCPU 0: exit io: the guest wrote to port 0x80, where no device is that takes it/],
] as const) {
  testWithKvm(`the guest "${name}" ends the run with an error that names VM, vCPU and cause`, async () => {
    const error = await failureOf(guest)
    assert.is(error.name, 'VmError')
    assert.match(error.message, text)
    assert.is((error as Error & { exitCode: number }).exitCode, 1)
  })
}

testWithKvm('one vCPU that fails stops the others, which never leave the guest', async () => {
  const error = await failureOf(crashone, {}, [first, last])
  assert.match(error.message, /^VM "db", vCPU 1: exit shutdown/)
})

testWithKvm('memory that is unmapped under a running guest ends the run', async () => {
  let looks = 0
  const onProgress = () => {
    if (++looks > 1) return
    const { start } = boundMappings()[0]!
    assert.is(libc.munmap(start + 2 * MiB, MiB), 0)
  }
  const error = await failureOf(walk, { onProgress })
  // A CPU with virtualization faults; where KVM emulates the guest, the store finds no memory.
  assert.match(
    error.message,
    /^VM "db", vCPU 0: (ioctl\(KVM_RUN\): EFAULT .*the host cannot give it|exit mmio: the guest wrote to 0x2)/,
  )
})

test('an error of KVM_RUN itself is thrown as that', () => {
  const block = blockOf(allocateBlock())
  const room = {
    fd: 987_654,
    page: new ArrayBuffer(kvm_run.size),
    ports: new DeviceBus('port', [], []),
    mmio: new DeviceBus('mmio', [], []),
    mailbox: new Mailbox(block, () => {}),
    ring: null,
    ending: { now: null },
    attend: () => true,
  }
  assert.throws(() => runGuest(block, room), /ioctl\(KVM_RUN\): EBADF/)
})

test.run()
