/**
 * A split virtqueue from the device's side. Everything in it is the driver's, who may write anything at any time: each
 * descriptor is read once, and what was read is checked.
 * Source: virtio 1.2, section 2.7
 */

import { QUEUE_MAX } from '../wire/virtio.js'
import { DriverError, type GuestMemory, type HostSpan } from './guest-memory.js'

const DESCRIPTOR = 16
const NEXT = 1
const WRITABLE = 2
const INDIRECT = 4
const NO_INTERRUPT = 1
/** More than any driver puts into one request, and so little that adding up lengths stays exact. */
const CHAIN_BYTES_MAX = 2 ** 32

/** Buffers of one request. */
export interface Chain {
  readonly head: number
  /** What the device reads. */
  readonly readable: readonly HostSpan[]
  /** What it writes, after that. */
  readonly writable: readonly HostSpan[]
}

export interface QueuePlace {
  readonly size: number
  /** Guest physical addresses. */
  readonly descriptors: number
  readonly available: number
  readonly used: number
}

export class Virtqueue {
  readonly #memory: GuestMemory
  readonly #size: number
  readonly #descriptors: DataView
  readonly #available: Uint16Array
  readonly #used: DataView
  readonly #usedIndex: Uint16Array
  #next = 0
  #done = 0

  /** @throws {DriverError} for a queue that cannot be one */
  constructor(memory: GuestMemory, { size, descriptors, available, used }: QueuePlace) {
    if (size === 0 || size > QUEUE_MAX || (size & (size - 1)) !== 0) throw new DriverError(`a queue of ${size}`)
    if (descriptors % 16 !== 0 || available % 2 !== 0 || used % 4 !== 0)
      throw new DriverError('a queue that is not aligned')
    this.#memory = memory
    this.#size = size
    this.#descriptors = new DataView(memory.view(descriptors, DESCRIPTOR * size))
    this.#available = new Uint16Array(memory.view(available, 4 + 2 * size))
    const usedBytes = memory.view(used, 4 + 8 * size)
    this.#used = new DataView(usedBytes)
    this.#usedIndex = new Uint16Array(usedBytes, 2, 1)
  }

  /**
   * The next request; `null`: there is none.
   * @throws {DriverError} for one that cannot be
   */
  pop(): Chain | null {
    const waiting = (Atomics.load(this.#available, 1) - this.#next) & 0xffff
    if (waiting === 0) return null
    if (waiting > this.#size) throw new DriverError(`${waiting} requests in a queue of ${this.#size}`)
    const head = this.#available[2 + (this.#next % this.#size)]!
    const chain = this.#chainAt(head)
    this.#next = (this.#next + 1) & 0xffff
    return chain
  }

  #chainAt(head: number): Chain {
    const readable: HostSpan[] = []
    const writable: HostSpan[] = []
    let bytes = 0
    let index = head
    // A chain that is longer than its table has a loop.
    for (let length = 0; length < this.#size; length++) {
      if (index >= this.#size) throw new DriverError(`descriptor ${index} in a table of ${this.#size}`)
      const at = index * DESCRIPTOR
      const gpa = this.#descriptors.getBigUint64(at, true)
      const count = this.#descriptors.getUint32(at + 8, true)
      const flags = this.#descriptors.getUint16(at + 12, true)
      const next = this.#descriptors.getUint16(at + 14, true)
      if ((flags & INDIRECT) !== 0) throw new DriverError('an indirect descriptor, which was not offered')
      bytes += count
      if (gpa > Number.MAX_SAFE_INTEGER || bytes > CHAIN_BYTES_MAX) throw new DriverError('a buffer that is too large')
      const spans = this.#memory.locate(Number(gpa), count)
      if ((flags & WRITABLE) !== 0) writable.push(...spans)
      else if (writable.length > 0) throw new DriverError('a buffer to be read after one to be written')
      else readable.push(...spans)
      if ((flags & NEXT) === 0) return { head, readable, writable }
      index = next
    }
    throw new DriverError('a chain without an end')
  }

  /** Gives a request back. @param written bytes that the device has written into it */
  push(head: number, written: number): void {
    const at = 4 + 8 * (this.#done % this.#size)
    this.#used.setUint32(at, head, true)
    this.#used.setUint32(at + 4, written, true)
    this.#done = (this.#done + 1) & 0xffff
    Atomics.store(this.#usedIndex, 0, this.#done)
  }

  /** Whether the driver wants an interrupt when something comes back. */
  get wantsInterrupt(): boolean {
    return (Atomics.load(this.#available, 0) & NO_INTERRUPT) === 0
  }
}
