import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KVM_EXIT_IO, kvm_run } from '../../../executor/abi/kvm.js'
import { EINTR } from '../../../executor/abi/linux.js'
import * as libc from '../../../executor/ffi/libc.js'
import { prefault } from '../../../executor/ffi/mapping.js'
import { LCG, STRIDE, walk } from '../../../executor/guests/walk.js'
import { Kvm } from '../../../executor/kvm/kvm.js'
import { enterGuest, viewRunPage } from '../../../executor/kvm/kvm-vcpu.js'
import { VmMemory } from '../../../executor/memory/memory.js'
import { layoutVm, shareMemory } from '../../../executor/plan/layout.js'
import { bootBytes } from '../../../executor/program/boot.js'
import { kvmStatus, probeAffinity, probeMbind } from '../../../executor/run/probe.js'
import { skipUnless } from '../../skip.js'
import { machineWith } from '../machines.js'
import { cpus, MiB, nodes, planOf } from '../plans.js'
import { holdings } from '../process.js'

const status = kvmStatus()
const testWithKvm = skipUnless(status.usable, status.usable ? '' : `KVM is not usable: ${status.text}`)

const fds = () => holdings().fds.length

test('a missing device, another device and a file are told apart', () => {
  const missing = kvmStatus('/nonexistent/kvm')
  assert.not.ok(missing.usable)
  assert.is(!missing.usable && missing.code, 'ENOENT')
  assert.match(missing.usable ? '' : missing.hint, 'modprobe')
  const other = kvmStatus('/dev/null')
  assert.is(!other.usable && other.code, 'ENOTTY')
  assert.match(other.usable ? '' : other.hint, '/dev/null is another device')
})

test('nothing is left open by asking', () => {
  const before = fds()
  for (const path of ['/dev/kvm', '/dev/null', '/nonexistent']) kvmStatus(path)
  probeMbind()
  assert.is(fds(), before)
})

test('binding and pinning are found usable where this process may use nodes and CPUs', () => {
  const mbind = probeMbind()
  if (mbind.usable) assert.is(mbind.node, nodes[0])
  else assert.match(mbind.text, /mbind/)
  assert.equal(probeAffinity(), { usable: true, cpus })
})

testWithKvm('system, VM and vCPU can be closed more than once', () => {
  const before = fds()
  const kvm = Kvm.open()
  assert.ok(kvm.maxVcpus >= 1)
  const vm = kvm.createVm()
  const vcpu = vm.createVcpu(0)
  assert.ok(fds() >= before + 3)
  for (const owner of [vcpu, vm, kvm, vcpu, vm, kvm]) owner.close()
  assert.is(fds(), before)
  assert.not.match(readFileSync('/proc/self/maps', 'utf8'), 'kvm-vcpu')
})

testWithKvm('a second vCPU of the same number and overlapping memory are refused, and nothing leaks', () => {
  const before = fds()
  using memory = VmMemory.map(layoutVm(planOf({ vcpus: ['0'], cells: [MiB] }).vms[0]!))
  {
    using kvm = Kvm.open()
    using vm = kvm.createVm()
    using _vcpu = vm.createVcpu(0)
    assert.throws(() => vm.createVcpu(0), /KVM_CREATE_VCPU\): EEXIST/)
    vm.addMemory(0, memory.addressOf(0), MiB)
    assert.throws(() => vm.addMemory(4096, memory.addressOf(0), MiB), /overlaps/)
    assert.throws(() => vm.addMemory(2 * MiB, memory.addressOf(0), 100), /EINVAL/)
  }
  assert.is(fds(), before)
})

testWithKvm('KVM_RUN returns at once when an exit is requested', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  using vcpu = vm.createVcpu(0)
  vcpu.requestExit()
  assert.is(enterGuest(vcpu.fd), EINTR)
})

testWithKvm('each vCPU stores into its share of its cell, and nowhere else, what it has computed', async () => {
  const layout = layoutVm(planOf({ vcpus: ['0', '0', '0'], cells: [2 * MiB, MiB] }).vms[0]!)
  const exits = 2000
  using memory = VmMemory.map(layout)
  for (const cell of layout.cells) prefault(memory.addressOf(cell.offset), cell.bytes)
  using machine = await machineWith(memory, walk)
  for (const vcpu of machine.vcpus) {
    const words = new Uint32Array(viewRunPage(vcpu.runPage))
    for (let exit = 1; exit <= exits; exit++) {
      assert.is(enterGuest(vcpu.fd), 0)
      assert.is(words[kvm_run.exit_reason / 4], KVM_EXIT_IO)
      assert.is(words[words[kvm_run['io.data_offset'] / 4]! / 4], exit)
    }
  }
  const shares = shareMemory(layout, bootBytes(layout.bytes))
  const written = new Map<number, readonly [bigint, bigint]>()
  for (const share of shares) {
    let x = BigInt(share.vcpu + 1)
    for (let count = 1; count <= exits; count++) {
      x = BigInt.asUintN(64, x * LCG.multiplier + LCG.increment)
      const pages = (share.end - share.start) / STRIDE
      written.set(share.start + ((count - 1) % pages) * STRIDE, [BigInt(count), x])
    }
  }
  assert.ok(written.size > 700)
  for (const cell of layout.cells) {
    for (let offset = cell.offset; offset < cell.offset + cell.bytes; offset += STRIDE) {
      if (offset < bootBytes(layout.bytes)) continue
      const page = new BigUint64Array(libc.view(memory.addressOf(offset), STRIDE))
      assert.equal([page[0], page[1]], [...(written.get(offset) ?? [0n, 0n])], `page at ${offset}`)
    }
  }
})

testWithKvm('a guest reaches its memory above 4 GiB', async () => {
  // Not prefaulted: only the pages that are used exist.
  const layout = layoutVm(planOf({ vcpus: ['0', '0'], cells: [3584 * MiB, 2 * MiB + 64 * 1024] }).vms[0]!)
  using memory = VmMemory.map(layout)
  using machine = await machineWith(memory, walk)
  const [, share] = shareMemory(layout, bootBytes(layout.bytes))
  const pages = (share!.end - share!.start) / STRIDE
  for (let exit = 0; exit < pages; exit++) assert.is(enterGuest(machine.vcpus[1]!.fd), 0)
  for (let page = 0; page < pages; page++) {
    const words = new BigUint64Array(libc.view(memory.addressOf(share!.start + page * STRIDE), 8))
    assert.is(words[0], BigInt(page + 1))
  }
})

testWithKvm('a VM without room for the guest program is refused, and nothing leaks', async () => {
  const before = fds()
  using memory = VmMemory.map(layoutVm(planOf({ name: 'tiny', vcpus: ['0'], cells: [16384] }).vms[0]!))
  let message = ''
  await machineWith(memory, walk).catch((error) => {
    message = error.message
  })
  assert.match(message, /VM "tiny" has 16 KiB; .* 16 KiB for itself/)
  assert.is(fds(), before)
})

test('memory that cannot be bound is not left mapped', () => {
  const plan = planOf({ vcpus: ['0'], cells: [64 * 1024], node: nodes[0]! })
  const [first] = plan.vms[0]!.cells
  const elsewhere = { ...first!, cell: 1, memory: [{ node: 1000, bytes: 64 * 1024 }] }
  const layout = layoutVm({ ...plan.vms[0]!, cells: [first!, elsewhere] })
  const bound = () => readFileSync('/proc/self/numa_maps', 'utf8').split(' bind:').length
  const before = bound()
  assert.throws(() => VmMemory.map(layout), /mbind\(node 1000\): EINVAL.*the node does not exist/)
  assert.is(bound(), before)
})

test.run()
