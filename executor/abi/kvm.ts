/**
 * KVM's user interface in numbers: `linux/kvm.h` and `asm/kvm.h` of x86-64. Names are the header's own; every constant
 * and every offset here is compared with the installed headers by `test/executor/abi/abi.test.ts`.
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
export const KVM_SET_TSS_ADDR = 0xae47
export const KVM_SET_IDENTITY_MAP_ADDR = 0x4008ae48
export const KVM_CREATE_IRQCHIP = 0xae60
export const KVM_IRQFD = 0x4020ae76
export const KVM_REGISTER_COALESCED_MMIO = 0x4010ae67
export const KVM_IOEVENTFD = 0x4040ae79
export const KVM_ENABLE_CAP = 0x4068aea3

// ioctls of a vCPU
export const KVM_RUN = 0xae80
export const KVM_GET_REGS = 0x8090ae81
export const KVM_SET_REGS = 0x4090ae82
export const KVM_GET_SREGS = 0x8138ae83
export const KVM_SET_SREGS = 0x4138ae84
export const KVM_SET_MSRS = 0x4008ae89
export const KVM_SET_CPUID2 = 0x4008ae90

// KVM_CHECK_EXTENSION
export const KVM_CAP_IRQCHIP = 0
export const KVM_CAP_USER_MEMORY = 3
/** Its value is the page of the vCPU's mapping that the ring is in. */
export const KVM_CAP_COALESCED_MMIO = 15
export const KVM_CAP_IRQFD = 32
export const KVM_CAP_IOEVENTFD = 36
export const KVM_CAP_MAX_VCPUS = 66
export const KVM_CAP_TSC_DEADLINE_TIMER = 72
export const KVM_CAP_MAX_VCPU_ID = 128
export const KVM_CAP_X2APIC_API = 129
export const KVM_CAP_IMMEDIATE_EXIT = 136
export const KVM_CAP_COALESCED_PIO = 162

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
  'mmio.data': 40,
  'mmio.len': 48,
  'mmio.is_write': 52,
} as const

/** `struct kvm_regs`: 64-bit words. */
export const kvm_regs = {
  size: 144,
  rax: 0,
  rbx: 8,
  rcx: 16,
  rdx: 24,
  rsi: 32,
  rdi: 40,
  rsp: 48,
  rbp: 56,
  r8: 64,
  r9: 72,
  r10: 80,
  r11: 88,
  r12: 96,
  r13: 104,
  r14: 112,
  r15: 120,
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
  avl: 21,
  unusable: 22,
} as const

/** `struct kvm_dtable` */
export const kvm_dtable = { size: 16, base: 0, limit: 8 } as const

/** `struct kvm_sregs`: six segments, then descriptor tables and control registers. */
export const kvm_sregs = {
  size: 312,
  cs: 0,
  ds: 24,
  es: 48,
  fs: 72,
  gs: 96,
  ss: 120,
  tr: 144,
  ldt: 168,
  gdt: 192,
  idt: 208,
  cr0: 224,
  cr2: 232,
  cr3: 240,
  cr4: 248,
  cr8: 256,
  efer: 264,
  apic_base: 272,
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
export const kvm_cpuid_entry2 = {
  size: 40,
  function: 0,
  index: 4,
  flags: 8,
  eax: 12,
  ebx: 16,
  ecx: 20,
  edx: 24,
} as const
/** In `flags`: `index` counts, as the leaf has several. */
export const KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1

/** `struct kvm_coalesced_mmio_zone` */
export const kvm_coalesced_mmio_zone = { size: 16, addr: 0, size_: 8, pio: 12 } as const
/** `struct kvm_coalesced_mmio`: one write that the kernel has kept. */
export const kvm_coalesced_mmio = { size: 24, phys_addr: 0, len: 8, pio: 12, data: 16 } as const
/** `struct kvm_coalesced_mmio_ring`: user space moves `first`, the kernel `last`. */
export const kvm_coalesced_mmio_ring = { size: 8, first: 0, last: 4, coalesced_mmio: 8 } as const

/** `struct kvm_ioeventfd` */
export const kvm_ioeventfd = { size: 64, datamatch: 0, addr: 8, len: 16, fd: 20, flags: 24 } as const
export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1
export const KVM_IOEVENTFD_FLAG_PIO = 2

/** `struct kvm_irqfd` */
export const kvm_irqfd = { size: 32, fd: 0, gsi: 4 } as const

/** `struct kvm_enable_cap` */
export const kvm_enable_cap = { size: 104, cap: 0, args: 8 } as const
/** For KVM_CAP_X2APIC_API: interrupts go to APIC ids of 32 bits, and 255 is one like others. */
export const KVM_X2APIC_API_USE_32BIT_IDS = 1
export const KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK = 2

/** `struct kvm_msrs`: a count, padding, then entries. */
export const kvm_msrs = { size: 8, nmsrs: 0 } as const
export const kvm_msr_entry = { size: 16, index: 0, data: 8 } as const

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
