/** Real QEMU, emulating and with KVM: what is found is what procfs, its command line and its monitor say. */

import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { setAffinity } from '../../../executor/ffi/threads.js'
import { findVms } from '../../../executor/found/find.js'
import type { FoundVm } from '../../../executor/found/types.js'
import { skipUnless } from '../../skip.js'
import { hasKvm, hasQemu, NO_KVM, NO_QEMU, occupy, startQemu } from './guests.js'

const withQemu = skipUnless(hasQemu, NO_QEMU)
const withKvm = skipUnless(hasKvm, NO_KVM)

const MIB = 2 ** 20

async function found(pid: number, options = {}): Promise<FoundVm> {
  const vm = (await findVms({ deadlineMs: 20_000, ...options })).vms.find((one) => one.pid === pid)
  if (vm === undefined) throw new Error(`${pid} was not found`)
  return vm
}

/** The thread of this name, from procfs. */
function threadNamed(pid: number, name: string): number {
  const tids = readdirSync(`/proc/${pid}/task`).map(Number)
  return tids.find((tid) => readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim() === name)!
}

withQemu('emulated: threads, memory and nodes by its monitor, with equal nodes told apart', async () => {
  const guest = await startQemu([
    ...['-accel', 'tcg,thread=multi', '-name', 'guest=alpha,debug-threads=on', '-m', '64', '-smp', '3'],
    ...['-object', 'memory-backend-ram,id=m0,size=32M', '-numa', 'node,nodeid=0,cpus=0-1,memdev=m0'],
    ...['-object', 'memory-backend-memfd,id=m1,size=32M', '-numa', 'node,nodeid=1,cpus=2,memdev=m1'],
    ...['-object', 'iothread,id=disk'],
  ])
  try {
    const vm = await found(guest.pid)
    assert.equal(vm.name, { value: 'alpha', source: 'qmp' })
    assert.equal(vm.vcpuCount, { value: 3, source: 'qmp' })
    assert.equal(
      vm.vcpus.map(({ vcpu, tid, source }) => [vcpu, tid, source]),
      [0, 1, 2].map((vcpu) => [vcpu, threadNamed(guest.pid, `CPU ${vcpu}/TCG`), 'qmp']),
    )
    assert.equal(
      vm.iothreads.map(({ id, tid }) => [id, tid]),
      [['disk', threadNamed(guest.pid, 'IO disk')]],
    )
    assert.ok(vm.emulator.some(({ tid }) => tid === guest.pid))
    assert.equal(vm.accelerator, { value: 'tcg', source: 'thread-name' })
    assert.equal(vm.cells, {
      value: [
        { cell: 0, vcpus: [0, 1], memory: 32 * MIB },
        { cell: 1, vcpus: [2], memory: 32 * MIB },
      ],
      source: 'qmp',
    })
    const byCell = new Map(vm.mappings.map((mapping) => [mapping.cell, mapping]))
    assert.equal([vm.mappings.length, byCell.size], [2, 2])
    assert.equal([byCell.get(0)!.backend, byCell.get(0)!.bytes, byCell.get(0)!.source], ['m0', 32 * MIB, 'qmp'])
    assert.match(byCell.get(1)!.file!, /memfd/)
    assert.ok(byCell.get(1)!.shared)
    // The firmware is there, so that something has been touched.
    assert.ok(byCell.get(0)!.resident.reduce((sum, { bytes }) => sum + bytes, 0) >= 128 * 1024)
    assert.equal(vm.missing, [])
  } finally {
    await guest.stop()
  }
})

withQemu('a monitor that serves another client is left alone: then names and sizes tell', async () => {
  const guest = await startQemu(['-accel', 'tcg', '-name', 'beta,debug-threads=on', '-m', '96', '-smp', '2'])
  const client = await occupy(guest.qmp)
  try {
    const start = performance.now()
    const vm = await found(guest.pid)
    assert.ok(performance.now() - start < 10_000, 'nobody is waited for')
    assert.equal(vm.name, { value: 'beta', source: 'arguments' })
    assert.equal(
      vm.vcpus.map(({ source }) => source),
      ['thread-name', 'thread-name'],
    )
    assert.equal(
      vm.mappings.map(({ bytes, source }) => [bytes, source]),
      [[96 * MIB, 'size']],
    )
    assert.equal(vm.cells, { value: [], source: 'arguments' })
    assert.ok(client!.readable, 'the other client is still served')
    client!.destroy()
  } finally {
    await guest.stop()
  }
})

withQemu('without thread names and with its monitor busy it is not known which threads run vCPUs', async () => {
  const guest = await startQemu(['-accel', 'tcg', '-name', 'gamma', '-m', '64'])
  const client = await occupy(guest.qmp)
  try {
    const vm = await found(guest.pid)
    assert.equal(vm.vcpus, [])
    assert.equal(vm.vcpuCount, { value: 1, source: 'arguments' })
    assert.ok(vm.unknownThreads.length > 1)
    assert.match(vm.missing.map(({ why }) => why).join(), /serves another client/)
    client!.destroy()
    const alone = await found(guest.pid, { ask: false })
    assert.equal(alone.vcpus, [])
  } finally {
    await guest.stop()
  }
})

withQemu('another QEMU at the path of an old one is not taken for it', async () => {
  const old = await startQemu(['-accel', 'tcg', '-name', 'old', '-m', '64'])
  const { rmSync } = await import('node:fs')
  rmSync(old.qmp)
  const next = await startQemu([
    '-accel',
    'tcg',
    '-name',
    'next',
    '-m',
    '64',
    '-qmp',
    `unix:${old.qmp},server=on,wait=off`,
  ])
  try {
    const vm = await found(old.pid)
    assert.equal(vm.name, { value: 'old', source: 'arguments' })
    assert.equal(vm.vcpus, [])
    assert.match(vm.missing[0]!.why, /other threads/)
  } finally {
    await Promise.all([old.stop(), next.stop()])
  }
})

withKvm('with KVM: descriptors say so, and affinities are read from the threads', async () => {
  const guest = await startQemu(['-accel', 'kvm', '-name', 'guest=kappa,debug-threads=on', '-m', '64', '-smp', '2'])
  try {
    const [first] = (await found(guest.pid)).vcpus
    setAffinity(first!.tid, [0])
    const vm = await found(guest.pid)
    assert.equal(vm.accelerator, { value: 'kvm', source: 'kernel' })
    assert.is(vm.vcpus[0]!.tid, threadNamed(guest.pid, 'CPU 0/KVM'))
    assert.equal([vm.vcpus[0]!.cpus, vm.vcpus[0]!.lastCpu], ['0', 0])
    const stat = readFileSync(`/proc/${guest.pid}/stat`, 'utf8')
    assert.is(vm.startTime, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]))
    const quick = await found(guest.pid, { ask: false, memory: false })
    assert.equal(quick.vcpuCount, { value: 2, source: 'kernel' })
    assert.equal(quick.mappings, [])
  } finally {
    await guest.stop()
  }
})

withQemu('a QEMU that has ended is not found, and one that ends meanwhile is no error', async () => {
  const guest = await startQemu(['-accel', 'tcg', '-m', '64'])
  const [result] = await Promise.all([findVms({ deadlineMs: 20_000 }), guest.stop()])
  assert.ok(result.vms.every(({ vcpus, unknownThreads }) => vcpus.length + unknownThreads.length > 0))
  assert.not((await findVms()).vms.some(({ pid }) => pid === guest.pid))
})

test.run()
