/** AccelKvm and VcpuAffinityManager where there is no Linux: nothing happens, nothing fails, and each call says so. */

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AccelKvm, CpuTopology, VcpuAffinityManager } from '../../../executor/accel/index.js'
import { syntheticHost } from '../../../src/topology/index.js'
import { holdings } from '../process.js'
import { directory, failure, refusal } from '../vms.js'

function recording(name: string) {
  const warnings: string[] = []
  return { name, warn: (text: string) => void warnings.push(text), warnings }
}

/** The guide's example, every call of it; in the order of their names what each returned. */
async function wholeExample(platform: ReturnType<typeof recording>) {
  const topology = CpuTopology.of(syntheticHost('pack:2 [numa(memory=64GB)] l3:1 core:4 pu:2'))
  await using guest = new AccelKvm({ platform, topology })
  guest.enableNuma(2)
  const manager = VcpuAffinityManager.withTopology(topology, { platform })
  await manager.configureVcpuAffinity(2)
  const effects = {
    init: await guest.init(),
    createVcpu: await guest.createVcpu(0),
    setVcpuAffinity: guest.setVcpuAffinity(0, [0, 1]),
    setVcpuPriority: guest.setVcpuPriority(0, 3),
    setupNumaMemory: await guest.setupNumaMemory({ node: 0, size: 2 ** 30, gpa: 0 }),
    moveNumaMemory: await guest.moveNumaMemory(0, 1),
    bindVcpuToNumaNode: guest.bindVcpuToNumaNode(0, 1),
    applyTo: manager.applyTo(guest),
    run: await guest.run(),
    pause: await guest.pause(),
    resume: await guest.resume(),
    stop: await guest.stop(),
  }
  assert.equal(guest.numaConfig(), { enabled: true, nodes: 2, nodeIds: [0, 1] })
  guest.disableNuma()
  assert.equal([guest.state, guest.vcpuIds(), guest.getVcpuNumaNode(0)], [null, [], undefined])
  assert.equal(await guest.residentMemory(), [])
  for (const call of [() => guest.wait(), async () => guest.read(0, 1), async () => guest.vcpu(0)]) {
    const error = await failure(call())
    assert.equal([error.name, /only Linux has KVM/.test(error.message)], ['UnsupportedError', true])
  }
  return effects
}

for (const name of ['darwin', 'win32']) {
  test(`on ${name} no call has an effect, each says so, and no thread or descriptor comes of it`, async () => {
    const platform = recording(name)
    const held = () => [readdirSync('/proc/self/task').length, holdings().fds.length]
    const before = held()
    const effects = await wholeExample(platform)
    for (const [call, effect] of Object.entries(effects)) {
      assert.is(effect.enforced, false, call)
      assert.match(effect.enforced ? '' : effect.reason, new RegExp(`\\.${call} has no effect on ${name}`))
    }
    assert.equal(held(), before)
  })
}

test('macOS warns of each call once, however often it is made; Windows of none', async () => {
  const mac = recording('darwin')
  await wholeExample(mac)
  const once = [...mac.warnings]
  await wholeExample(mac)
  assert.equal(mac.warnings, once)
  assert.is(new Set(once).size, once.length)
  for (const call of ['AccelKvm.setVcpuAffinity', 'AccelKvm.setupNumaMemory', 'AccelKvm.bindVcpuToNumaNode']) {
    assert.is(once.filter((text) => text.startsWith(`${call} has no effect`)).length, 1, call)
  }
  const windows = recording('win32')
  await wholeExample(windows)
  assert.equal(windows.warnings, [])
})

test('without Linux and without a topology nodes are only counted', () => {
  const guest = new AccelKvm({ platform: recording('win32') })
  guest.enableNuma(4)
  assert.equal(guest.numaConfig(), { enabled: true, nodes: 4, nodeIds: [0, 1, 2, 3] })
  assert.match(refusal(() => guest.enableNuma(0)).message, /^nodes: expected a whole number from 1, got 0/)
})

test('the room loads without koffi and Piscina; what needs them says so', () => {
  const script = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(\`export async function resolve(name, context, next) {
      if (name === 'koffi' || name === 'piscina') throw new Error('no ' + name)
      return next(name, context)
    }\`))
    const { AccelKvm, CpuTopology } = await import(${JSON.stringify(pathToFileURL(`${directory}/accel.js`).href)})
    const error = await new AccelKvm().init().then(() => null, (error) => error)
    console.log(CpuTopology.detectSync().totalCpus > 0, error?.name, error?.message)
  `
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' })
  assert.match(output, /^true UnsupportedError executor: cannot be loaded: no (koffi|piscina)\n$/)
})

test.run()
