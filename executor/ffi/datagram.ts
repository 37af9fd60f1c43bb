/** Datagrams to Unix sockets, which Node has no calls for. */

import { InputError, show } from '../../src/errors.js'
import { AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM, sockaddr_un } from '../abi/linux.js'
import { OwnedFd } from './files.js'
import * as libc from './libc.js'
import { type Hints, refused } from './libc.js'

const HINTS: Hints = {
  EAGAIN: 'whoever reads there does not keep up',
  ECONNREFUSED: 'nobody reads there',
  ENOENT: 'there is no such socket',
}

/**
 * Sends one datagram, without waiting for room.
 * @param path of the socket; with `@` in front the name of an abstract one
 * @throws {InputError} for a path that no socket can have
 * @throws {SyscallError} EAGAIN where the receiver's queue is full, ECONNREFUSED where nobody reads there, ENOENT, EACCES
 */
export function sendDatagram(path: string, message: Uint8Array): void {
  const address = addressOf(path)
  const fd = libc.attempt(() => libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
  if (fd < 0) throw refused(-fd, 'socket(AF_UNIX)')
  using socket = new OwnedFd(fd)
  const flags = MSG_DONTWAIT | MSG_NOSIGNAL
  const rc = libc.attempt(() => libc.sendto(socket.fd, message, message.length, flags, address, address.length))
  if (rc < 0) throw refused(-rc, `sendto(${path})`, HINTS)
}

/** An abstract name has no NUL at its end: each byte counts. */
function addressOf(path: string): Uint8Array {
  const isAbstract = path.startsWith('@')
  const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`)
  const room = sockaddr_un.size - sockaddr_un.sun_path
  if (name.length > room || !/^[/@]./.test(path) || path.includes('\0')) {
    throw new InputError('path', `"/..." or "@..." of less than ${room} bytes, the path of a socket`, show(path))
  }
  const address = new Uint8Array(sockaddr_un.sun_path + name.length)
  new DataView(address.buffer).setUint16(sockaddr_un.sun_family, AF_UNIX, true)
  address.set(name, sockaddr_un.sun_path)
  return address
}
