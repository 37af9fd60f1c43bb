/**
 * KVM's user interface in numbers: `linux/kvm.h` and `asm/kvm.h` of x86-64. Names are the header's own; every constant
 * and every offset here is compared with the installed headers by `test/executor/abi.test.ts`.
 * Source: https://docs.kernel.org/virt/kvm/api.html
 */

/** The only version there has been since Linux 2.6.22; a process must refuse any other. */
export const KVM_API_VERSION = 12

// ioctls of /dev/kvm
export const KVM_GET_API_VERSION = 0xae00
export const KVM_CREATE_VM = 0xae01
export const KVM_CHECK_EXTENSION = 0xae03
export const KVM_GET_VCPU_MMAP_SIZE = 0xae04
export const KVM_GET_SUPPORTED_CPUID = 0xc008ae05

// ioctls of a VM
export const KVM_CREATE_VCPU = 0xae41
export const KVM_SET_USER_MEMORY_REGION = 0x4020ae46

// ioctls of a vCPU
export const KVM_RUN = 0xae80
export const KVM_SET_REGS = 0x4090ae82
export const KVM_GET_SREGS = 0x8138ae83
export const KVM_SET_SREGS = 0x4138ae84
export const KVM_SET_CPUID2 = 0x4008ae90

// KVM_CHECK_EXTENSION
export const KVM_CAP_USER_MEMORY = 3
export const KVM_CAP_MAX_VCPUS = 66
export const KVM_CAP_IMMEDIATE_EXIT = 136

export const KVM_EXIT_UNKNOWN = 0
export const KVM_EXIT_EXCEPTION = 1
export const KVM_EXIT_IO = 2
export const KVM_EXIT_HYPERCALL = 3
export const KVM_EXIT_DEBUG = 4
export const KVM_EXIT_HLT = 5
export const KVM_EXIT_MMIO = 6
export const KVM_EXIT_IRQ_WINDOW_OPEN = 7
export const KVM_EXIT_SHUTDOWN = 8
export const KVM_EXIT_FAIL_ENTRY = 9
export const KVM_EXIT_INTR = 10
export const KVM_EXIT_INTERNAL_ERROR = 17
export const KVM_EXIT_SYSTEM_EVENT = 24

export const KVM_EXIT_IO_OUT = 1

export const KVM_INTERNAL_ERROR_EMULATION = 1

/** `struct kvm_run`, the start of the page that a vCPU shares with user space. */
export const kvm_run = {
  size: 2352,
  immediate_exit: 1,
  exit_reason: 8,
  'hw.hardware_exit_reason': 32,
  'fail_entry.hardware_entry_failure_reason': 32,
  'internal.suberror': 32,
  'io.direction': 32,
  'io.size': 33,
  'io.port': 34,
  'io.count': 36,
  'io.data_offset': 40,
  'mmio.phys_addr': 32,
  'mmio.is_write': 52,
} as const

/** `struct kvm_regs`: 64-bit words. */
export const kvm_regs = {
  size: 144,
  rbx: 8,
  rcx: 16,
  rdx: 24,
  rdi: 40,
  r8: 64,
  r9: 72,
  r10: 80,
  r11: 88,
  rip: 128,
  rflags: 136,
} as const

/** `struct kvm_segment` */
export const kvm_segment = {
  size: 24,
  base: 0,
  limit: 8,
  selector: 12,
  type: 14,
  present: 15,
  dpl: 16,
  db: 17,
  s: 18,
  l: 19,
  g: 20,
} as const

/** `struct kvm_sregs`: six segments, then descriptor tables and control registers. */
export const kvm_sregs = {
  size: 312,
  cs: 0,
  ds: 24,
  es: 48,
  fs: 72,
  gs: 96,
  ss: 120,
  cr0: 224,
  cr3: 240,
  cr4: 248,
  efer: 264,
} as const

/** `struct kvm_userspace_memory_region` */
export const kvm_userspace_memory_region = {
  size: 32,
  slot: 0,
  flags: 4,
  guest_phys_addr: 8,
  memory_size: 16,
  userspace_addr: 24,
} as const

/** `struct kvm_cpuid2`: a count, padding, then `nent` entries. */
export const kvm_cpuid2 = { size: 8, nent: 0 } as const
export const kvm_cpuid_entry2 = { size: 40 } as const

const EXIT_NAMES: Readonly<Record<number, string>> = {
  [KVM_EXIT_UNKNOWN]: 'unknown',
  [KVM_EXIT_EXCEPTION]: 'exception',
  [KVM_EXIT_IO]: 'io',
  [KVM_EXIT_HYPERCALL]: 'hypercall',
  [KVM_EXIT_DEBUG]: 'debug',
  [KVM_EXIT_HLT]: 'hlt',
  [KVM_EXIT_MMIO]: 'mmio',
  [KVM_EXIT_IRQ_WINDOW_OPEN]: 'irq_window_open',
  [KVM_EXIT_SHUTDOWN]: 'shutdown',
  [KVM_EXIT_FAIL_ENTRY]: 'fail_entry',
  [KVM_EXIT_INTR]: 'intr',
  [KVM_EXIT_INTERNAL_ERROR]: 'internal_error',
  [KVM_EXIT_SYSTEM_EVENT]: 'system_event',
}

/** The name of an exit reason without its prefix and in lower case; `exit_N` for one that is not known here. */
export function exitName(reason: number): string {
  return EXIT_NAMES[reason] ?? `exit_${reason}`
}
