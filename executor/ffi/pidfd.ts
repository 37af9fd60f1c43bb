/** Descriptors of other processes. */

import { OwnedFd } from './files.js'
import * as libc from './libc.js'
import { type Hints, refused } from './libc.js'

const HINTS: Hints = {
  ENOSYS: 'Linux 5.6 or later is needed',
  EPERM: "another user's process takes CAP_SYS_PTRACE",
  ESRCH: 'the process has ended',
}

/** A process, for as long as this is open the same one. It does not keep the process from ending. */
export class Pidfd extends OwnedFd {
  /** @throws {SyscallError} ESRCH where there is no such process */
  static open(pid: number): Pidfd {
    const number = libc.numberOf('pidfd_open')
    const fd = libc.attempt(() => libc.pidfd_open(number, pid, 0))
    if (fd < 0) throw refused(-fd, `pidfd_open(${pid})`, HINTS)
    return new Pidfd(fd)
  }

  /**
   * A descriptor for what the process has open under this number: both share its position and its state.
   * @returns a descriptor, which the caller closes; it is closed on exec
   * @throws {SyscallError} EBADF where the process has no such descriptor, EPERM without the right to trace it
   */
  descriptor(fd: number): number {
    const number = libc.numberOf('pidfd_getfd')
    const rc = libc.attempt(() => libc.pidfd_getfd(number, this.fd, fd, 0))
    if (rc < 0) throw refused(-rc, `pidfd_getfd(${fd})`, HINTS)
    return rc
  }
}
