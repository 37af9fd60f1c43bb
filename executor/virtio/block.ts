/** A disk: a file whose sectors the guest reads, and writes where it may. Source: virtio 1.2, section 5.2 */

import { SyscallError } from '../../src/errors.js'
import { syncFile, transfer } from '../ffi/files.js'
import type { VirtioWork } from '../wire/virtio.js'
import { DriverError, gather, type HostSpan, lengthOf, scatter, split } from './guest-memory.js'
import type { Chain } from './queue.js'

export const SECTOR = 512
const HEADER_BYTES = 16
const IN = 0
const OUT = 1
const FLUSH = 4
const GET_ID = 8
const ID_BYTES = 20
const ID = 'homenode'
const [OK, IO_ERROR, UNSUPPORTED] = [0, 1, 2]

/** Does a request. @returns bytes written into it @throws {DriverError} for one that has no room for an answer */
export function serveBlock(disk: Extract<VirtioWork, { kind: 'block' }>, { readable, writable }: Chain): number {
  const header = gather(readable, HEADER_BYTES)
  const room = lengthOf(writable)
  if (header.length < HEADER_BYTES || room === 0) throw new DriverError('a request without a header or a status')
  const [, content] = split(readable, HEADER_BYTES)
  const [answer, status] = split(writable, room - 1)
  const view = new DataView(header.buffer, header.byteOffset)
  const request = { type: view.getUint32(0, true), sector: view.getBigUint64(8, true) }
  const { code, bytes } = perform(disk, request, content, answer)
  scatter(status, Uint8Array.of(code))
  return bytes + 1
}

interface Request {
  readonly type: number
  readonly sector: bigint
}

function perform(
  disk: Extract<VirtioWork, { kind: 'block' }>,
  { type, sector }: Request,
  content: readonly HostSpan[],
  answer: readonly HostSpan[],
): { readonly code: number; readonly bytes: number } {
  try {
    switch (type) {
      case IN: {
        const isDone = move('read', disk, sector, answer)
        return isDone ? { code: OK, bytes: lengthOf(answer) } : { code: IO_ERROR, bytes: 0 }
      }
      case OUT:
        return { code: !disk.readOnly && move('write', disk, sector, content) ? OK : IO_ERROR, bytes: 0 }
      case FLUSH:
        if (!disk.readOnly) syncFile(disk.fd)
        return { code: OK, bytes: 0 }
      case GET_ID:
        return { code: OK, bytes: scatter(answer, new Uint8Array(Buffer.from(ID.padEnd(ID_BYTES, '\0'), 'latin1'))) }
      default:
        return { code: UNSUPPORTED, bytes: 0 }
    }
  } catch (error) {
    // A disk that fails is the guest's affair.
    if (error instanceof SyscallError) return { code: IO_ERROR, bytes: 0 }
    throw error
  }
}

/** @returns whether all of it was inside of the disk, and was moved */
function move(
  direction: 'read' | 'write',
  { fd, sectors }: Extract<VirtioWork, { kind: 'block' }>,
  sector: bigint,
  spans: readonly HostSpan[],
): boolean {
  const bytes = lengthOf(spans)
  if (bytes % SECTOR !== 0 || bytes / SECTOR > sectors - Number(sector)) return false
  let offset = Number(sector) * SECTOR
  for (const { address, bytes: count } of spans) {
    if (transfer(direction, fd, address, count, offset) < count) return false
    offset += count
  }
  return true
}
