/** Calls that VMs make, with dead descriptors, bad addresses, and threads and nodes that do not exist. */

import { readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as kvm from '../../../executor/abi/kvm.js'
import {
  closeFd,
  createEventFd,
  createMemoryFile,
  OwnedFd,
  openDevice,
  pollReadable,
  takeEvents,
} from '../../../executor/ffi/files.js'
import { BASE_PAGE, Mapping, prefault } from '../../../executor/ffi/mapping.js'
import { bindMemory, movePages } from '../../../executor/ffi/numa.js'
import {
  createCoreCookie,
  getNice,
  isRealtime,
  setNice,
  setRealtime,
  shareCoreCookie,
} from '../../../executor/ffi/scheduling.js'
import { currentThread } from '../../../executor/ffi/threads.js'
import { explainExit } from '../../../executor/kvm/exits.js'
import { Kvm, KvmVm } from '../../../executor/kvm/kvm.js'
import { KvmVcpu } from '../../../executor/kvm/kvm-vcpu.js'
import { changeSpecialRegisters, readSpecialRegisters } from '../../../executor/kvm/start-state.js'
import { SyscallError } from '../../../src/errors.js'
import { nodes } from '../plans.js'
import { refusal } from '../vms.js'

const DEAD_FD = 987_654
const NO_THREAD = 2 ** 22 - 1
const BAD_ADDRESS = 2 ** 47
const MiB = 1024 ** 2

/** The name of the errno that a call is refused with. */
function codeOf(call: () => unknown): string {
  const error = refusal(call)
  assert.instance(error, SyscallError)
  return (error as SyscallError).code
}

test('an event counter counts, is emptied by reading, and can be waited for', () => {
  const fd = createEventFd()
  try {
    assert.is(takeEvents(fd), 0)
    assert.equal(pollReadable([fd], 0), [false])
    assert.equal(pollReadable([DEAD_FD, fd], 0), [false, false])
  } finally {
    closeFd(fd)
  }
  assert.is(
    codeOf(() => takeEvents(DEAD_FD)),
    'EBADF',
  )
})

test('a memory file has its size, and one of impossible size or pages is refused', () => {
  const fd = createMemoryFile('test', 2 * BASE_PAGE)
  using mapping = Mapping.ofFile(fd, 2 * BASE_PAGE)
  new Uint8Array(mapping.view())[BASE_PAGE] = 7
  assert.is(readFileSync(`/proc/self/fd/${fd}`)[BASE_PAGE], 7)
  closeFd(fd)
  const before = readFileSync('/proc/self/maps', 'utf8')
  assert.is(
    codeOf(() => createMemoryFile('test', -1)),
    'EINVAL',
  )
  assert.match(refusal(() => createMemoryFile('test', BASE_PAGE, 2 ** 35)).message, /memfd_create: .*hugepages/)
  assert.is(
    codeOf(() => Mapping.ofFile(DEAD_FD, BASE_PAGE)),
    'EBADF',
  )
  assert.is(
    codeOf(() => Mapping.transparent(2 ** 52, 2 * MiB)),
    'ENOMEM',
  )
  assert.is(readFileSync('/proc/self/maps', 'utf8').split('memfd').length, before.split('memfd').length)
})

test('pages go to a node that exists, and to no other', () => {
  const node = nodes.at(-1)!
  using mapping = Mapping.anonymous(4 * BASE_PAGE)
  prefault(mapping.address, mapping.bytes)
  const status = new Int32Array(4)
  movePages(mapping.address, BASE_PAGE, node, status)
  assert.equal([...status], Array(4).fill(node))
  assert.is(
    codeOf(() => movePages(mapping.address, BASE_PAGE, 1000, status)),
    'ENODEV',
  )
  movePages(BAD_ADDRESS, BASE_PAGE, node, status)
  assert.ok([...status].every((code) => code < 0))
  for (const policy of ['preferred', 'interleave'] as const) {
    assert.is(
      codeOf(() => bindMemory(BAD_ADDRESS, BASE_PAGE, [node], policy)),
      'EFAULT',
    )
    assert.is(
      codeOf(() => bindMemory(mapping.address, mapping.bytes, [1000], policy)),
      'EINVAL',
    )
  }
})

test('schedules of threads that are gone, and priorities that do not exist, are refused', () => {
  assert.is(
    codeOf(() => setRealtime(NO_THREAD, 1)),
    'ESRCH',
  )
  assert.is(
    codeOf(() => setRealtime(0, 0)),
    'EINVAL',
  )
  assert.is(
    codeOf(() => setRealtime(0, 100)),
    'EINVAL',
  )
  assert.is(
    codeOf(() => isRealtime(NO_THREAD)),
    'ESRCH',
  )
  assert.is(
    codeOf(() => setNice(NO_THREAD, 1)),
    'ESRCH',
  )
  assert.is(isRealtime(0), false)
  assert.is(getNice(currentThread()), getPriority())
  setNice(0, getPriority())
})

test('core scheduling of a thread that is gone is refused', () => {
  for (const call of [() => createCoreCookie(NO_THREAD), () => shareCoreCookie(NO_THREAD)]) {
    assert.ok(['EINVAL', 'ENODEV', 'ESRCH'].includes(codeOf(call)))
  }
})

const FEATURES = {
  runBytes: BASE_PAGE,
  coalescedRing: BASE_PAGE,
  coalescedPorts: true,
  ioeventfd: true,
  irqchip: true,
  irqfd: true,
  wideApicIds: true,
}

test('every call of a VM and of a vCPU whose descriptor is dead ends with EBADF', () => {
  const vm = new KvmVm(DEAD_FD, FEATURES)
  const vcpu = new KvmVcpu(DEAD_FD, Mapping.anonymous(BASE_PAGE))
  for (const call of [
    () => vm.addMemory(0, BAD_ADDRESS, BASE_PAGE),
    () => vm.keepOutOfMemory(),
    () => vm.createIrqchip(),
    () => vm.coalesce('port', 0, 1),
    () => vm.ioeventfd('mmio', 0, 1, DEAD_FD),
    () => vm.createVcpu(0),
    () => vm.close(),
    () => vcpu.setCpuid(new Uint8Array(8)),
    () => vcpu.getRegs(),
    () => vcpu.setRegs({}),
    () => readSpecialRegisters(vcpu),
    () => changeSpecialRegisters(vcpu, {}),
    () => vcpu.close(),
    () => new OwnedFd(DEAD_FD).close(),
  ]) {
    assert.is(codeOf(call), 'EBADF', String(call))
  }
  assert.throws(() => vcpu.page, /the vCPU is closed/)
})

test('what a kernel does not have is refused by its name', () => {
  const vm = new KvmVm(DEAD_FD, {
    ...FEATURES,
    coalescedRing: 0,
    ioeventfd: false,
    irqchip: false,
    irqfd: false,
    wideApicIds: false,
  })
  assert.throws(() => vm.coalesce('mmio', 0, 1), /coalesced writes: .*Linux 5\.0/)
  assert.throws(() => vm.ioeventfd('mmio', 0, 1, 0), /KVM_CAP_IOEVENTFD/)
  assert.throws(() => vm.createIrqchip(), /KVM_CAP_IRQCHIP/)
  const withoutPorts = new KvmVm(DEAD_FD, { ...FEATURES, coalescedPorts: false })
  assert.throws(() => withoutPorts.coalesce('port', 0, 1), /coalesced writes/)
  assert.throws(() => Kvm.open('/dev/null'), /ENOTTY .*another device/)
  closeFd(openDevice('/dev/null'))
})

test('each exit that the executor cannot go on from is explained', () => {
  const page = new DataView(new ArrayBuffer(kvm.kvm_run.size))
  const text = (reason: number) => explainExit(reason, page)
  assert.match(text(kvm.KVM_EXIT_IO), 'read port 0x0')
  page.setUint8(kvm.kvm_run['io.direction'], kvm.KVM_EXIT_IO_OUT)
  page.setUint16(kvm.kvm_run['io.port'], 0x3f9, true)
  assert.match(text(kvm.KVM_EXIT_IO), 'wrote to port 0x3f9')
  assert.match(text(kvm.KVM_EXIT_SHUTDOWN), 'triple fault')
  page.setBigUint64(kvm.kvm_run['fail_entry.hardware_entry_failure_reason'], 0x80000021n, true)
  assert.match(text(kvm.KVM_EXIT_FAIL_ENTRY), 'hardware reason 0x80000021')
  assert.match(text(kvm.KVM_EXIT_UNKNOWN), 'hardware reason 0x80000021')
  page.setBigUint64(32, 3n, true)
  assert.match(text(kvm.KVM_EXIT_INTERNAL_ERROR), 'internal error 3')
  page.setUint32(kvm.kvm_run['internal.suberror'], kvm.KVM_INTERNAL_ERROR_EMULATION, true)
  assert.match(text(kvm.KVM_EXIT_INTERNAL_ERROR), 'could not emulate')
  page.setBigUint64(kvm.kvm_run['mmio.phys_addr'], 0xfee0_0000n, true)
  page.setUint8(kvm.kvm_run['mmio.is_write'], 1)
  assert.match(text(kvm.KVM_EXIT_MMIO), 'wrote to 0xfee00000')
  assert.match(text(63), 'does not know this exit')
})

test.run()
