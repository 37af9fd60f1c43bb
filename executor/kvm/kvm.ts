/**
 * KVM by the scope of its file descriptors: the system and a VM (a vCPU: kvm-vcpu.ts). Each class owns its descriptor;
 * `close()` may be called any number of times. Descriptors and addresses are good in every thread of the process, so
 * one thread makes them and another runs the vCPU.
 */

import { UnsupportedError } from '../../src/errors.js'
import {
  KVM_API_VERSION,
  KVM_CAP_COALESCED_MMIO,
  KVM_CAP_COALESCED_PIO,
  KVM_CAP_IMMEDIATE_EXIT,
  KVM_CAP_IOEVENTFD,
  KVM_CAP_IRQCHIP,
  KVM_CAP_IRQFD,
  KVM_CAP_MAX_VCPU_ID,
  KVM_CAP_MAX_VCPUS,
  KVM_CAP_TSC_DEADLINE_TIMER,
  KVM_CAP_USER_MEMORY,
  KVM_CAP_X2APIC_API,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_IRQCHIP,
  KVM_CREATE_VCPU,
  KVM_CREATE_VM,
  KVM_ENABLE_CAP,
  KVM_GET_API_VERSION,
  KVM_GET_SUPPORTED_CPUID,
  KVM_GET_VCPU_MMAP_SIZE,
  KVM_IOEVENTFD,
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_PIO,
  KVM_IRQFD,
  KVM_REGISTER_COALESCED_MMIO,
  KVM_SET_IDENTITY_MAP_ADDR,
  KVM_SET_TSS_ADDR,
  KVM_SET_USER_MEMORY_REGION,
  KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
  KVM_X2APIC_API_USE_32BIT_IDS,
  kvm_coalesced_mmio_zone,
  kvm_cpuid_entry2,
  kvm_cpuid2,
  kvm_enable_cap,
  kvm_ioeventfd,
  kvm_irqfd,
  kvm_userspace_memory_region,
} from '../abi/kvm.js'
import { E2BIG } from '../abi/linux.js'
import { closeFd, ioctl, ioctlStruct, OwnedFd, openDevice } from '../ffi/files.js'
import * as libc from '../ffi/libc.js'
import { BASE_PAGE, Mapping } from '../ffi/mapping.js'
import type { Bus } from '../wire/device-spec.js'
import { KvmVcpu } from './kvm-vcpu.js'

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

/** `/dev/kvm` */
export class Kvm extends OwnedFd {
  /** Bytes of the mapping that a vCPU shares with user space. */
  readonly #runBytes: number
  /** What a vCPU may tell its guest about the CPU: a `struct kvm_cpuid2`. */
  readonly supportedCpuid: Uint8Array

  private constructor(fd: number) {
    super(fd)
    this.#runBytes = ioctl(fd, 'KVM_GET_VCPU_MMAP_SIZE', KVM_GET_VCPU_MMAP_SIZE)
    this.supportedCpuid = supportedCpuid(fd)
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

  /** What the kernel says to a capability; 0: it does not have it. */
  capability(number: number): number {
    return ioctl(this.fd, 'KVM_CHECK_EXTENSION', KVM_CHECK_EXTENSION, number)
  }

  /** The most vCPUs that one VM can have. */
  get maxVcpus(): number {
    return this.capability(KVM_CAP_MAX_VCPUS)
  }

  /** One more than the highest number that a vCPU can have. */
  get maxVcpuId(): number {
    return this.capability(KVM_CAP_MAX_VCPU_ID) || this.maxVcpus
  }

  /** Whether a local APIC's timer can go off at a time of the TSC. */
  get hasDeadlineTimer(): boolean {
    return this.capability(KVM_CAP_TSC_DEADLINE_TIMER) > 0
  }

  createVm(): KvmVm {
    const has = (capability: number) => this.capability(capability) > 0
    const features = {
      runBytes: this.#runBytes,
      coalescedRing: this.capability(KVM_CAP_COALESCED_MMIO) * BASE_PAGE,
      coalescedPorts: has(KVM_CAP_COALESCED_PIO),
      ioeventfd: has(KVM_CAP_IOEVENTFD),
      irqchip: has(KVM_CAP_IRQCHIP),
      irqfd: has(KVM_CAP_IRQFD),
      wideApicIds: has(KVM_CAP_X2APIC_API),
    }
    const vm = new KvmVm(ioctl(this.fd, 'KVM_CREATE_VM', KVM_CREATE_VM, 0, CREATE_VM_HINTS), features)
    try {
      if (process.arch === 'x64') vm.keepOutOfMemory()
      return vm
    } catch (error) {
      vm.close()
      throw error
    }
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

function supportedCpuid(fd: number): Uint8Array {
  for (let entries = 128; ; entries *= 2) {
    const cpuid = new Uint8Array(kvm_cpuid2.size + entries * kvm_cpuid_entry2.size)
    new DataView(cpuid.buffer).setUint32(kvm_cpuid2.nent, entries, true)
    const rc = libc.attempt(() => libc.ioctlPointer(fd, KVM_GET_SUPPORTED_CPUID, cpuid))
    if (rc === 0) return cpuid
    if (rc !== -E2BIG || entries >= 4096) throw libc.refused(-rc, 'ioctl(KVM_GET_SUPPORTED_CPUID)')
  }
}

interface KvmFeatures {
  /** Bytes of the mapping that a vCPU shares with user space. */
  readonly runBytes: number
  /** Where in that mapping the ring of coalesced writes is; 0: the kernel has none. */
  readonly coalescedRing: number
  readonly coalescedPorts: boolean
  readonly ioeventfd: boolean
  readonly irqchip: boolean
  readonly irqfd: boolean
  readonly wideApicIds: boolean
}

/** Pages that older Intel CPUs need below 4 GiB, where the guest has no memory: the places that QEMU gives them. */
const IDENTITY_MAP = 0xfeffc000
const TSS = 0xfeffd000

/** Guest physical addresses that are KVM's own: I/O APIC, local APIC, and the pages above. `end` is the first byte after. */
export const KVM_RANGES: readonly { readonly start: number; readonly end: number; readonly what: string }[] = [
  { start: 0xfec00000, end: 0xfec01000, what: 'the I/O APIC' },
  { start: 0xfee00000, end: 0xfee01000, what: 'the local APIC' },
  { start: IDENTITY_MAP, end: TSS + 3 * 4096, what: "KVM's identity map and TSS" },
]

export class KvmVm extends OwnedFd {
  readonly #features: KvmFeatures
  #slots = 0

  constructor(fd: number, features: KvmFeatures) {
    super(fd)
    this.#features = features
  }

  /** Puts the pages that KVM itself needs on older Intel CPUs where no memory is. Before the first vCPU. */
  keepOutOfMemory(): void {
    ioctlStruct(this.fd, 'KVM_SET_IDENTITY_MAP_ADDR', KVM_SET_IDENTITY_MAP_ADDR, wordOf(IDENTITY_MAP))
    ioctl(this.fd, 'KVM_SET_TSS_ADDR', KVM_SET_TSS_ADDR, TSS)
  }

  /** Where the ring of coalesced writes is in a vCPU's page. */
  get coalescedRing(): number {
    return this.#features.coalescedRing
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

  /** Interrupt controllers in the kernel (PIC, I/O APIC, local APICs); before the first vCPU. */
  createIrqchip(): void {
    if (!this.#features.irqchip) throw new UnsupportedError('KVM_CAP_IRQCHIP', 'this kernel does not have it')
    ioctl(this.fd, 'KVM_CREATE_IRQCHIP', KVM_CREATE_IRQCHIP)
  }

  /** Interrupts for APIC ids above 254; before the first vCPU. */
  allowWideApicIds(): void {
    if (!this.#features.wideApicIds) {
      throw new UnsupportedError('KVM_CAP_X2APIC_API', 'this kernel does not have it, and APIC ids go beyond 254')
    }
    const request = new DataView(new ArrayBuffer(kvm_enable_cap.size))
    request.setUint32(kvm_enable_cap.cap, KVM_CAP_X2APIC_API, true)
    const flags = KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK
    request.setBigUint64(kvm_enable_cap.args, BigInt(flags), true)
    ioctlStruct(this.fd, 'KVM_ENABLE_CAP', KVM_ENABLE_CAP, new Uint8Array(request.buffer))
  }

  /** Has the kernel raise an interrupt whenever somebody adds to an eventfd. @param gsi a pin of the I/O APIC */
  irqfd(gsi: number, fd: number): void {
    if (!this.#features.irqfd) throw new UnsupportedError('KVM_CAP_IRQFD', 'this kernel does not have it')
    const request = new DataView(new ArrayBuffer(kvm_irqfd.size))
    request.setUint32(kvm_irqfd.fd, fd, true)
    request.setUint32(kvm_irqfd.gsi, gsi, true)
    ioctlStruct(this.fd, 'KVM_IRQFD', KVM_IRQFD, new Uint8Array(request.buffer), {
      EINVAL: 'the VM has no interrupt controllers in the kernel: create it with irqchip: true',
    })
  }

  /**
   * Has the kernel keep writes to a range in a ring instead of leaving the guest for each; user space takes them out.
   * @throws {UnsupportedError}
   * @throws {SyscallError} ENOSPC: there are too many
   */
  coalesce(bus: Bus, start: number, bytes: number): void {
    const { coalescedRing, coalescedPorts } = this.#features
    if (coalescedRing === 0 || (bus === 'port' && !coalescedPorts)) {
      throw new UnsupportedError('coalesced writes', 'this kernel does not have them; for ports Linux 5.0 is needed')
    }
    const zone = new DataView(new ArrayBuffer(kvm_coalesced_mmio_zone.size))
    zone.setBigUint64(kvm_coalesced_mmio_zone.addr, BigInt(start), true)
    zone.setUint32(kvm_coalesced_mmio_zone.size_, bytes, true)
    zone.setUint32(kvm_coalesced_mmio_zone.pio, bus === 'port' ? 1 : 0, true)
    ioctlStruct(this.fd, 'KVM_REGISTER_COALESCED_MMIO', KVM_REGISTER_COALESCED_MMIO, new Uint8Array(zone.buffer))
  }

  /**
   * Has the kernel count writes to an address in an eventfd instead of leaving the guest for each.
   * @param bytes length of the write that counts: 1, 2, 4 or 8; 0: any
   * @param value only writes of this value count
   */
  ioeventfd(bus: Bus, address: number, bytes: number, fd: number, value?: bigint): void {
    if (!this.#features.ioeventfd) throw new UnsupportedError('KVM_CAP_IOEVENTFD', 'this kernel does not have it')
    const request = new DataView(new ArrayBuffer(kvm_ioeventfd.size))
    request.setBigUint64(kvm_ioeventfd.datamatch, value ?? 0n, true)
    request.setBigUint64(kvm_ioeventfd.addr, BigInt(address), true)
    request.setUint32(kvm_ioeventfd.len, bytes, true)
    request.setInt32(kvm_ioeventfd.fd, fd, true)
    const flags =
      (bus === 'port' ? KVM_IOEVENTFD_FLAG_PIO : 0) | (value === undefined ? 0 : KVM_IOEVENTFD_FLAG_DATAMATCH)
    request.setUint32(kvm_ioeventfd.flags, flags, true)
    ioctlStruct(this.fd, 'KVM_IOEVENTFD', KVM_IOEVENTFD, new Uint8Array(request.buffer), {
      EEXIST: 'the address has one already',
      EINVAL: 'a write is 1, 2, 4 or 8 bytes long, and a value needs a length',
    })
  }

  /** @param id its number, which is also its APIC id */
  createVcpu(id: number): KvmVcpu {
    const fd = ioctl(this.fd, 'KVM_CREATE_VCPU', KVM_CREATE_VCPU, id, {
      EINVAL: 'more vCPUs than KVM allows in one VM, or a number that is too high',
    })
    try {
      return new KvmVcpu(fd, Mapping.ofFile(fd, this.#features.runBytes))
    } catch (error) {
      closeFd(fd)
      throw error
    }
  }
}

function wordOf(value: number): Uint8Array {
  const word = new DataView(new ArrayBuffer(8))
  word.setBigUint64(0, BigInt(value), true)
  return new Uint8Array(word.buffer)
}
