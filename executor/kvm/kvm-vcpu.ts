/** A vCPU's descriptor: its registers, the page that it shares with user space, and entering the guest. */

import { UnsupportedError } from '../../src/errors.js'
import {
  KVM_GET_REGS,
  KVM_GET_SREGS,
  KVM_RUN,
  KVM_SET_CPUID2,
  KVM_SET_MSRS,
  KVM_SET_REGS,
  KVM_SET_SREGS,
  kvm_msr_entry,
  kvm_msrs,
  kvm_regs,
  kvm_run,
  kvm_sregs,
} from '../abi/kvm.js'
import { ioctlStruct, OwnedFd } from '../ffi/files.js'
import * as libc from '../ffi/libc.js'
import type { Mapping } from '../ffi/mapping.js'

/**
 * Names of the general registers, `rip` and `rflags`.
 * @useDeclaredType
 */
export type RegisterName = Exclude<keyof typeof kvm_regs, 'size'>
/** General registers by name. */
export type Registers = Readonly<Record<RegisterName, bigint>>

export const REGISTER_NAMES = Object.keys(kvm_regs).filter((name) => name !== 'size') as RegisterName[]

/** Where `struct kvm_run` is in the process. */
export interface RunPage {
  readonly address: number
  readonly bytes: number
}

/** Its registers are set before it runs; KVM_RUN is called by the thread that has its descriptor's number. */
export class KvmVcpu extends OwnedFd {
  readonly #run: Mapping
  #page: Uint8Array | null

  constructor(fd: number, run: Mapping) {
    super(fd)
    this.#run = run
    // SAFETY: dropped in close(), before the mapping goes.
    this.#page = new Uint8Array(run.view())
  }

  /** For the thread that runs it. */
  get runPage(): RunPage {
    return { address: this.#run.address, bytes: this.#run.bytes }
  }

  /**
   * The page itself, for as long as the vCPU is open.
   * @throws {TypeError} after `close()`
   */
  get page(): Uint8Array {
    if (this.#page === null) throw new TypeError('the vCPU is closed')
    return this.#page
  }

  /** What the guest finds out about its CPU: a `struct kvm_cpuid2`. */
  setCpuid(cpuid: Uint8Array): void {
    ioctlStruct(this.fd, 'KVM_SET_CPUID2', KVM_SET_CPUID2, cpuid)
  }

  /**
   * Sets model-specific registers, by their numbers.
   * @throws {UnsupportedError} for one that this KVM does not let be set
   */
  setMsrs(values: readonly (readonly [index: number, value: bigint])[]): void {
    const msrs = new DataView(new ArrayBuffer(kvm_msrs.size + values.length * kvm_msr_entry.size))
    msrs.setUint32(kvm_msrs.nmsrs, values.length, true)
    for (const [i, [index, value]] of values.entries()) {
      const at = kvm_msrs.size + i * kvm_msr_entry.size
      msrs.setUint32(at + kvm_msr_entry.index, index, true)
      msrs.setBigUint64(at + kvm_msr_entry.data, value, true)
    }
    const done = ioctlStruct(this.fd, 'KVM_SET_MSRS', KVM_SET_MSRS, new Uint8Array(msrs.buffer))
    if (done === values.length) return
    throw new UnsupportedError('KVM_SET_MSRS', `KVM does not let MSR 0x${values[done]![0].toString(16)} be set`)
  }

  getRegs(): Registers {
    const regs = new DataView(new ArrayBuffer(kvm_regs.size))
    ioctlStruct(this.fd, 'KVM_GET_REGS', KVM_GET_REGS, new Uint8Array(regs.buffer))
    return Object.fromEntries(
      REGISTER_NAMES.map((name) => [name, regs.getBigUint64(kvm_regs[name], true)]),
    ) as Registers
  }

  /** Sets the general registers; those that are not named are 0. */
  setRegs(values: Partial<Registers>): void {
    const regs = new DataView(new ArrayBuffer(kvm_regs.size))
    for (const [name, value] of Object.entries(values)) {
      regs.setBigUint64(kvm_regs[name as RegisterName], value, true)
    }
    ioctlStruct(this.fd, 'KVM_SET_REGS', KVM_SET_REGS, new Uint8Array(regs.buffer))
  }

  /** The kernel's `struct kvm_sregs`, to be changed and given to `setSregs`. */
  getSregs(): DataView<ArrayBuffer> {
    const sregs = new DataView(new ArrayBuffer(kvm_sregs.size))
    ioctlStruct(this.fd, 'KVM_GET_SREGS', KVM_GET_SREGS, new Uint8Array(sregs.buffer))
    return sregs
  }

  setSregs(sregs: DataView<ArrayBuffer>): void {
    ioctlStruct(this.fd, 'KVM_SET_SREGS', KVM_SET_SREGS, new Uint8Array(sregs.buffer), {
      EINVAL: 'the control registers contradict each other',
    })
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
export function viewRunPage(page: RunPage): ArrayBuffer {
  // SAFETY: the owner closes the vCPU only after the thread that runs it has ended its loop and dropped the view.
  return libc.view(page.address, page.bytes)
}
