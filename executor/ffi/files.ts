/** Files and devices: open, close, ioctl; memory files and event counters. */

import {
  EAGAIN,
  EBADF,
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EINTR,
  LOCK_EX,
  LOCK_NB,
  MAP_HUGE_SHIFT,
  MFD_CLOEXEC,
  MFD_HUGETLB,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  POLLIN,
} from '../abi/linux.js'
import * as libc from './libc.js'
import { type Hints, refused } from './libc.js'

/**
 * Opens a device for reading and writing; the descriptor is closed on exec.
 * @throws {SyscallError}
 */
export function openDevice(path: string, hints?: Hints): number {
  const fd = libc.attempt(() => libc.open(path, O_RDWR | O_CLOEXEC))
  if (fd < 0) throw refused(-fd, `open(${path})`, hints)
  return fd
}

/**
 * Whatever error Linux returns, it has given the descriptor back. There is nothing left to do, and a second call would close
 * somebody else's. Source: close(2), "Dealing with error returns"
 * @throws {SyscallError} EBADF for a descriptor that is not open
 */
export function closeFd(fd: number): void {
  const rc = libc.close(fd)
  if (rc === 0) return
  const error = libc.errno()
  if (error === EBADF) throw refused(error, `close(${fd})`)
}

/**
 * Opens a file; the descriptor is closed on exec. Nobody waits for the other end of what turns out to be a pipe.
 * @throws {SyscallError}
 */
export function openFile(path: string, access: 'read' | 'read and write', hints?: Hints): number {
  const mode = access === 'read' ? O_RDONLY : O_RDWR
  const fd = libc.attempt(() => libc.open(path, mode | O_CLOEXEC | O_NONBLOCK))
  if (fd < 0) throw refused(-fd, `open(${path})`, hints)
  return fd
}

/**
 * Fills memory from a file, or writes memory to it, from an offset on.
 * @param address of memory that the caller keeps mapped
 * @returns bytes that were moved: fewer where the file ends
 * @throws {SyscallError} EIO, ENOSPC, ...
 */
export function transfer(
  direction: 'read' | 'write',
  fd: number,
  address: number,
  bytes: number,
  offset: number,
): number {
  const call = direction === 'read' ? libc.pread : libc.pwrite
  let done = 0
  while (done < bytes) {
    const rc = libc.attempt(() => call(fd, address + done, bytes - done, offset + done))
    if (rc < 0) throw refused(-rc, `p${direction}(${fd})`)
    if (rc === 0) break
    done += rc
  }
  return done
}

/**
 * Has what was written to a file reach its disk.
 * @throws {SyscallError}
 */
export function syncFile(fd: number): void {
  const rc = libc.attempt(() => libc.fdatasync(fd))
  if (rc < 0) throw refused(-rc, `fdatasync(${fd})`)
}

/**
 * Fills memory with random bytes.
 * @param address of memory that the caller keeps mapped
 * @throws {SyscallError}
 */
export function fillRandom(address: number, bytes: number): void {
  for (let done = 0; done < bytes; ) {
    const rc = libc.attempt(() => libc.getrandom(address + done, bytes - done, 0))
    if (rc < 0) throw refused(-rc, 'getrandom')
    done += rc
  }
}

/** A descriptor that is closed once. */
export class OwnedFd implements Disposable {
  /** The descriptor's number. */
  readonly fd: number
  #open = true

  constructor(fd: number) {
    this.fd = fd
  }

  /** Gives it back; again: nothing. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    closeFd(this.fd)
  }

  /** `close()`. */
  [Symbol.dispose](): void {
    this.close()
  }
}

/**
 * An ioctl with an integer argument.
 * @param name the request's C name, for the error
 * @throws {SyscallError}
 */
export function ioctl(fd: number, name: string, request: number, argument = 0, hints?: Hints): number {
  const rc = libc.attempt(() => libc.ioctl(fd, request, argument))
  if (rc < 0) throw refused(-rc, `ioctl(${name})`, hints)
  return rc
}

/**
 * An ioctl whose argument is a structure, read or filled in by the kernel.
 * @throws {SyscallError}
 */
export function ioctlStruct(fd: number, name: string, request: number, struct: Uint8Array, hints?: Hints): number {
  const rc = libc.attempt(() => libc.ioctlPointer(fd, request, struct))
  if (rc < 0) throw refused(-rc, `ioctl(${name})`, hints)
  return rc
}

/**
 * A file in memory, without a name in any directory; other processes reach it through /proc/PID/fd.
 * @param hugePageSize bytes of its pages; without it the base page
 * @throws {SyscallError}
 */
export function createMemoryFile(name: string, bytes: number, hugePageSize?: number): number {
  const huge = hugePageSize === undefined ? 0 : MFD_HUGETLB | (Math.log2(hugePageSize) << MAP_HUGE_SHIFT)
  const fd = libc.attempt(() => libc.memfd_create(libc.numberOf('memfd_create'), name, MFD_CLOEXEC | huge))
  if (fd < 0) {
    const noPages = `the kernel has no pages of ${hugePageSize} bytes: see /sys/kernel/mm/hugepages`
    throw refused(-fd, 'memfd_create', { EINVAL: noPages, ENODEV: noPages })
  }
  const rc = libc.attempt(() => libc.ftruncate(fd, bytes))
  if (rc < 0) {
    closeFd(fd)
    throw refused(-rc, `ftruncate(${bytes})`)
  }
  return fd
}

/**
 * Locks an open file for this process alone, until the descriptor is closed, or the process has ended in whatever way.
 * @returns whether it did; `false`: another has it
 * @throws {SyscallError} ENOLCK, ...
 */
export function lockFile(fd: number): boolean {
  const rc = libc.attempt(() => libc.flock(fd, LOCK_EX | LOCK_NB))
  if (rc < 0 && rc !== -EAGAIN) throw refused(-rc, 'flock')
  return rc === 0
}

/**
 * A counter that the kernel adds to and a reader takes all of.
 * @throws {SyscallError} EMFILE where the process has too many descriptors
 */
export function createEventFd(): number {
  const fd = libc.attempt(() => libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
  if (fd < 0) throw refused(-fd, 'eventfd', { EMFILE: 'the process has no descriptor left: see ulimit -n' })
  return fd
}

/**
 * What an event counter has counted since it was last read; 0 where nothing has happened.
 * @throws {SyscallError}
 */
export function takeEvents(fd: number): number {
  const count = new Uint8Array(8)
  const rc = libc.attempt(() => libc.read(fd, count, count.length))
  if (rc === -EAGAIN) return 0
  if (rc < 0) throw refused(-rc, `read(${fd})`)
  return Number(new DataView(count.buffer).getBigUint64(0, true))
}

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer)

/**
 * Adds one to an event counter. Nothing is allocated.
 * @throws {SyscallError}
 */
export function signalEvent(fd: number): void {
  const rc = libc.attempt(() => libc.write(fd, ONE, ONE.length))
  // A counter that is full has been signalled.
  if (rc < 0 && rc !== -EAGAIN) throw refused(-rc, `write(${fd})`)
}

/**
 * Waits until one of the descriptors can be read, or for so long.
 * @returns for each, whether it can be read
 * @throws {SyscallError}
 */
export function pollReadable(fds: readonly number[], timeoutMs: number): boolean[] {
  // struct pollfd: fd, events, revents
  const set = new DataView(new ArrayBuffer(8 * fds.length))
  fds.forEach((fd, i) => {
    set.setInt32(8 * i, fd, true)
    set.setInt16(8 * i + 4, POLLIN, true)
  })
  const rc = libc.poll(new Uint8Array(set.buffer), fds.length, timeoutMs)
  if (rc < 0) {
    const error = libc.errno()
    if (error !== EINTR) throw refused(error, 'poll')
  }
  return fds.map((_, i) => (set.getInt16(8 * i + 6, true) & POLLIN) !== 0)
}
