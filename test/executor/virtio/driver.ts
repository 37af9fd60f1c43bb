/** A driver of a virtio device, honest or not, and the guest memory that it has, in this process. */

import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { createVirtioMmio } from '../../../executor/devices/virtio-mmio.js'
import { closeFd, createEventFd, takeEvents } from '../../../executor/ffi/files.js'
import { Mapping } from '../../../executor/ffi/mapping.js'
import { VirtioDevice } from '../../../executor/virtio/serve.js'
import { allocateBlock, blockOf, Command, command } from '../../../executor/wire/shared.js'
import { allocateVirtio, VERSION_1, type VirtioIdentity, type VirtioWork } from '../../../executor/wire/virtio.js'

export const BASE = 0xd0000000
export const PAGE = 4096
/** Guest memory: two runs that touch in the guest and lie apart here, and one above a hole. */
export const RUNS = [
  { gpa: 0, bytes: 16 * PAGE },
  { gpa: 16 * PAGE, bytes: 16 * PAGE },
  { gpa: 64 * PAGE, bytes: 4 * PAGE },
] as const
const CANARY = 0xa5

export const [NEXT, WRITE, INDIRECT] = [1, 2, 4]

export interface Descriptor {
  readonly gpa: number
  readonly bytes: number
  readonly flags?: number
  readonly next?: number
}

export class Driver {
  readonly #mapping: Mapping
  readonly #bytes: Uint8Array
  readonly #spans: readonly { gpa: number; bytes: number; address: number }[]
  readonly #fds = [createEventFd(), createEventFd(), createEventFd()] as const
  readonly #ports = new MessageChannel()
  readonly #stop = new Int32Array(new SharedArrayBuffer(4))
  readonly #registers
  readonly device: VirtioDevice

  constructor(work: VirtioWork, identity: VirtioIdentity) {
    const pages = RUNS.reduce((sum, run) => sum + run.bytes / PAGE, 0)
    // A page that nobody may touch between any two runs, and around them.
    this.#mapping = Mapping.anonymous((pages + RUNS.length + 1) * PAGE)
    this.#bytes = new Uint8Array(this.#mapping.view())
    this.#bytes.fill(CANARY)
    let at = PAGE
    this.#spans = RUNS.map(({ gpa, bytes }) => {
      const span = { gpa, bytes, address: this.#mapping.address + at }
      this.#bytes.fill(0, at, at + bytes)
      at += bytes + PAGE
      return span
    })
    const [notify, wake, interrupt] = this.#fds
    const shared = allocateVirtio()
    const stop = this.#stop
    const rest = { shared, memory: this.#spans, notify, wake, interrupt, stop, port: this.#ports.port1 }
    this.device = new VirtioDevice({ work, queues: identity.queues, ...rest })
    // A vCPU that is told to stop does not wait for the device's thread, which here is this one.
    const block = blockOf(allocateBlock())
    command(block, Command.stop)
    this.#registers = createVirtioMmio({ start: BASE, shared, identity, wake }, block)
  }

  read(offset: number): number {
    const data = new Uint8Array(4)
    this.#registers.read!(BASE + offset, data)
    return new DataView(data.buffer).getUint32(0, true)
  }

  /** As a vCPU does it; a reset is waited for by letting the device look. */
  write(offset: number, value: number, bytes = 4): void {
    const data = new Uint8Array(8)
    new DataView(data.buffer).setUint32(0, value >>> 0, true)
    try {
      this.#registers.write!(BASE + offset, data.subarray(0, bytes))
    } catch (error) {
      if ((error as Error).name !== 'StoppedError') throw error
    }
  }

  /** Guest memory of one run. */
  memory(gpa: number, bytes: number): Uint8Array {
    const { address, gpa: start } = this.#spans.find((span) => gpa >= span.gpa && gpa < span.gpa + span.bytes)!
    const at = address - this.#mapping.address + gpa - start
    return this.#bytes.subarray(at, at + bytes)
  }

  /** Sets the device up with one queue, at 0x1000, 0x2000 and 0x3000 unless said. */
  start(size = 8, { queue = 0, descriptors = 0x1000, available = 0x2000, used = 0x3000 } = {}): void {
    this.write(0x070, 1)
    this.write(0x070, 3)
    this.agree([0, VERSION_1])
    this.write(0x030, queue)
    this.write(0x038, size)
    for (const [offset, address] of [
      [0x080, descriptors],
      [0x090, available],
      [0x0a0, used],
    ] as const) {
      this.write(offset, address % 2 ** 32)
      this.write(offset + 4, Math.floor(address / 2 ** 32))
    }
    this.write(0x044, 1)
    this.write(0x070, 15)
  }

  /** Takes these features. */
  agree(features: readonly [number, number]): void {
    features.forEach((bits, word) => {
      this.write(0x024, word)
      this.write(0x020, bits)
    })
    this.write(0x070, 11)
  }

  /** Tells the device's thread to end. */
  stop(): void {
    this.#stop[0] = 1
  }

  describe(index: number, { gpa, bytes, flags = 0, next = 0 }: Descriptor, table = 0x1000): void {
    const view = this.#view(table + 16 * index, 16)
    view.setBigUint64(0, BigInt(gpa), true)
    view.setUint32(8, bytes, true)
    view.setUint16(12, flags, true)
    view.setUint16(14, next, true)
  }

  /** Puts a chain of descriptors from `index` on into the queue. */
  offer(chain: readonly Descriptor[], index = 0, size = 8, available = 0x2000): void {
    chain.forEach((descriptor, i) => {
      const flags = (descriptor.flags ?? 0) | (i < chain.length - 1 ? NEXT : 0)
      this.describe(index + i, { next: index + i + 1, ...descriptor, flags })
    })
    const view = this.#view(available, 4 + 2 * size)
    const at = view.getUint16(2, true)
    view.setUint16(4 + 2 * (at % size), index, true)
    view.setUint16(2, at + 1, true)
  }

  /** What has come back so far. */
  used(size = 8, used = 0x3000): { readonly head: number; readonly written: number }[] {
    const view = this.#view(used, 4 + 8 * size)
    return Array.from({ length: view.getUint16(2, true) }, (_, i) => ({
      head: view.getUint32(4 + 8 * (i % size), true),
      written: view.getUint32(8 + 8 * (i % size), true),
    }))
  }

  get status(): number {
    return this.read(0x070)
  }

  interrupts(): number {
    return takeEvents(this.#fds[2])
  }

  printed(): string {
    let text = ''
    for (let got = receiveMessageOnPort(this.#ports.port2); got !== undefined; ) {
      text += Buffer.from(got.message).toString()
      got = receiveMessageOnPort(this.#ports.port2)
    }
    return text
  }

  /** Whether nothing outside of the guest's memory was written. */
  get isContained(): boolean {
    let at = 0
    for (const { bytes } of RUNS) {
      if (this.#bytes.subarray(at, at + PAGE).some((byte) => byte !== CANARY)) return false
      at += PAGE + bytes
    }
    return this.#bytes.subarray(at, at + PAGE).every((byte) => byte === CANARY)
  }

  #view(gpa: number, bytes: number): DataView {
    const part = this.memory(gpa, bytes)
    return new DataView(part.buffer, part.byteOffset, bytes)
  }

  close(): void {
    this.#ports.port1.close()
    this.#ports.port2.close()
    for (const fd of this.#fds) closeFd(fd)
    this.#mapping.close()
  }
}

export function withDriver(work: VirtioWork, identity: VirtioIdentity, use: (driver: Driver) => void): void {
  const driver = new Driver(work, identity)
  try {
    use(driver)
    if (!driver.isContained) throw new Error('the device wrote outside of the guest memory')
  } finally {
    driver.close()
  }
}
