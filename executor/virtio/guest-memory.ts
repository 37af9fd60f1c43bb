/** Guest memory for devices: what a driver says where its buffers are is held against where memory is. */

import { viewOf } from '../ffi/mapping.js'
import type { GuestSpan } from '../wire/virtio.js'

/** A driver does what no driver may do. Its device needs a reset then; nothing else happens. */
export class DriverError extends Error {
  override readonly name = 'DriverError'
}

/** A run of bytes of the process. */
export interface HostSpan {
  readonly address: number
  readonly bytes: number
}

export class GuestMemory {
  readonly #spans: readonly GuestSpan[]

  /** @param spans ascending, without overlaps; those that touch in the guest may lie apart in the process */
  constructor(spans: readonly GuestSpan[]) {
    this.#spans = spans
  }

  /**
   * Where guest memory is in the process, in its order.
   * @throws {DriverError} where some of it is no memory
   */
  locate(gpa: number, bytes: number): HostSpan[] {
    const found: HostSpan[] = []
    let at = gpa
    const end = gpa + bytes
    while (at < end) {
      const span = this.#spans.find((each) => at >= each.gpa && at < each.gpa + each.bytes)
      if (span === undefined) throw new DriverError(`${bytes} bytes at 0x${gpa.toString(16)} are not all memory`)
      const count = Math.min(end, span.gpa + span.bytes) - at
      found.push({ address: span.address + at - span.gpa, bytes: count })
      at += count
    }
    return found
  }

  /**
   * A view of guest memory that lies in one piece. It may be used until the VM's memory is given back.
   * @throws {DriverError}
   */
  view(gpa: number, bytes: number): ArrayBuffer {
    const [span, more] = this.locate(gpa, bytes)
    if (span === undefined || more !== undefined) {
      throw new DriverError(`${bytes} bytes at 0x${gpa.toString(16)} are not in one piece`)
    }
    // SAFETY: inside of memory that the VM keeps until this device's thread has ended, and dropped its views.
    return viewOf(span.address, span.bytes)
  }
}

/** Copies what is at some spans out of them, at most so many bytes. */
export function gather(spans: readonly HostSpan[], limit: number): Uint8Array {
  const parts: Uint8Array[] = []
  let left = limit
  for (const { address, bytes } of spans) {
    if (left === 0) break
    const count = Math.min(bytes, left)
    // SAFETY: as located, and copied at once.
    parts.push(new Uint8Array(viewOf(address, count)).slice())
    left -= count
  }
  return new Uint8Array(Buffer.concat(parts))
}

/** Copies bytes to some spans. @returns how many had room */
export function scatter(spans: readonly HostSpan[], bytes: Uint8Array): number {
  let at = 0
  for (const span of spans) {
    const count = Math.min(span.bytes, bytes.length - at)
    if (count === 0) break
    // SAFETY: as located, and written at once.
    new Uint8Array(viewOf(span.address, count)).set(bytes.subarray(at, at + count))
    at += count
  }
  return at
}

/** What is left of some spans after so many bytes, and the bytes before that. */
export function split(spans: readonly HostSpan[], at: number): [HostSpan[], HostSpan[]] {
  const before: HostSpan[] = []
  const after: HostSpan[] = []
  let left = at
  for (const { address, bytes } of spans) {
    const count = Math.min(left, bytes)
    if (count > 0) before.push({ address, bytes: count })
    if (count < bytes) after.push({ address: address + count, bytes: bytes - count })
    left -= count
  }
  return [before, after]
}

export function lengthOf(spans: readonly HostSpan[]): number {
  return spans.reduce((sum, { bytes }) => sum + bytes, 0)
}
