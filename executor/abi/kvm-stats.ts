/**
 * The binary statistics of `linux/kvm.h`, since Linux 5.14. Compared with the installed header by
 * `test/executor/abi/abi.test.ts`.
 * Source: https://docs.kernel.org/virt/kvm/api.html, KVM_GET_STATS_FD
 */

/** An ioctl of a VM and of a vCPU. */
export const KVM_GET_STATS_FD = 0xaece

export const kvm_stats_header = { size: 24, name_size: 4, num_desc: 8, desc_offset: 16, data_offset: 20 } as const

/** Then the name, `name_size` bytes with at least one 0 at its end. */
export const kvm_stats_desc = { size: 16, flags: 0, exponent: 4, size_: 6, offset: 8, bucket_size: 12 } as const

// `flags` of a description
export const KVM_STATS_TYPE_MASK = 0xf
export const KVM_STATS_TYPE_CUMULATIVE = 0
export const KVM_STATS_TYPE_INSTANT = 1
export const KVM_STATS_TYPE_PEAK = 2
export const KVM_STATS_TYPE_LINEAR_HIST = 3
export const KVM_STATS_TYPE_LOG_HIST = 4
export const KVM_STATS_UNIT_MASK = 0xf0
export const KVM_STATS_UNIT_NONE = 0x00
export const KVM_STATS_UNIT_BYTES = 0x10
export const KVM_STATS_UNIT_SECONDS = 0x20
export const KVM_STATS_UNIT_CYCLES = 0x30
export const KVM_STATS_UNIT_BOOLEAN = 0x40
export const KVM_STATS_BASE_MASK = 0xf00
export const KVM_STATS_BASE_POW10 = 0x000
export const KVM_STATS_BASE_POW2 = 0x100
