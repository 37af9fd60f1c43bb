/** Bytes from the main thread for a console: one thread gives, another takes. */

const HEADER_WORDS = 2
const CAPACITY = 4096
const GIVEN = 0
const TAKEN = 1

export function allocateInputRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * HEADER_WORDS + CAPACITY)
}

function ringOf(buffer: SharedArrayBuffer) {
  return { header: new Int32Array(buffer, 0, HEADER_WORDS), bytes: new Uint8Array(buffer, 4 * HEADER_WORDS, CAPACITY) }
}

/** Puts bytes in, as many as have room. @returns how many */
export function giveBytes(buffer: SharedArrayBuffer, from: Uint8Array): number {
  const { header, bytes } = ringOf(buffer)
  const given = Atomics.load(header, GIVEN)
  const count = Math.min(from.length, CAPACITY - ((given - Atomics.load(header, TAKEN)) | 0))
  for (let i = 0; i < count; i++) bytes[((given + i) >>> 0) % CAPACITY] = from[i]!
  Atomics.store(header, GIVEN, (given + count) | 0)
  return count
}

/** How many there are to be taken. */
export function bytesWaiting(buffer: SharedArrayBuffer): number {
  const { header } = ringOf(buffer)
  return (Atomics.load(header, GIVEN) - Atomics.load(header, TAKEN)) | 0
}

/** Takes at most so many out. */
export function takeBytes(buffer: SharedArrayBuffer, limit: number): Uint8Array {
  const { header, bytes } = ringOf(buffer)
  const taken = Atomics.load(header, TAKEN)
  const count = Math.min(limit, bytesWaiting(buffer))
  const out = Uint8Array.from({ length: count }, (_, i) => bytes[((taken + i) >>> 0) % CAPACITY]!)
  Atomics.store(header, TAKEN, (taken + count) | 0)
  return out
}
