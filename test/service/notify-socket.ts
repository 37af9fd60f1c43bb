/** A Unix datagram socket to read from, as the service manager has one. Node has no calls for these. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } from '../../executor/abi/linux.js'
import { closeFd, pollReadable } from '../../executor/ffi/files.js'
import * as libc from '../../executor/ffi/libc.js'

const bind = koffi.load(null).func('int bind(int, const void *, unsigned int)')

export interface NotifySocket extends Disposable {
  /** As NOTIFY_SOCKET has it. */
  readonly path: string
  /** What has come so far and was not received yet, a text a datagram. */
  received(): string[]
}

/** @param abstract its name; without it the socket is a file */
export function notifySocket(abstract?: string): NotifySocket {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-notify-'))
  const path = abstract === undefined ? join(folder, 'socket') : `@${abstract}`
  const name = Buffer.from(abstract === undefined ? `${path}\0` : `\0${abstract}`)
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), name])
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0 || bind(fd, address, address.length) < 0) throw new Error(`no socket at ${path}: errno ${libc.errno()}`)
  return {
    path,
    received: () => {
      const texts: string[] = []
      const buffer = new Uint8Array(4096)
      while (pollReadable([fd], 0)[0]) {
        texts.push(Buffer.from(buffer.subarray(0, libc.read(fd, buffer, buffer.length))).toString())
      }
      return texts
    },
    [Symbol.dispose]: () => {
      closeFd(fd)
      rmSync(folder, { recursive: true })
    },
  }
}
