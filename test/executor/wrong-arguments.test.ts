/** Callers without types: what is no argument of a function is an InputError that names it, and harms nobody. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  capacity,
  checkPlan,
  costAsIs,
  detectHost,
  plan,
  recordHost,
  syntheticHost,
  verifyPlan,
} from '../../src/index.js'
import { MiB, nodes } from './plans.js'
import { accel, executor, testWithKvm } from './vms.js'

const host = syntheticHost('node:2 core:2 pu:1')
const request = { vms: [{ name: 'a', vcpus: 1, memory: '1MiB' }] }
const placed = [{ name: 'a', vcpus: [{ cell: 0, cpus: '0' }], cells: [{ memory: [{ node: 0, bytes: MiB }] }] }]
const changed = (change: object) => [{ ...placed[0], ...change }] as never

/** Of no kind that any function takes. */
const NOTHINGS: readonly unknown[] = [null, Symbol('s'), -1, Number.NaN, 7n, true, () => 0, '\0', [Symbol('t')], [null]]

async function refusals(calls: Readonly<Record<string, (value: never) => unknown>>, values = NOTHINGS): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    for (const value of values) {
      const what = `${name}(${typeof value === 'object' ? JSON.stringify(value) : String(value)})`
      try {
        await call(value as never)
        assert.unreachable(`${what} was taken`)
      } catch (error) {
        assert.is((error as Error).name, 'InputError', `${what}: ${(error as Error).message}`)
      }
    }
  }
}

test('functions of the plan refuse what is no host, no request, no option', async () => {
  const candidate = await plan(host, request)
  await refusals({
    'detectHost: options': (options) => detectHost(options),
    'detectHost: root': (root) => detectHost({ root }),
    'recordHost: directory': (directory) => recordHost(directory),
    'recordHost: options': (options) => recordHost('/nonexistent/x', options),
    syntheticHost: (spec) => syntheticHost(spec),
    'plan: host': (value) => plan(value, request),
    'plan: options': (options) => plan(host, request, options),
    'capacity: host': (value) => capacity(value, request, 'a'),
    'capacity: options': (options) => capacity(host, request, 'a', options),
    'verifyPlan: host': (value) => verifyPlan(value, request, candidate),
    'checkPlan: host': (value) => checkPlan(value, request, candidate),
    'costAsIs: host': (value) => costAsIs(value, request, placed),
    'costAsIs: request': (value) => costAsIs(host, value, placed),
    'costAsIs: residents': (value) => costAsIs(host, request, value),
    'costAsIs: vcpus': (vcpus) => costAsIs(host, request, changed({ vcpus })),
    'costAsIs: cells': (cells) => costAsIs(host, request, changed({ cells })),
  })
  for (const value of [{}, { ...host, cpus: 5 }, { ...host, nodes: [null] }]) {
    await refusals(
      { plan: () => plan(value as never, request), verify: () => verifyPlan(value as never, request, candidate) },
      [0],
    )
  }
  assert.is(costAsIs(host, request, placed).lostVcpus, 0)
})

test('a number is no path: it never reaches the C library as an address', async () => {
  const { findVms, kvmStatus, BareVm } = executor
  await refusals(
    {
      connect: (connect) => findVms({ connect }),
      root: (root) => findVms({ root }),
      kvmStatus: (path) => kvmStatus(path),
      device: (device) => BareVm.create({ name: 'x', device }),
      accel: (device) => new accel.AccelKvm({ device }),
    },
    [-1, 1, 2 ** 40, 5n, [], [1], {}, '\0', true],
  )
})

test('functions about running VMs refuse what was not found, prepared, read or parsed', async () => {
  const { requestOf, prepareChanges, applyChanges, prepareUndo, undo, listUndoFiles } = executor
  const { preparePin, prepareMemory, differencesFrom, ratesBetween, parsePolicy, rulingsOf, planWithin } = executor
  const found = { vms: [], missing: [] }
  const verified = verifyPlan(host, request, await plan(host, request))
  const policy = parsePolicy({ rules: [{ set: { weight: 2 } }] })
  await refusals({
    'requestOf: vms': (vms) => requestOf(vms, host),
    'requestOf: host': (value) => requestOf([], value),
    'prepareChanges: found': (value) => prepareChanges(value, verified),
    'prepareChanges: plan': (value) => prepareChanges(found, value),
    'prepareChanges: options': (options) => prepareChanges(found, verified, options),
    applyChanges: (changes) => applyChanges(changes),
    'prepareUndo: file': (file) => prepareUndo(file ?? ('' as never)),
    'undo: options': (options) => undo('/none', options),
    listUndoFiles: (options) => listUndoFiles(options),
    'preparePin: vm': (vm) => preparePin(vm, { role: 'emulator' }, '0'),
    'prepareMemory: vm': (vm) => prepareMemory(vm, { to: 0 }),
    'differencesFrom: found': (value) => differencesFrom(value, verified),
    'differencesFrom: plan': (value) => differencesFrom(found, value),
    ratesBetween: (reading) => ratesBetween(reading, reading),
    parsePolicy: (content) => parsePolicy(content),
    'rulingsOf: policy': (value) => rulingsOf(value, [], new Date()),
    'rulingsOf: vms': (vms) => rulingsOf(policy, vms, new Date()),
    'rulingsOf: at': (at) => rulingsOf(policy, [], at),
    'planWithin: vms': (vms) => planWithin(vms, host, { policy, at: new Date() }, async () => verified),
    'planWithin: circumstances': (circumstances) => planWithin([], host, circumstances, async () => verified),
  })
})

testWithKvm('calls of a VM refuse what is no address, no register, no device, no bytes', async () => {
  await using guest = new accel.AccelKvm({ name: 'g' })
  await guest.init()
  await guest.createVcpu(0)
  const node = nodes[0]!
  guest.enableNuma([node])
  await guest.setupNumaMemory({ node, size: MiB, gpa: 0 })
  const vcpu = guest.vcpu(0)
  const before = vcpu.registers()
  await refusals({
    load: (image) => guest.load(image),
    'load: gpa': (gpa) => guest.load(Uint8Array.of(0x90), gpa),
    'write: gpa': (gpa) => guest.write(gpa, Uint8Array.of(1)),
    'write: bytes': (bytes) => guest.write(0, bytes),
    'read: gpa': (gpa) => guest.read(gpa, 1),
    'read: length': (length) => guest.read(0, length),
    onPort: (range) => guest.onPort(range, {}),
    'onPort: start': (start) => guest.onPort({ start }, {}),
    'onPort: handler': (handler) => guest.onPort({ start: 0x60 }, handler),
    'onMmio: length': (length) => guest.onMmio({ start: 0xd0000000, length }, {}),
    'serial: port': (port) => guest.serial(() => {}, port),
    exitPort: (port) => guest.exitPort(port),
    setRegisters: (registers) => vcpu.setRegisters(registers),
    setSpecialRegisters: (registers) => vcpu.setSpecialRegisters(registers),
    'setSpecialRegisters: cs': (cs) => vcpu.setSpecialRegisters({ cs }),
    startInRealMode: (entry) => vcpu.startInRealMode(entry),
    'startInLongMode: registers': (registers) => vcpu.startInLongMode(0, registers),
    'startInLongMode: tables': (tables) => vcpu.startInLongMode(0, {}, tables),
    setupNumaMemory: (memory) => guest.setupNumaMemory(memory),
    'setupNumaMemory: pageSize': (pageSize) => guest.setupNumaMemory({ node, gpa: MiB, size: MiB, pageSize }),
    enableNuma: (value) => guest.enableNuma(value),
  })
  await refusals(
    {
      rax: (rax) => vcpu.setRegisters({ rax }),
      cr0: (cr0) => vcpu.setSpecialRegisters({ cr0 }),
      base: (base) => vcpu.setSpecialRegisters({ cs: { base } }),
      name: () => vcpu.setSpecialRegisters({ cr99: 1n } as never),
      part: () => vcpu.setSpecialRegisters({ cs: { nothing: 1 } } as never),
    },
    [0, '1', null, {}, Symbol('s')],
  )
  await refusals(
    {
      read: (read) => guest.onPort({ start: 0x60 }, { read }),
      module: (module) => guest.onPort({ start: 0x60 }, { module }),
    },
    [1, null, {}],
  )
  assert.equal(vcpu.registers(), before)
  guest.onPort({ start: 0x60 }, {}) // nobody has it
})

test('the objects of the integration guide refuse what is none of them', async () => {
  const topology = accel.CpuTopology.of(host)
  const manager = accel.VcpuAffinityManager.withTopology(topology)
  const { CpuTopology, VcpuAffinityManager, NumaOptimizer, AffinityMask, AccelKvm } = accel
  await refusals({
    AccelKvm: (options) => new AccelKvm(options),
    'AccelKvm: topology': (value) => new AccelKvm({ topology: value }),
    'AccelKvm: platform': (platform) => new AccelKvm({ platform }),
    'AccelKvm: warn': () => new AccelKvm({ platform: { name: 'darwin', warn: 5 as never } }),
    'CpuTopology.of': (value) => CpuTopology.of(value),
    'CpuTopology.detectSync': (options) => CpuTopology.detectSync(options),
    VcpuAffinityManager: (options) => new VcpuAffinityManager(options),
    withTopology: (value) => VcpuAffinityManager.withTopology(value),
    configureVcpuAffinity: (options) => manager.configureVcpuAffinity(1, options),
    'configureVcpuAffinity: host': (value) => manager.configureVcpuAffinity(1, { host: value }),
    setVcpuConfig: (change) => manager.setVcpuConfig(0, change),
    applyTo: (guest) => manager.applyTo(guest),
    'NumaOptimizer: topology': (value) => new NumaOptimizer(value, manager, 4096),
    'NumaOptimizer: manager': (value) => new NumaOptimizer(topology, value, 4096),
    'NumaOptimizer: options': (options) => new NumaOptimizer(topology, manager, 4096, options),
    AffinityMask: (cpus) => new AffinityMask(cpus),
  })
  await refusals({ AffinityMask: (cpu) => new AffinityMask([cpu]) }, [0.5, '1', 1n])
})

test.run()
