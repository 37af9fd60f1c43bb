/**
 * Linux outside of KVM, in numbers: memory maps, memory policies, signals, system calls. The values hold on x86-64 and
 * arm64 alike, except for the system call numbers, which are given for each. Compared with the installed headers by
 * `test/executor/abi.test.ts`.
 */

// open(2)
export const O_RDWR = 2
export const O_CLOEXEC = 0o2000000

// mmap(2)
export const PROT_READ = 1
export const PROT_WRITE = 2
export const MAP_SHARED = 1
export const MAP_PRIVATE = 2
export const MAP_ANONYMOUS = 0x20
export const MAP_NORESERVE = 0x4000
export const MAP_HUGETLB = 0x40000
/** The page size of MAP_HUGETLB: its base-2 logarithm, in these bits. */
export const MAP_HUGE_SHIFT = 26

// madvise(2)
export const MADV_DONTNEED = 4
/** Since Linux 5.14. */
export const MADV_POPULATE_WRITE = 23

// mbind(2): linux/mempolicy.h
export const MPOL_DEFAULT = 0
export const MPOL_PREFERRED = 1
export const MPOL_BIND = 2
export const MPOL_INTERLEAVE = 3
export const MPOL_MF_STRICT = 1
export const MPOL_MF_MOVE = 2

/** `struct sigaction` of glibc and musl, 64 bits: handler, a mask of 128 bytes, flags, restorer. */
export const sigaction = { size: 152, sa_handler: 0, sa_mask: 8, sa_flags: 136 } as const

/** First real-time signal that the C libraries leave to programs is 34 (glibc) or 35 (musl). */
export const SIGRTMIN = 34

// errno values that are dealt with rather than reported
export const ENOENT = 2
export const ESRCH = 3
export const EINTR = 4
export const E2BIG = 7
export const EAGAIN = 11
export const EINVAL = 22
export const ENOTTY = 25

export interface SyscallNumbers {
  readonly mbind: number
  readonly move_pages: number
  readonly gettid: number
  readonly tgkill: number
}

/** By Node's `process.arch`. arm64 has the numbers of `asm-generic/unistd.h`. */
export const syscallNumbers: Readonly<Record<string, SyscallNumbers>> = {
  x64: { mbind: 237, move_pages: 279, gettid: 186, tgkill: 234 },
  arm64: { mbind: 235, move_pages: 239, gettid: 178, tgkill: 131 },
}
