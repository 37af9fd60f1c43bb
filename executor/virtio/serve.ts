/** The thread of a virtio device: it waits until the kernel tells of new buffers, and serves its queues. */

import type { MessagePort } from 'node:worker_threads'
import { fillRandom, pollReadable, signalEvent, takeEvents } from '../ffi/files.js'
import {
  CONFIG_CHANGED,
  DRIVER_OK,
  type GuestSpan,
  INTERRUPT_STATUS,
  NEEDS_RESET,
  QUEUE_AVAILABLE,
  QUEUE_DESCRIPTORS,
  QUEUE_READY,
  QUEUE_SIZE,
  QUEUE_USED,
  queueRegister,
  RESETS,
  RESETS_SEEN,
  STATUS,
  USED_BUFFER,
  type VirtioWork,
  virtioOf,
} from '../wire/virtio.js'
import { serveBlock } from './block.js'
import { DriverError, GuestMemory, gather, lengthOf, scatter } from './guest-memory.js'
import { bytesWaiting, takeBytes } from './input-ring.js'
import { countPosted, hasOutputRoom } from './output-count.js'
import { type Chain, Virtqueue } from './queue.js'

export interface VirtioTask {
  readonly work: VirtioWork
  readonly queues: number
  readonly shared: SharedArrayBuffer
  readonly memory: readonly GuestSpan[]
  /** Eventfds: new buffers; something else to look at; the one that raises the interrupt. */
  readonly notify: number
  readonly wake: number
  readonly interrupt: number
  /** Not 0: the end, which `wake` tells as well. */
  readonly stop: Int32Array
  /** Gets what a console prints. */
  readonly port: MessagePort
}

const POLL_MS = 1000
/** Of one request for random bytes, or of a console's: what there is more of stays for the next. */
const REQUEST_BYTES_MAX = 64 * 1024
/** Requests that are served before the other queue has its turn. */
const BATCH = 64
const [RECEIVE, TRANSMIT] = [0, 1]

export function serveVirtio(task: VirtioTask): void {
  const device = new VirtioDevice(task)
  const { notify, wake, stop } = task
  let isBusy = false
  while (Atomics.load(stop, 0) === 0) {
    if (!isBusy) pollReadable([notify, wake], POLL_MS)
    takeEvents(notify)
    takeEvents(wake)
    isBusy = device.serve()
  }
}

/** A device as its thread has it. */
export class VirtioDevice {
  readonly #task: VirtioTask
  readonly #registers: Int32Array
  readonly #memory: GuestMemory
  readonly #queues: (Virtqueue | null)[]

  constructor(task: VirtioTask) {
    this.#task = task
    this.#registers = virtioOf(task.shared).registers
    this.#memory = new GuestMemory(task.memory)
    this.#queues = Array.from({ length: task.queues }, () => null)
  }

  /** Serves what there is. @returns whether there may be more */
  serve(): boolean {
    this.#seeResets()
    const status = Atomics.load(this.#registers, STATUS)
    if ((status & DRIVER_OK) === 0 || (status & NEEDS_RESET) !== 0) return false
    try {
      return this.#serveQueues()
    } catch (error) {
      if (!(error instanceof DriverError)) throw error
      this.#fail()
      return false
    }
  }

  /** Lets go of the queues that the driver has taken back, and then says so. */
  #seeResets(): void {
    const resets = Atomics.load(this.#registers, RESETS)
    if (resets === Atomics.load(this.#registers, RESETS_SEEN)) return
    for (const queue of this.#queues.keys()) if (!this.#isReady(queue)) this.#queues[queue] = null
    Atomics.store(this.#registers, RESETS_SEEN, resets)
    Atomics.notify(this.#registers, RESETS_SEEN)
  }

  #isReady(queue: number): boolean {
    return Atomics.load(this.#registers, queueRegister(queue, QUEUE_READY)) !== 0
  }

  #queue(index: number): Virtqueue | null {
    if (!this.#isReady(index)) return null
    const word = (register: number) => Atomics.load(this.#registers, queueRegister(index, register)) >>> 0
    const address = (register: number) => word(register) + word(register + 1) * 2 ** 32
    this.#queues[index] ??= new Virtqueue(this.#memory, {
      size: word(QUEUE_SIZE),
      descriptors: address(QUEUE_DESCRIPTORS),
      available: address(QUEUE_AVAILABLE),
      used: address(QUEUE_USED),
    })
    return this.#queues[index]
  }

  #serveQueues(): boolean {
    const { work, port } = this.#task
    switch (work.kind) {
      case 'block':
        return this.#serveQueue(0, (chain) => serveBlock(work, chain))
      case 'entropy':
        return this.#serveQueue(0, randomInto)
      case 'console': {
        const { input, output } = work
        const print = ({ readable }: Chain) => {
          if (lengthOf(readable) > REQUEST_BYTES_MAX) throw new DriverError('a console that prints too much at once')
          const bytes = gather(readable, REQUEST_BYTES_MAX)
          countPosted(output, bytes.length)
          port.postMessage(bytes)
          return 0
        }
        const isMore = this.#serveQueue(TRANSMIT, print, () => hasOutputRoom(output))
        const give = ({ writable }: Chain) => scatter(writable, takeBytes(input, lengthOf(writable)))
        return this.#serveQueue(RECEIVE, give, () => bytesWaiting(input) > 0) || isMore
      }
    }
  }

  /**
   * @param perform does a request; returns the bytes that it has written into it
   * @param isDue whether another one can be served
   */
  #serveQueue(index: number, perform: (chain: Chain) => number, isDue = () => true): boolean {
    const queue = this.#queue(index)
    if (queue === null) return false
    let served = 0
    try {
      // A request may take a second: a disk's that reads gigabytes.
      for (; served < BATCH && isDue() && Atomics.load(this.#task.stop, 0) === 0; served++) {
        const chain = queue.pop()
        if (chain === null) break
        queue.push(chain.head, perform(chain))
      }
    } finally {
      if (served > 0 && queue.wantsInterrupt) this.#interrupt(USED_BUFFER)
    }
    return served === BATCH
  }

  #interrupt(why: number): void {
    Atomics.or(this.#registers, INTERRUPT_STATUS, why)
    signalEvent(this.#task.interrupt)
  }

  /** The driver has broken the rules: from now on nothing is served, until it resets the device. */
  #fail(): void {
    Atomics.or(this.#registers, STATUS, NEEDS_RESET)
    this.#interrupt(CONFIG_CHANGED)
  }
}

function randomInto({ writable }: Chain): number {
  let written = 0
  for (const { address, bytes } of writable) {
    const count = Math.min(bytes, REQUEST_BYTES_MAX - written)
    fillRandom(address, count)
    written += count
  }
  return written
}
