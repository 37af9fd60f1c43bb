/** A device that is in a system call that does not end: nobody can end its thread. */

import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { leftSince, settledHoldings } from '../process.js'
import { runScript } from '../script.js'
import { failure, first, last, makeVm, testWithKvm, warmUp } from '../vms.js'

const folder = mkdtempSync(join(tmpdir(), 'homenode-held-'))
const pipe = join(folder, 'pipe')
execFileSync('mkfifo', [pipe])
test.after(() => rmSync(folder, { recursive: true }))

/** Waits for somebody to write to a pipe, when the guest reads from its port: a call that Node.js repeats when a signal interrupts it. */
const module = `data:text/javascript,${encodeURIComponent(`
import { openSync } from 'node:fs'
export const createDevice = (path) => ({ read: () => { openSync(path, 'r') } })`)}`

/** in $0x60, %al; jmp to itself. vCPU 1 only has the jump. */
const READER = Uint8Array.of(0xe4, 0x60, 0xeb, 0xfe)

test.before(warmUp)

testWithKvm('close() says which device holds which vCPU, and everything else is given back', async () => {
  const before = await settledHoldings()
  const vm = await makeVm({ vcpus: [first, last] })
  await vm.load(READER, 0x1000)
  vm.onPort({ start: 0x60 }, { module, options: pipe })
  vm.vcpus[0]!.startInLongMode(0x1000)
  vm.vcpus[1]!.startInLongMode(0x1002)
  await vm.run()
  await delay(100)
  const startedAt = performance.now()
  const error = await failure(vm.close())
  assert.ok(performance.now() - startedAt < 30_000)
  assert.is(error.name, 'VmError')
  assert.match(
    error.message,
    /^VM "demo", vCPU 0: the device of data:.* at port 0x60 has not come back for 7 s, and thread \d+, which it is in, cannot be ended$/,
  )
  assert.is(vm.state.name, 'failed')
  assert.is((await failure(vm.close())).message, error.message)
  assert.is((await failure(vm.wait())).message, error.message)
  // Its thread, and what that has of its own: the vCPU, by descriptor and page, the statistics are closed.
  const left = await leftSince(before)
  // A thread of the pool that was idle may have ended meanwhile; then there is no more of them than before.
  assert.ok(
    left.every((each) => /kvm-vcpu|^a thread$/.test(each)),
    left.join('; '),
  )
  assert.ok(left.length <= 3, left.join('; '))
  // It comes back after all.
  closeSync(openSync(pipe, 'r+'))
  assert.equal(await leftSince(before), [])
})

const HELD = `
  const vm = await Vm.create(plan, 'demo')
  await vm.load(Uint8Array.of(${READER.join(',')}))
  vm.onPort({ start: 0x60 }, { module: ${JSON.stringify(module)}, options: ${JSON.stringify(pipe)} })
  for (const vcpu of vm.vcpus) vcpu.startInLongMode(0)
  await vm.run()
  await new Promise((resolve) => setTimeout(resolve, 100))`

for (const [what, end, code] of [
  ['after close() has said so', 'await vm.close().catch(({ name }) => console.log(name)); process.exitCode = 5', 5],
  ['by process.exit(), with the VM open', "console.log('VmError'); process.exit(6)", 6],
  ['by an error that nobody catches', "console.log('VmError'); setTimeout(() => { throw new Error('stray') })", 1],
] as const) {
  testWithKvm(`a process whose device is held can end ${what}`, () => {
    const { status, signal, stdout, stderr } = runScript(`${HELD}\n${end}`)
    assert.is(signal, null, stderr)
    assert.is(status, code, stderr)
    assert.is(stdout.trim(), 'VmError')
  })
}

test.run()
