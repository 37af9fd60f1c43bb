/**
 * The C library's functions as koffi calls them, with nothing added. Addresses are plain numbers: user space ends below
 * 2^53. A result is tested, and `errno()` read, on the very next line: whatever runs in between may overwrite it.
 *
 * `ioctl` and `syscall` are variadic in C; on Linux x86-64 and arm64 integers and pointers are passed alike either way.
 * Never use koffi's callbacks, nor its `.async` calls, which run on a thread of koffi's own.
 */

import { getSystemErrorName } from 'node:util'
import { markAsUntransferable } from 'node:worker_threads'
import koffi from 'koffi'
import { SyscallError, UnsupportedError } from '../../src/errors.js'
import { EINTR, type SyscallNumbers, syscallNumbers } from '../abi/linux.js'
import { isPoolThread } from './gate.js'

type Address = number

/**
 * koffi 3.3.4 maps a stack and a heap for its calls in each thread that loads a library, and has no way to unmap them:
 * nothing of it runs at the thread's end, and `reset()` is about asynchronous calls. For each thread that ever ran this
 * leaves 3080 KiB of address space behind by default, and 76 KiB with these sizes (stack, guard page, one page more,
 * heap), of which 4 KiB are resident; three mappings either way; and about 36 KiB of koffi's own tables.
 *
 * 64 KiB is the smallest stack that koffi takes. KVM_RUN and the signal that interrupts it touched one page of it
 * together; a signal's frame can be as large as 12 KiB (with the AMX registers). The heap holds strings; those that do
 * not fit koffi puts elsewhere. Threads that are not the pool's may use koffi for other calls, and keep its sizes.
 */
const POOL_THREAD_SIZES = { sync_stack_size: 64 * 1024, sync_heap_size: 4096 }
if (isPoolThread()) koffi.config(POOL_THREAD_SIZES)

// The symbols of the process itself: they hold the C library, whichever it is.
const lib = koffi.load(null)

export const open: (path: string, flags: number) => number = lib.func('int open(const char *path, int flags)')
export const close: (fd: number) => number = lib.func('int close(int fd)')

export const ioctl: (fd: number, request: number, argument: number) => number = lib.func('ioctl', 'int', [
  'int',
  'unsigned long',
  'uintptr_t',
])
export const ioctlPointer: (fd: number, request: number, argument: Uint8Array) => number = lib.func('ioctl', 'int', [
  'int',
  'unsigned long',
  'void *',
])

/** The address, or 2^64-1 as a BigInt. */
export const mmap: (
  address: Address,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => number | bigint = lib.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)')
export const munmap: (address: Address, length: number) => number = lib.func('int munmap(uintptr_t, size_t)')
export const flock: (fd: number, operation: number) => number = lib.func('int flock(int, int)')
export const ftruncate: (fd: number, length: number) => number = lib.func('int ftruncate(int, int64_t)')
export const eventfd: (initial: number, flags: number) => number = lib.func('int eventfd(unsigned int, int)')
/** Returns what the C function does: bytes, or -1. */
export const read: (fd: number, into: Uint8Array, bytes: number) => number = lib.func('long read(int, void *, size_t)')
export const socket: (domain: number, type: number, protocol: number) => number = lib.func('int socket(int, int, int)')
export const sendto: (
  fd: number,
  message: Uint8Array,
  bytes: number,
  flags: number,
  address: Uint8Array,
  addressBytes: number,
) => number = lib.func('long sendto(int, const void *, size_t, int, const void *, unsigned int)')
/** Returns what the C function does: bytes, or -1. */
export const write: (fd: number, from: Uint8Array, bytes: number) => number = lib.func(
  'long write(int, const void *, size_t)',
)
/** Bytes, or -1. The memory is given by its address. */
export const pread: (fd: number, into: Address, bytes: number, offset: number) => number = lib.func(
  'long pread64(int, uintptr_t, size_t, int64_t)',
)
export const pwrite: (fd: number, from: Address, bytes: number, offset: number) => number = lib.func(
  'long pwrite64(int, uintptr_t, size_t, int64_t)',
)
export const fdatasync: (fd: number) => number = lib.func('int fdatasync(int)')
/** Bytes, or -1. */
export const getrandom: (into: Address, bytes: number, flags: number) => number = lib.func(
  'long getrandom(uintptr_t, size_t, unsigned int)',
)
export const poll: (fds: Uint8Array, count: number, timeoutMs: number) => number = lib.func(
  'int poll(void *, unsigned long, int)',
)
export const getpagesize: () => number = lib.func('int getpagesize()')
export const madvise: (address: Address, length: number, advice: number) => number = lib.func(
  'int madvise(uintptr_t, size_t, int)',
)

export const sched_setaffinity: (tid: number, size: number, mask: Uint8Array) => number = lib.func(
  'int sched_setaffinity(int, size_t, const void *)',
)
export const sched_getaffinity: (tid: number, size: number, mask: Uint8Array) => number = lib.func(
  'int sched_getaffinity(int, size_t, void *)',
)

export const sched_setscheduler: (tid: number, policy: number, parameter: Uint8Array) => number = lib.func(
  'int sched_setscheduler(int, int, const void *)',
)
export const sched_getscheduler: (tid: number) => number = lib.func('int sched_getscheduler(int)')
export const setpriority: (which: number, who: number, nice: number) => number = lib.func(
  'int setpriority(int, unsigned int, int)',
)
/** -1 is also the nice value -1: errno tells, if it was 0 before. */
export const getpriority: (which: number, who: number) => number = lib.func('int getpriority(int, unsigned int)')
export const prctl: (option: number, a: number, b: number, c: number, d: number) => number = lib.func('prctl', 'int', [
  'int',
  'unsigned long',
  'unsigned long',
  'unsigned long',
  'unsigned long',
])

export const sigaction: (signal: number, action: Uint8Array, old: null) => number = lib.func(
  'int sigaction(int, const void *, void *)',
)
/** Does not return. */
export const _exit: (code: number) => void = lib.func('void _exit(int)')
/** The address, or 0. */
export const dlsym: (handle: number, name: string) => number = lib.func('uintptr_t dlsym(uintptr_t, const char *)')

/** glibc has no function for these, or only since 2.30. */
export const mbind: (
  number: number,
  address: Address,
  length: number,
  mode: number,
  nodes: Uint8Array,
  maxnode: number,
  flags: number,
) => number = lib.func('syscall', 'long', ['long', 'uintptr_t', 'size_t', 'long', 'void *', 'size_t', 'long'])
export const move_pages: (
  number: number,
  pid: number,
  count: number,
  pages: Uint8Array,
  nodes: Uint8Array | null,
  status: Uint8Array,
  flags: number,
) => number = lib.func('syscall', 'long', ['long', 'long', 'size_t', 'void *', 'void *', 'void *', 'long'])
export const memfd_create: (number: number, name: string, flags: number) => number = lib.func('syscall', 'long', [
  'long',
  'const char *',
  'unsigned long',
])
export const perf_event_open: (
  number: number,
  attributes: Uint8Array,
  pid: number,
  cpu: number,
  group: number,
  flags: number,
) => number = lib.func('syscall', 'long', ['long', 'void *', 'long', 'long', 'long', 'unsigned long'])
export const pidfd_open: (number: number, pid: number, flags: number) => number = lib.func('syscall', 'long', [
  'long',
  'long',
  'long',
])
export const pidfd_getfd: (number: number, pidfd: number, fd: number, flags: number) => number = lib.func(
  'syscall',
  'long',
  ['long', 'long', 'long', 'long'],
)
export const gettid: (number: number) => number = lib.func('syscall', 'long', ['long'])
export const tgkill: (number: number, pid: number, tid: number, signal: number) => number = lib.func(
  'syscall',
  'long',
  ['long', 'long', 'long', 'long'],
)

export const errno: (value?: number) => number = koffi.errno

/** For how long a call that signals interrupt is made again. Under a storm of them KVM_CREATE_VM took up to 7000 tries, 0.2 s. */
const INTERRUPTED_MS = 2000

/**
 * What a call returns, or its errno below 0, as the kernel itself has it. One that a signal has interrupted is made again,
 * until it is not, or for 2 s.
 */
export function attempt(call: () => number): number {
  for (let until = 0; ; ) {
    const rc = call()
    if (rc >= 0) return rc
    const error = koffi.errno()
    if (error !== EINTR) return -error
    const now = performance.now()
    if (until === 0) until = now + INTERRUPTED_MS
    else if (now > until) return -error
  }
}

/**
 * An ArrayBuffer over foreign memory; using it after the memory is unmapped kills the process. It cannot be transferred to
 * another thread: its owner would not know until when it is used there. Who tries gets a copy (Node 20), or an error.
 */
export function view(address: Address, length: number): ArrayBuffer {
  const buffer: ArrayBuffer = koffi.view(address, length)
  markAsUntransferable(buffer)
  return buffer
}

/** @throws {UnsupportedError} on an architecture whose numbers are not known here */
export function numberOf(name: keyof SyscallNumbers): number {
  const numbers = syscallNumbers[process.arch]
  if (numbers === undefined) throw new UnsupportedError(name, `homenode does not know its number on ${process.arch}`)
  return numbers[name]
}

/** What to do about an error, by its name (`EPERM`). */
export type Hints = Readonly<Record<string, string>>

/** The error for a call that was refused. `error` is its errno, as a positive number. */
export function refused(error: number, call: string, hints: Hints = {}): SyscallError {
  const code = getSystemErrorName(-error)
  return new SyscallError(call, error, code, hints[code] ?? '')
}
