/**
 * How much a console has printed that the main thread has not handed on yet: one thread posts, another hands on. A guest that
 * prints faster than that waits, so that it does not fill the memory of its host.
 */

/** Posted and not handed on yet: with so many bytes nothing more is posted. */
export const OUTPUT_MAX = 256 * 1024

export function allocateOutputCount(): SharedArrayBuffer {
  return new SharedArrayBuffer(4)
}

/** Whether more may be posted. */
export function hasOutputRoom(buffer: SharedArrayBuffer): boolean {
  return Atomics.load(new Int32Array(buffer), 0) < OUTPUT_MAX
}

export function countPosted(buffer: SharedArrayBuffer, bytes: number): void {
  Atomics.add(new Int32Array(buffer), 0, bytes)
}

/** @returns whether there is room again, which there was not before: the thread that posts has to be told */
export function countHandedOn(buffer: SharedArrayBuffer, bytes: number): boolean {
  const before = Atomics.sub(new Int32Array(buffer), 0, bytes)
  return before >= OUTPUT_MAX && before - bytes < OUTPUT_MAX
}
