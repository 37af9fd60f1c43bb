/** What KVM_RUN cannot be made to say here, said by a double of it in the vCPUs' threads. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KVM_EXIT_FAIL_ENTRY, KVM_EXIT_UNKNOWN } from '../../../executor/abi/kvm.js'
import { EAGAIN, ENOMEM } from '../../../executor/abi/linux.js'
import { skipUnless } from '../../skip.js'
import { bundleExecutor } from '../bundle.js'
import { cpus, MiB, planOf } from '../plans.js'
import { leftSince, settledHoldings } from '../process.js'

const folder = mkdtempSync(join(tmpdir(), 'homenode-kvm-run-'))
const answer = join(folder, 'answer')
const source = fileURLToPath(new URL('../../../executor/kvm/kvm-vcpu.ts', import.meta.url))

/** Returns `errno`, or leaves with `reason` and a hardware reason of 0x21. */
const DOUBLE = `
import { readFileSync } from 'node:fs'
let page
export function enterGuest() {
  const { errno, reason } = JSON.parse(readFileSync(${JSON.stringify(answer)}, 'utf8'))
  page.setUint32(kvm_run.exit_reason, reason, true)
  page.setBigUint64(kvm_run['fail_entry.hardware_entry_failure_reason'], 0x21n, true)
  return errno
}
export function viewRunPage({ address, bytes }) {
  const view = libc.view(address, bytes)
  page = new DataView(view)
  return view
}
`

function withDouble(): string {
  const text = readFileSync(source, 'utf8')
  const contents = text
    .replace('export function enterGuest', 'function enter')
    .replace('export function viewRunPage', 'function view')
  return contents + DOUBLE
}

const { executor, verified } = await bundleExecutor([
  {
    name: 'double of KVM_RUN',
    setup: ({ onLoad }) =>
      onLoad({ filter: /kvm-vcpu\.ts$/ }, ({ path }) =>
        path === source ? { contents: withDouble(), loader: 'ts' } : null,
      ),
  },
])
const status = executor.kvmStatus()
const testWithKvm = skipUnless(status.usable, status.usable ? '' : `KVM is not usable: ${status.text}`)

test.after(() => rmSync(folder, { recursive: true }))

async function runWith(errno: number, reason: number) {
  writeFileSync(answer, JSON.stringify({ errno, reason }))
  const plan = planOf({ name: 'db', vcpus: [String(cpus[0])], cells: [4 * MiB] })
  const vm = await executor.Vm.create(verified.sealPlan(plan), 'db')
  await vm.run().catch(() => {})
  return vm
}

test.before(async () => {
  // The threads of the pool stay for a while: those that a VM needs are there before anything is counted.
  if (status.usable) await (await runWith(ENOMEM, 0)).close()
})

for (const [what, errno, reason, text] of [
  ['ENOMEM', ENOMEM, 0, /ioctl\(KVM_RUN\): ENOMEM .*the cgroup, has no memory left for the guest/],
  ['EFAULT', constants.errno.EFAULT, 0, /ioctl\(KVM_RUN\): EFAULT .*memory that the host cannot give it/],
  ['a CPU that refuses the guest', 0, KVM_EXIT_FAIL_ENTRY, /exit fail_entry: the CPU refused .*reason 0x21/],
  ['an exit of unknown cause', 0, KVM_EXIT_UNKNOWN, /exit unknown: KVM does not know why .*reason 0x21/],
  ['an exit that is not known here', 0, 63, /: the executor does not know this exit/],
] as const) {
  testWithKvm(`KVM_RUN with ${what} fails the VM with the cause, and leaves nothing`, async () => {
    const before = await settledHoldings()
    {
      await using vm = await runWith(errno, reason)
      const error = await vm.wait().catch((error: Error) => error)
      assert.ok(error instanceof Error)
      assert.match(error.message, /^VM "db", vCPU 0: /)
      assert.match(error.message, text)
      assert.is(vm.state.name, 'failed')
    }
    assert.equal(await leftSince(before), [])
  })
}

testWithKvm('KVM_RUN with EAGAIN, as of a vCPU that another one starts, is entered again', async () => {
  await using vm = await runWith(EAGAIN, 0)
  await delay(30)
  assert.is(vm.state.name, 'running')
  await vm.stop()
  assert.is(vm.state.name, 'stopped')
})

test.run()
