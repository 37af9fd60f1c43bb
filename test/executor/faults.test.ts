import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as libc from '../../executor/ffi/libc.js'
import type { Guest } from '../../executor/guests/guest.js'
import { walk } from '../../executor/guests/walk.js'
import type { RunOptions } from '../../executor/run.js'
import { skipUnless } from '../skip.js'
import { bundleExecutor } from './bundle.js'
import * as behaviours from './guests/behaviours.js'
import { cpus, MiB, planOf } from './plans.js'
import { boundMappings, holdings } from './process.js'

const { executor, run } = await bundleExecutor()
const status = executor.kvmStatus()
const testWithKvm = skipUnless(status.usable, status.usable ? '' : `KVM is not usable: ${status.text}`)
const [first, last] = [String(cpus[0]), String(cpus.at(-1))]

/** Not whole large pages, so that the guest's page tables lead a little beyond its memory. */
const BYTES = 5 * MiB

/** The error that ends a run; nothing of the run may be left. */
async function failureOf(guest: Guest, options: RunOptions = {}, vcpus = [first]): Promise<Error> {
  const plan = planOf({ name: 'db', vcpus, cells: [BYTES] })
  const before = holdings()
  try {
    await run.carryOut(plan, plan, { seconds: 1000, backend: 'kvm', ...options }, guest)
  } catch (error) {
    assert.equal(holdings(), before)
    return error as Error
  }
  throw new Error('the run did not fail')
}

for (const [name, text] of [
  ['crash', /^VM "db", vCPU 0: exit shutdown: the guest shut down, .*triple fault/],
  ['halt', /^VM "db", vCPU 0: exit hlt: the guest halted/],
  ['stray', /^VM "db", vCPU 0: exit mmio: the guest used 0x500000, where it has no memory/],
  ['lost', /^VM "db", vCPU 0: exit internal_error: KVM could not emulate an instruction/],
  ['otherport', /^VM "db", vCPU 0: exit io: the guest used port 0x80, where no device is/],
] as const) {
  testWithKvm(`the guest "${name}" ends the run with an error that names VM, vCPU and cause`, async () => {
    const error = await failureOf(behaviours[name])
    assert.is(error.name, 'VcpuError')
    assert.match(error.message, text)
    assert.is((error as Error & { exitCode: number }).exitCode, 1)
  })
}

testWithKvm('one vCPU that fails stops the others, which never leave the guest', async () => {
  const error = await failureOf(behaviours.crashone, {}, [first, last])
  assert.match(error.message, /^VM "db", vCPU 1: exit shutdown/)
})

testWithKvm('memory that is unmapped under a running guest is an error of KVM_RUN', async () => {
  let looks = 0
  const onProgress = () => {
    if (++looks > 1) return
    const { start } = boundMappings()[0]!
    assert.is(libc.munmap(start + 2 * MiB, MiB), 0)
  }
  const error = await failureOf(walk, { onProgress })
  assert.match(error.message, /^VM "db", vCPU 0: ioctl\(KVM_RUN\): EFAULT .*the host cannot give it/)
})

test.run()
