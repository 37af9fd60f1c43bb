/**
 * KVM by the scope of its file descriptors: the system, a VM, a vCPU. Each class owns its descriptor; `close()` may be
 * called any number of times. Descriptors and addresses are good in every thread of the process, so one thread makes
 * them and another runs the vCPU.
 */

import { UnsupportedError } from '../src/errors.js'
import {
  KVM_API_VERSION,
  KVM_CAP_IMMEDIATE_EXIT,
  KVM_CAP_MAX_VCPUS,
  KVM_CAP_USER_MEMORY,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_VCPU,
  KVM_CREATE_VM,
  KVM_GET_API_VERSION,
  KVM_GET_SREGS,
  KVM_GET_SUPPORTED_CPUID,
  KVM_GET_VCPU_MMAP_SIZE,
  KVM_RUN,
  KVM_SET_CPUID2,
  KVM_SET_REGS,
  KVM_SET_SREGS,
  KVM_SET_USER_MEMORY_REGION,
  kvm_cpuid_entry2,
  kvm_cpuid2,
  kvm_regs,
  kvm_run,
  kvm_sregs,
  kvm_userspace_memory_region,
} from './abi/kvm.js'
import { E2BIG } from './abi/linux.js'
import { closeFd, ioctl, ioctlStruct, openDevice } from './ffi/files.js'
import * as libc from './ffi/libc.js'
import { Mapping } from './ffi/mapping.js'

export const KVM_DEVICE = '/dev/kvm'

const OPEN_HINTS = {
  ENOENT:
    'load the module (modprobe kvm_intel or kvm_amd), and switch on virtualization in the firmware or, in a VM, nesting',
  EACCES: 'become a member of the group that owns it: sudo usermod -aG kvm $USER, then log in again',
  EPERM: 'the container or sandbox does not allow the device: add --device /dev/kvm',
  ENXIO: 'the kernel has no KVM behind this device',
  ENODEV: 'the CPU has no virtualization, or the firmware has switched it off',
}
const CREATE_VM_HINTS = {
  EBUSY: 'another hypervisor (VirtualBox, VMware) uses the CPU: stop it',
  ENOMEM: 'the kernel has no memory for it',
}

/** A descriptor that is closed once. */
class OwnedFd implements Disposable {
  readonly fd: number
  #open = true

  constructor(fd: number) {
    this.fd = fd
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    closeFd(this.fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** `/dev/kvm` */
export class Kvm extends OwnedFd {
  /** Bytes of the mapping that a vCPU shares with user space. */
  readonly #runBytes: number
  readonly #cpuid: Uint8Array

  private constructor(fd: number) {
    super(fd)
    this.#runBytes = ioctl(fd, 'KVM_GET_VCPU_MMAP_SIZE', KVM_GET_VCPU_MMAP_SIZE)
    this.#cpuid = supportedCpuid(fd)
  }

  /**
   * @throws {SyscallError} no such device, no permission: the hint says what to do
   * @throws {UnsupportedError} another API version, or no way to stop a vCPU
   */
  static open(path = KVM_DEVICE): Kvm {
    const fd = openDevice(path, OPEN_HINTS)
    try {
      checkApi(fd, path)
      return new Kvm(fd)
    } catch (error) {
      closeFd(fd)
      throw error
    }
  }

  /** The most vCPUs that one VM can have. */
  get maxVcpus(): number {
    return ioctl(this.fd, 'KVM_CHECK_EXTENSION', KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS)
  }

  createVm(): Vm {
    const fd = ioctl(this.fd, 'KVM_CREATE_VM', KVM_CREATE_VM, 0, CREATE_VM_HINTS)
    return new Vm(fd, this.#runBytes, this.#cpuid)
  }
}

function checkApi(fd: number, path: string): void {
  const version = ioctl(fd, 'KVM_GET_API_VERSION', KVM_GET_API_VERSION, 0, {
    ENOTTY: `${path} is another device`,
  })
  if (version !== KVM_API_VERSION) {
    throw new UnsupportedError('KVM', `expected API version ${KVM_API_VERSION}, the kernel has ${version}`)
  }
  for (const [name, capability] of Object.entries({ KVM_CAP_USER_MEMORY, KVM_CAP_IMMEDIATE_EXIT })) {
    if (ioctl(fd, `KVM_CHECK_EXTENSION, ${name}`, KVM_CHECK_EXTENSION, capability) === 0) {
      throw new UnsupportedError(name, 'this kernel does not have it; Linux 4.13 or later is needed')
    }
  }
}

/** What a vCPU may tell its guest about the CPU: a `struct kvm_cpuid2` as KVM_SET_CPUID2 takes it. */
function supportedCpuid(fd: number): Uint8Array {
  for (let entries = 128; ; entries *= 2) {
    const cpuid = new Uint8Array(kvm_cpuid2.size + entries * kvm_cpuid_entry2.size)
    new DataView(cpuid.buffer).setUint32(kvm_cpuid2.nent, entries, true)
    const rc = libc.ioctlPointer(fd, KVM_GET_SUPPORTED_CPUID, cpuid)
    if (rc === 0) return cpuid
    const error = libc.errno()
    if (error !== E2BIG || entries >= 4096) throw libc.refused(error, 'ioctl(KVM_GET_SUPPORTED_CPUID)')
  }
}

export class Vm extends OwnedFd {
  readonly #runBytes: number
  readonly #cpuid: Uint8Array
  #slots = 0

  constructor(fd: number, runBytes: number, cpuid: Uint8Array) {
    super(fd)
    this.#runBytes = runBytes
    this.#cpuid = cpuid
  }

  /**
   * Gives the guest memory, as the next memory slot. The memory has to stay mapped until the VM is closed.
   * @param gpa guest physical address
   * @param hva host virtual address
   */
  addMemory(gpa: number, hva: number, bytes: number): void {
    const region = new DataView(new ArrayBuffer(kvm_userspace_memory_region.size))
    region.setUint32(kvm_userspace_memory_region.slot, this.#slots, true)
    region.setBigUint64(kvm_userspace_memory_region.guest_phys_addr, BigInt(gpa), true)
    region.setBigUint64(kvm_userspace_memory_region.memory_size, BigInt(bytes), true)
    region.setBigUint64(kvm_userspace_memory_region.userspace_addr, BigInt(hva), true)
    ioctlStruct(this.fd, 'KVM_SET_USER_MEMORY_REGION', KVM_SET_USER_MEMORY_REGION, new Uint8Array(region.buffer), {
      EINVAL: 'too many memory slots, or not whole pages',
      EEXIST: 'it overlaps another memory slot',
    })
    this.#slots++
  }

  createVcpu(id: number): Vcpu {
    const fd = ioctl(this.fd, 'KVM_CREATE_VCPU', KVM_CREATE_VCPU, id, {
      EINVAL: 'more vCPUs than KVM allows in one VM',
    })
    let vcpu: Vcpu | undefined
    try {
      vcpu = new Vcpu(fd, Mapping.ofDevice(fd, this.#runBytes))
      ioctlStruct(fd, 'KVM_SET_CPUID2', KVM_SET_CPUID2, this.#cpuid)
      return vcpu
    } catch (error) {
      if (vcpu === undefined) closeFd(fd)
      else vcpu.close()
      throw error
    }
  }
}

/** One vCPU. Its registers are set before it runs; KVM_RUN is called by the thread that has its descriptor's number. */
export class Vcpu extends OwnedFd {
  readonly #run: Mapping
  #page: Uint8Array | null

  constructor(fd: number, run: Mapping) {
    super(fd)
    this.#run = run
    // SAFETY: dropped in close(), before the mapping goes.
    this.#page = new Uint8Array(run.view())
  }

  /** Where `struct kvm_run` is, for the thread that runs it. */
  get runPage(): { readonly address: number; readonly bytes: number } {
    return { address: this.#run.address, bytes: this.#run.bytes }
  }

  /** The kernel's `struct kvm_sregs`, to be changed and given to `setSregs`. */
  getSregs(): DataView<ArrayBuffer> {
    const sregs = new DataView(new ArrayBuffer(kvm_sregs.size))
    ioctlStruct(this.fd, 'KVM_GET_SREGS', KVM_GET_SREGS, new Uint8Array(sregs.buffer))
    return sregs
  }

  setSregs(sregs: DataView<ArrayBuffer>): void {
    ioctlStruct(this.fd, 'KVM_SET_SREGS', KVM_SET_SREGS, new Uint8Array(sregs.buffer))
  }

  /** Sets the general registers; those that are not named are 0. */
  setRegs(values: Readonly<Partial<Record<Exclude<keyof typeof kvm_regs, 'size'>, bigint>>>): void {
    const regs = new DataView(new ArrayBuffer(kvm_regs.size))
    for (const [name, value] of Object.entries(values)) {
      regs.setBigUint64(kvm_regs[name as keyof typeof values], value, true)
    }
    ioctlStruct(this.fd, 'KVM_SET_REGS', KVM_SET_REGS, new Uint8Array(regs.buffer))
  }

  /** From now on KVM_RUN returns at once, with EINTR. A thread that is inside it needs a signal as well. */
  requestExit(): void {
    if (this.#page !== null) this.#page[kvm_run.immediate_exit] = 1
  }

  override close(): void {
    this.#page = null
    this.#run.close()
    super.close()
  }
}

/** Lets a vCPU run until its next exit. Returns 0, or the errno; nothing is allocated. */
export function enterGuest(vcpuFd: number): number {
  const rc = libc.ioctl(vcpuFd, KVM_RUN, 0)
  return rc < 0 ? libc.errno() : 0
}

/** The `struct kvm_run` of a vCPU, for the thread that runs it; only for as long as the owner keeps it open. */
export function viewRunPage(page: { readonly address: number; readonly bytes: number }): ArrayBuffer {
  // SAFETY: the owner closes the vCPU only after the thread that runs it has ended its loop and dropped the view.
  return libc.view(page.address, page.bytes)
}
