/** Pages that are pinned, as a device's are: buffers that are registered with io_uring. Source: io_uring_register(2) */

import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs'
import koffi from 'koffi'
import { MiB } from './inside.js'

const [IO_URING_SETUP, IO_URING_REGISTER, REGISTER_BUFFERS] = [425, 427, 0]
const [PROT_READ_WRITE, MAP_SHARED] = [3, 1]

/** Pins every other MiB of the first bytes of a guest's memory file, until `end()`. */
export function pinPages(pid: number, bytes: number): { end(): void } {
  const libc = koffi.load(null)
  const mmap = libc.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)')
  const setup = libc.func('syscall', 'long', ['long', 'unsigned int', 'void *'])
  const register = libc.func('syscall', 'long', ['long', 'int', 'unsigned int', 'void *', 'unsigned int'])
  const folder = `/proc/${pid}/fd`
  const memory = readdirSync(folder).find((fd) => /memfd:memory-backend/.test(linkOf(`${folder}/${fd}`)))
  const file = openSync(`${folder}/${memory}`, 'r+')
  const address = Number(mmap(0, bytes, PROT_READ_WRITE, MAP_SHARED, file, 0))
  closeSync(file)
  const ring = Number(setup(IO_URING_SETUP, 4, new Uint8Array(120)))
  // struct iovec: address, length
  const count = bytes / (2 * MiB)
  const buffers = new BigUint64Array(2 * count)
  for (let at = 0; at < count; at++) buffers.set([BigInt(address + 2 * at * MiB), BigInt(MiB)], 2 * at)
  const failed = Number(register(IO_URING_REGISTER, ring, REGISTER_BUFFERS, new Uint8Array(buffers.buffer), count))
  if (failed !== 0) throw new Error(`io_uring_register: errno ${koffi.errno()}`)
  let isOpen = true
  return {
    end: () => {
      if (isOpen) closeSync(ring)
      isOpen = false
    },
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
