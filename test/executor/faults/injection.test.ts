/**
 * Every call of the C library that a VM's whole life makes, failing in turn, with each of a few errors: it ends in success, or in an
 * error that names what failed, and nothing is left. `HOMENODE_FAULTS=all` takes every error for every call.
 */

import { constants } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import koffi from 'koffi'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../../skip.js'
import { bundleExecutor } from '../bundle.js'
import { cpus, MiB, nodes, planOf } from '../plans.js'
import { holdings, leftSince, settledHoldings } from '../process.js'
import { compileShim, hasCompiler, throughShim } from './shim.js'

const shim = hasCompiler ? compileShim() : null
const { executor, verified, accel } = await bundleExecutor(shim === null ? [] : [throughShim(shim)])
const status = executor.kvmStatus()
const testFaults = skipUnless(
  shim !== null && status.usable,
  shim === null ? 'gcc is not installed' : `KVM is not usable: ${status.usable ? '' : status.text}`,
)

const ERRORS = (['EINTR', 'ENOMEM', 'EAGAIN', 'EPERM', 'ENOSYS'] as const).map((name) => ({
  name,
  number: constants.errno[name],
}))
const isWhole = process.env.HOMENODE_FAULTS === 'all'

const library = shim === null ? null : koffi.load(shim)
const arm: (name: string, n: number, error: number) => void =
  library?.func('void shim_arm(const char *, int, int)') ?? (() => {})
const hasFired: () => number = library?.func('int shim_fired()') ?? (() => 0)
const mappedBytes: () => number = library?.func('long shim_mapped()') ?? (() => 0)
const nameAt: (at: number) => string = library?.func('const char *shim_name(int)') ?? (() => '')
const callsAt: (at: number) => number = library?.func('int shim_calls(int)') ?? (() => 0)

/** Calls by function, so far. */
function calls(): Map<string, number> {
  const found = new Map<string, number>()
  for (let at = 0; nameAt(at) !== ''; at++) found.set(nameAt(at), (found.get(nameAt(at)) ?? 0) + callsAt(at))
  return found
}

const node = nodes[0]!
const [first, last] = [String(cpus[0]), String(cpus.at(-1))]
const PLAN = verified.sealPlan(planOf({ vcpus: [first, last], cells: [MiB, MiB], node }))
/** out %al, $0x70; out %al, $0x60; jmp to itself. */
const GUEST = Uint8Array.of(0xe6, 0x70, 0xe6, 0x60, 0xeb, 0xfe)

/** A planned VM with all that it can have, through all of its states. */
async function wholeLife(): Promise<void> {
  const vm = await executor.Vm.create(PLAN, 'demo', { memory: { shared: true }, scheduling: { nice: 1 } })
  try {
    await vm.load(GUEST, 0x1000)
    for (const vcpu of vm.vcpus) vcpu.startInLongMode(0x1000)
    vm.onPort({ start: 0x60 }, { write: () => {} })
    vm.onPort({ start: 0x72 }, { write: () => {} })
    vm.coalesce('port', { start: 0x72 })
    vm.ioeventfd('port', { address: 0x70, bytes: 1 }, () => {})
    vm.serial(() => {})
    vm.exitPort()
    await vm.run()
    vm.sample()
    await vm.pause()
    vm.vcpus[0]!.registers()
    await vm.resume()
    vm.repin(0, last)
    await vm.moveMemory(0, node)
    await vm.readMemory()
    await vm.readPages()
    await vm.stop()
  } finally {
    await vm.close()
  }
}

/** A guest that is made call by call, on memory of its own. */
async function byHand(): Promise<void> {
  const guest = new accel.AccelKvm({ name: 'demo' })
  try {
    await guest.init()
    await guest.createVcpu(0)
    guest.enableNuma([node])
    await guest.setupNumaMemory({ node, size: MiB, gpa: 0 })
    await guest.load(GUEST, 0x1000)
    guest.vcpu(0).startInRealMode(0x1000)
    guest.onPort({ start: 0x60, length: 0x20 }, { write: () => {} })
    guest.bindVcpuToNumaNode(0, node)
    guest.setVcpuPriority(0, -1)
    await guest.run()
    await guest.residentMemory()
    await guest.pause()
  } finally {
    await guest.close()
  }
}

/** Memory that belongs to no VM. */
async function block(): Promise<void> {
  const made = await executor.MemoryBlock.allocate(3 * MiB, node)
  try {
    await made.moveTo(node)
    await made.residentBytes()
  } finally {
    await made.close()
  }
}

const PATIENCE_MS = 20_000

/** How a life ends: `null`, or what it threw. */
async function endOf(life: () => Promise<void>): Promise<Error | null> {
  const end = life().then(
    () => null,
    (error: Error) => error,
  )
  const late = delay(PATIENCE_MS, 'late' as const, { ref: false })
  const first = await Promise.race([end, late])
  if (first === 'late') throw new Error('neither success nor an error came')
  return first
}

/** What the shim makes fail has to be in the error: its name, or the errno that it gave. */
function checkError(error: Error, what: string, errno: string): void {
  const told = `${error.name}: ${error.message}`
  assert.match(error.name, /^(VmError|SyscallError|UnsupportedError)$/, `${what}: ${told}\n${error.stack}`)
  assert.type((error as Error & { exitCode?: unknown }).exitCode, 'number', what)
  assert.ok(told.includes(errno), `${what}: ${told}`)
}

for (const [name, life] of Object.entries({
  'a planned VM': wholeLife,
  'a VM made by hand': byHand,
  'a block of memory': block,
})) {
  testFaults(`${name}: whichever call fails, it ends well or says what failed, and nothing is left`, async () => {
    const strays: unknown[] = []
    const stray = (error: unknown) => strays.push(error)
    process.on('uncaughtException', stray).on('unhandledRejection', stray)
    // Threads of the pool stay; so do the VM's files that Node has read once.
    for (let i = 0; i < 2; i++) assert.is(await endOf(life), null)
    const before = calls()
    assert.is(await endOf(life), null)
    const names = [...calls()].filter(([name, count]) => count > (before.get(name) ?? 0)).map(([name]) => name)
    assert.ok(names.length > 5, String(names))
    const held = await settledHoldings()
    const mapped = mappedBytes()
    const points = new Map<string, number>()
    const wrong: string[] = []
    for (const name of names) {
      for (let n = 1, fired = true; fired; n++) {
        fired = false
        // In turn, so that each call has one and each error has calls.
        const errors = isWhole ? ERRORS : [ERRORS[(n + name.length) % ERRORS.length]!]
        for (const { name: errno, number } of errors) {
          const what = `call ${n} of ${name} with ${errno}`
          arm(name, n, number)
          try {
            const error = await endOf(life)
            if (hasFired() === 0) {
              assert.is(error, null, what)
              continue
            }
            fired = true
            points.set(name, (points.get(name) ?? 0) + 1)
            if (error !== null) checkError(error, what, errno)
            arm('', 0, 0)
            assert.is(mappedBytes(), mapped, `${what}: bytes are still mapped`)
            if (holdings().fds.length > held.fds.length || holdings().mappings.length > held.mappings.length)
              assert.equal(await leftSince(held), [], what)
            assert.equal(strays.splice(0).map(String), [], what)
          } catch (error) {
            wrong.push((error as Error).message.split('\n').slice(0, 12).join('\n'))
            strays.length = 0
          }
        }
      }
    }
    arm('', 0, 0)
    process.off('uncaughtException', stray).off('unhandledRejection', stray)
    console.log(
      `${name}: ${[...points.values()].reduce((sum, n) => sum + n, 0)} points: ${[...points].map(([name, n]) => `${name} ${n}`).join(', ')}`,
    )
    assert.equal(wrong, [])
    assert.equal(await leftSince(held), [])
  })
}

test.run()
