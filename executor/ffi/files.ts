/** Files and devices: open, close, ioctl. */

import { O_CLOEXEC, O_RDWR } from '../abi/linux.js'
import * as libc from './libc.js'
import { type Hints, refused } from './libc.js'

/**
 * Opens a device for reading and writing; the descriptor is closed on exec.
 * @throws {SyscallError}
 */
export function openDevice(path: string, hints?: Hints): number {
  const fd = libc.open(path, O_RDWR | O_CLOEXEC)
  if (fd < 0) throw refused(libc.errno(), `open(${path})`, hints)
  return fd
}

/** @throws {SyscallError} EBADF for a descriptor that is not open */
export function closeFd(fd: number): void {
  const rc = libc.close(fd)
  if (rc < 0) throw refused(libc.errno(), `close(${fd})`)
}

/**
 * An ioctl with an integer argument.
 * @param name the request's C name, for the error
 * @throws {SyscallError}
 */
export function ioctl(fd: number, name: string, request: number, argument = 0, hints?: Hints): number {
  const rc = libc.ioctl(fd, request, argument)
  if (rc < 0) throw refused(libc.errno(), `ioctl(${name})`, hints)
  return rc
}

/**
 * An ioctl whose argument is a structure, read or filled in by the kernel.
 * @throws {SyscallError}
 */
export function ioctlStruct(fd: number, name: string, request: number, struct: Uint8Array, hints?: Hints): number {
  const rc = libc.ioctlPointer(fd, request, struct)
  if (rc < 0) throw refused(libc.errno(), `ioctl(${name})`, hints)
  return rc
}
