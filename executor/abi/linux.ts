/**
 * Linux outside of KVM, in numbers: memory maps, memory policies, signals, system calls. The values hold on x86-64 and
 * arm64 alike, except for the system call numbers, which are given for each. Compared with the installed headers by
 * `test/executor/abi/abi.test.ts`.
 */

// open(2)
export const O_RDONLY = 0
export const O_RDWR = 2
export const O_CLOEXEC = 0o2000000
export const O_NONBLOCK = 0o4000

// mmap(2)
export const PROT_READ = 1
export const PROT_WRITE = 2
export const MAP_SHARED = 1
export const MAP_PRIVATE = 2
export const MAP_ANONYMOUS = 0x20
export const MAP_NORESERVE = 0x4000
export const MAP_HUGETLB = 0x40000
/** Since Linux 4.17; older kernels take it for a hint. */
export const MAP_FIXED_NOREPLACE = 0x100000
/** The page size of MAP_HUGETLB: its base-2 logarithm, in these bits. */
export const MAP_HUGE_SHIFT = 26

// memfd_create(2); the page size of MFD_HUGETLB is in the bits of MAP_HUGE_SHIFT, too
export const MFD_CLOEXEC = 1
export const MFD_HUGETLB = 4

// eventfd(2)
export const EFD_CLOEXEC = 0o2000000
export const EFD_NONBLOCK = 0o4000

// poll(2)
export const POLLIN = 1

// socket(2), sendto(2)
export const AF_UNIX = 1
export const SOCK_DGRAM = 2
export const SOCK_CLOEXEC = 0o2000000
export const MSG_DONTWAIT = 0x40
export const MSG_NOSIGNAL = 0x4000

// madvise(2)
export const MADV_DONTNEED = 4
export const MADV_HUGEPAGE = 14
export const MADV_NOHUGEPAGE = 15
/** Since Linux 5.14. */
export const MADV_POPULATE_WRITE = 23

// mbind(2): linux/mempolicy.h
export const MPOL_DEFAULT = 0
export const MPOL_PREFERRED = 1
export const MPOL_BIND = 2
export const MPOL_INTERLEAVE = 3
/** Since Linux 5.15. */
export const MPOL_PREFERRED_MANY = 5
export const MPOL_MF_MOVE = 2
/** Pages that other processes map, too. */
export const MPOL_MF_MOVE_ALL = 4

// flock(2)
export const LOCK_EX = 2
export const LOCK_NB = 4

// sched_setscheduler(2)
export const SCHED_OTHER = 0
export const SCHED_FIFO = 1

// setpriority(2)
export const PRIO_PROCESS = 0

// prctl(2)
export const PR_SCHED_CORE = 62
export const PR_SCHED_CORE_CREATE = 1
export const PR_SCHED_CORE_SHARE_FROM = 3

/** `struct sigaction` of glibc and musl, 64 bits: handler, a mask of 128 bytes, flags, restorer. */
export const sigaction = { size: 152, sa_handler: 0, sa_mask: 8, sa_flags: 136 } as const

/** `struct sockaddr_un`: the path has 108 bytes. Source: unix(7) */
export const sockaddr_un = { size: 110, sun_family: 0, sun_path: 2 } as const

/** First real-time signal that the C libraries leave to programs is 34 (glibc) or 35 (musl). */
export const SIGRTMIN = 34

// errno values that are dealt with rather than reported
export const EPERM = 1
export const ENOENT = 2
export const ESRCH = 3
export const EINTR = 4
export const E2BIG = 7
export const EBADF = 9
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EBUSY = 16
export const EEXIST = 17
export const ENODEV = 19
export const EINVAL = 22
export const ENOTTY = 25

export interface SyscallNumbers {
  readonly mbind: number
  readonly move_pages: number
  readonly gettid: number
  readonly tgkill: number
  readonly memfd_create: number
  readonly perf_event_open: number
  readonly pidfd_open: number
  readonly pidfd_getfd: number
}

/** By Node's `process.arch`. arm64 has the numbers of `asm-generic/unistd.h`. */
export const syscallNumbers: Readonly<Record<string, SyscallNumbers>> = {
  x64: {
    mbind: 237,
    move_pages: 279,
    gettid: 186,
    tgkill: 234,
    memfd_create: 319,
    perf_event_open: 298,
    pidfd_open: 434,
    pidfd_getfd: 438,
  },
  arm64: {
    mbind: 235,
    move_pages: 239,
    gettid: 178,
    tgkill: 131,
    memfd_create: 279,
    perf_event_open: 241,
    pidfd_open: 434,
    pidfd_getfd: 438,
  },
}
