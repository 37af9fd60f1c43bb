/** `run()` resolves when every vCPU is in its loop, and not before. */

import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MiB, nodes } from '../../plans.js'
import { accel, failure, makeVmWith, testWithKvm } from '../../vms.js'

const SPIN = Uint8Array.of(0xeb, 0xfe)
const moduleOf = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`

async function withDevice(module: string, code = SPIN) {
  const guest = new accel.AccelKvm({ name: 'g' })
  await guest.init()
  for (const id of [0, 1]) await guest.createVcpu(id)
  guest.enableNuma([nodes[0]!])
  await guest.setupNumaMemory({ node: nodes[0]!, size: MiB, gpa: 0 })
  await guest.load(code, 0x1000)
  for (const id of [0, 1]) guest.vcpu(id).startInLongMode(0x1000)
  guest.onPort({ start: 0x60 }, { module })
  return guest
}

for (const [what, module, text] of [
  ['does not exist', 'file:///nonexistent.mjs', /Cannot find module '\/nonexistent\.mjs'/],
  ['throws when it is loaded', moduleOf('throw new Error("no device here")'), /no device here/],
  ['exports nothing', moduleOf('export default 1'), /expected a function createDevice/],
  [
    'throws when it makes its device',
    moduleOf('export const createDevice = () => { throw new Error("none left") }'),
    /none left/,
  ],
  [
    'makes nothing',
    moduleOf('export const createDevice = () => {}'),
    /an object with functions read, write.*got nothing/,
  ],
  ['makes a promise', moduleOf('export const createDevice = async () => ({})'), /got a promise/],
  ['makes what cannot answer', moduleOf('export const createDevice = () => ({ read: 5 })'), /got an object/],
  ['ends its thread', moduleOf('process.exit(3)'), /the device of data:.* at port 0x60 has ended its thread: .* 3/],
] as const) {
  testWithKvm(`a guest whose device's module ${what} does not run`, async () => {
    const guest = await withDevice(module)
    const error = await failure(guest.run())
    assert.is(error.name, 'VmError')
    assert.match(error.message, /^VM "g", vCPU [01]: the device of (data|file):/)
    assert.match(error.message, text)
    assert.is(guest.state?.name, 'failed')
    await guest.close()
  })
}

for (const [what, body, text] of [
  ['answers with a promise', 'return Promise.reject(1)', /it answers with a promise/],
  ['ends the VM with no number', 'context.exit({})', /exit: expected a whole number, got an object/],
  ['throws what has no text', 'throw Object.create(null)', /something that cannot be shown/],
] as const) {
  testWithKvm(`a device that ${what} fails its VM, and is named`, async () => {
    const guest = await withDevice(
      moduleOf(`export const createDevice = (_, context) => ({ read() { ${body} } })`),
      Uint8Array.of(0xe4, 0x60, 0xeb, 0xfc), // in $0x60, %al; again
    )
    await guest.run().catch(() => {})
    const { message } = await failure(guest.wait())
    assert.match(message, /^VM "g", vCPU [01]: the device of data:.* threw: /)
    assert.match(message, text)
    await guest.close()
  })
}

testWithKvm('a guest whose device never loads does not run, and can be given up', async () => {
  const module = moduleOf('await new Promise(() => {})')
  const guest = await withDevice(module)
  assert.is((await failure(guest.run({ deadlineMs: 300 }))).name, 'DeadlineError')
  assert.is(guest.state?.name, 'created')
  const vm = await makeVmWith(SPIN)
  vm.onPort({ start: 0x60 }, { module })
  assert.is((await failure(vm.run({ deadlineMs: 300 }))).name, 'DeadlineError')
  assert.is(vm.state.name, 'created')
  await Promise.all([guest.close(), vm.close()])
})

testWithKvm('a start that was given up before it began is not made up for later', async () => {
  const guest = await withDevice(
    moduleOf('await new Promise((r) => setTimeout(r, 400)); export const createDevice = () => ({})'),
  )
  const error = await failure(guest.run({ deadlineMs: 50 }))
  assert.is(error.message, 'VM "g": run was not done after 50 ms')
  await delay(800)
  assert.is(guest.state?.name, 'created')
  await guest.run()
  assert.is(guest.state?.name, 'running')
  await guest.close()
})

testWithKvm('a guest that is stopped before it runs, or before it pauses, has neither run nor paused', async () => {
  const unstarted = await withDevice(moduleOf('export const createDevice = () => ({})'))
  const running = failure(unstarted.run())
  await unstarted.stop()
  assert.is((await running).name, 'VmStateError')
  const guest = await withDevice(moduleOf('export const createDevice = () => ({})'))
  await guest.run()
  const pausing = failure(guest.pause())
  void guest.stop()
  assert.match((await pausing).message, /^VM "g": pause is for a VM that is running; this one is stopped$/)
  await Promise.all([unstarted.close(), guest.close()])
})

testWithKvm('when run() has resolved, every vCPU is in its loop', async () => {
  const guest = await withDevice(moduleOf('export const createDevice = () => ({})'))
  await guest.run()
  assert.is(guest.state?.name, 'running')
  await guest.pause({ deadlineMs: 2000 })
  for (const id of [0, 1]) assert.is(guest.vcpu(id).registers().rip, 0x1000n)
  await guest.close()
})

test.run()
