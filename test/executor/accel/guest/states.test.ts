/** Each call in each state: it is done, and can be seen, or it is refused, and says why. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { AccelKvm } from '../../../../executor/accel/index.js'
import { MiB, nodes } from '../../plans.js'
import { accel, testWithKvm } from '../../vms.js'

const node = nodes[0]!
const [SPIN, HALT, UNDEFINED] = [Uint8Array.of(0xeb, 0xfe), Uint8Array.of(0xf4), Uint8Array.of(0x0f, 0x0b)]

async function made(code = SPIN): Promise<AccelKvm> {
  const guest = new accel.AccelKvm({ name: 'g' })
  await guest.init()
  await guest.createVcpu(0)
  guest.enableNuma([node])
  await guest.setupNumaMemory({ node, size: MiB, gpa: 0 })
  await guest.load(code, 0x1000)
  guest.vcpu(0).startInLongMode(0x1000)
  return guest
}

async function ran(code = SPIN): Promise<AccelKvm> {
  const guest = await made(code)
  // One whose guest has come to grief by then says so here already.
  await guest.run().catch(() => {})
  return guest
}

async function ended(guest: AccelKvm): Promise<AccelKvm> {
  await guest.wait().catch(() => {})
  return guest
}

const STATES: Readonly<Record<string, () => Promise<AccelKvm>>> = {
  fresh: async () => new accel.AccelKvm({ name: 'g' }),
  created: () => made(),
  running: () => ran(),
  paused: async () => {
    const guest = await ran()
    await guest.pause()
    return guest
  },
  'about to stop': async () => {
    const guest = await ran()
    guest.enableNuma([node])
    guest.bindVcpuToNumaNode(0, node)
    void guest.stop()
    return guest
  },
  stopped: async () => {
    const guest = await ran()
    await guest.stop()
    return guest
  },
  halted: async () => ended(await ran(HALT)),
  failed: async () => ended(await ran(UNDEFINED)),
  'about to close': async () => {
    const guest = await ran()
    void guest.close()
    return guest
  },
  closed: async () => {
    const guest = await ran()
    await guest.close()
    return guest
  },
  'closed unused': async () => {
    const guest = new accel.AccelKvm({ name: 'g' })
    await guest.close()
    return guest
  },
}

const cpus = (guest: AccelKvm) => [...guest.topology.cpuToNode].filter(([, on]) => on === node).map(([cpu]) => cpu)

/** A call, and `+` for each state, in their order, in which it is done; `-`: it is refused. */
const CALLS: Readonly<Record<string, readonly [allowed: string, call: (guest: AccelKvm) => unknown]>> = {
  //                 fresh created running paused (about to stop) stopped halted failed (about to close) closed, closed unused
  init: ['++++++++---', (guest) => guest.init()],
  createVcpu: ['-+---------', (guest) => guest.createVcpu(1)],
  vcpu: ['-+++++++++-', (guest) => guest.vcpu(0)],
  'vcpu.registers': ['-+-+-------', (guest) => guest.vcpu(0).registers()],
  'vcpu.setRegisters': ['-+-+-------', (guest) => guest.vcpu(0).setRegisters({ rax: 1n })],
  'vcpu.specialRegisters': ['-+-+-------', (guest) => guest.vcpu(0).specialRegisters()],
  'vcpu.setSpecialRegisters': ['-+-+-------', (guest) => guest.vcpu(0).setSpecialRegisters({ cr8: 1n })],
  'vcpu.startInLongMode': ['-+-+-------', (guest) => guest.vcpu(0).startInLongMode(0x1000)],
  'vcpu.startInRealMode': ['-+-+-------', (guest) => guest.vcpu(0).startInRealMode(0x1000)],
  load: ['-+-+-------', (guest) => guest.load(SPIN, 0x1000)],
  write: ['-+++++++---', (guest) => guest.write(0x2000, SPIN)],
  read: ['-+++++++---', (guest) => guest.read(0x2000, 2)],
  onPort: ['-+---------', (guest) => guest.onPort({ start: 0x60 }, {})],
  onMmio: ['-+---------', (guest) => guest.onMmio({ start: 0xd0000000 }, {})],
  serial: ['-+---------', (guest) => guest.serial(() => {})],
  exitPort: ['-+---------', (guest) => guest.exitPort()],
  run: ['-+---------', (guest) => guest.run()],
  pause: ['--+--------', (guest) => guest.pause()],
  resume: ['---+-------', (guest) => guest.resume()],
  stop: ['-+++++++++-', (guest) => guest.stop()],
  setVcpuAffinity: ['-+++-------', (guest) => guest.setVcpuAffinity(0, [cpus(guest)[0]!])],
  setVcpuPriority: ['-+++-------', (guest) => guest.setVcpuPriority(0, 0)],
  bindVcpuToNumaNode: [
    '-+++-------',
    (guest) => {
      guest.enableNuma([node])
      return guest.bindVcpuToNumaNode(0, node)
    },
  ],
  setupNumaMemory: [
    '-+++-------',
    (guest) => {
      guest.enableNuma([node])
      return guest.setupNumaMemory({ node, size: MiB, gpa: MiB })
    },
  ],
  residentMemory: ['++++++++--+', (guest) => guest.residentMemory()],
  getVcpuAffinity: ['-+++++++++-', (guest) => guest.getVcpuAffinity(0)],
  getVcpuThread: ['-+++++++++-', (guest) => guest.getVcpuThread(0)],
  enableNuma: ['+++++++++++', (guest) => guest.enableNuma([node])],
  disableNuma: ['+++++++++++', (guest) => guest.disableNuma()],
  getVcpuNumaNode: ['+++++++++++', (guest) => guest.getVcpuNumaNode(0)],
  close: ['+++++++++++', (guest) => guest.close()],
}

async function outcome(work: () => unknown): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    return error
  }
}

for (const [at, [state, make]] of Object.entries(STATES).entries()) {
  testWithKvm(`a guest that is ${state} does what its state allows, and refuses everything else`, async () => {
    for (const [name, [allowed, call]] of Object.entries(CALLS)) {
      assert.is(allowed.length, Object.keys(STATES).length, name)
      const guest = await make()
      const got = await outcome(() => call(guest))
      const what = `${name} of one that is ${state}: ${got instanceof Error ? got.message : 'done'}`
      if (allowed[at] === '+') assert.not.instance(got, Error, what)
      else {
        // Bundled classes have their names from their properties.
        assert.instance(got, Error, what)
        const { name: kind } = got as Error
        const expected = {
          fresh: /^InputError$/,
          failed: /^VmError$/,
          'closed unused': /^(InputError|UnsupportedError)$/,
        }
        assert.match(kind, expected[state as 'fresh'] ?? /^(VmStateError|UnsupportedError)$/, what)
      }
      await guest.close()
    }
  })
}

testWithKvm('wait() tells each end', async () => {
  const ends = { stopped: 'caller', halted: 'halt', closed: 'caller' }
  for (const [state, by] of Object.entries(ends)) {
    const guest = await STATES[state]!()
    assert.is((await guest.wait()).by, by, state)
    await guest.close()
  }
  const failed = await STATES.failed!()
  assert.match(String(await outcome(() => failed.wait())), /^VmError: VM "g", vCPU 0: exit shutdown/)
  await failed.close()
})

test.run()
