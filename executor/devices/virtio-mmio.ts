/**
 * The registers of a virtio device at physical addresses. Its queues are served by a thread of its own, which the kernel
 * tells of new buffers: a notification does not come here.
 * Source: virtio 1.2, section 4.2.2
 */

import { signalEvent } from '../ffi/files.js'
import { isStopped, type VcpuBlock } from '../wire/shared.js'
import {
  CONFIG_BYTES,
  CONFIG_GENERATION,
  DRIVER_FEATURES,
  DRIVER_FEATURES_SELECT,
  FEATURES_OK,
  FEATURES_SELECT,
  INTERRUPT_STATUS,
  QUEUE_AVAILABLE,
  QUEUE_DESCRIPTORS,
  QUEUE_MAX,
  QUEUE_READY,
  QUEUE_SELECT,
  QUEUE_SIZE,
  QUEUE_USED,
  queueRegister,
  RESETS,
  RESETS_SEEN,
  STATUS,
  VERSION_1,
  type VirtioIdentity,
  virtioOf,
} from '../wire/virtio.js'
import type { Device } from './device.js'
import { StoppedError } from './remote.js'

export const VIRTIO_BYTES = 0x1000
/** Where a driver writes the number of a queue with new buffers. */
export const QUEUE_NOTIFY = 0x50
const CONFIG = 0x100

const MAGIC = 0x74726976
const VERSION = 2
/** Of no vendor: `HMND`. */
const VENDOR = 0x444e4d48
const ALL_ONES = 0xffffffff

/** Registers of the queue that is selected, by their addresses. */
const OF_QUEUE: Readonly<Record<number, number>> = {
  56: QUEUE_SIZE,
  128: QUEUE_DESCRIPTORS,
  132: QUEUE_DESCRIPTORS + 1,
  144: QUEUE_AVAILABLE,
  148: QUEUE_AVAILABLE + 1,
  160: QUEUE_USED,
  164: QUEUE_USED + 1,
}

export interface VirtioMmio {
  readonly start: number
  readonly shared: SharedArrayBuffer
  readonly identity: VirtioIdentity
  /** An eventfd that its thread waits for. */
  readonly wake: number
}

export function createVirtioMmio({ start, shared, identity, wake }: VirtioMmio, block: VcpuBlock): Device {
  const { registers, config } = virtioOf(shared)
  const { type, features, queues } = identity
  const load = (index: number) => Atomics.load(registers, index) >>> 0
  const store = (index: number, value: number) => void Atomics.store(registers, index, value | 0)
  /** `null`: the driver has selected one that there is not. */
  const queue = () => {
    const selected = load(QUEUE_SELECT)
    return selected < queues ? selected : null
  }

  const readQueue = (offset: number) => {
    const selected = queue()
    if (selected === null) return 0
    if (offset === 0x034) return QUEUE_MAX
    return load(queueRegister(selected, offset === 0x044 ? QUEUE_READY : OF_QUEUE[offset]!))
  }

  const read = (offset: number): number => {
    switch (offset) {
      case 0x000:
        return MAGIC
      case 0x004:
        return VERSION
      case 0x008:
        return type
      case 0x00c:
        return VENDOR
      case 0x010:
        return features[load(FEATURES_SELECT)] ?? 0
      case 0x034:
      case 0x044:
        return readQueue(offset)
      case 0x060:
        return load(INTERRUPT_STATUS)
      case 0x070:
        return load(STATUS)
      case 0x0b0:
      case 0x0b4:
      case 0x0b8:
      case 0x0bc:
        // It has no shared memory.
        return ALL_ONES
      case 0x0fc:
        return load(CONFIG_GENERATION)
      default:
        return 0
    }
  }

  /** Has the device's thread let go of the queues that are not ready any more, and waits until it has. */
  const takeAway = () => {
    const resets = (Atomics.add(registers, RESETS, 1) + 1) | 0
    signalEvent(wake)
    for (
      let seen = Atomics.load(registers, RESETS_SEEN);
      seen - resets < 0;
      seen = Atomics.load(registers, RESETS_SEEN)
    ) {
      if (isStopped(block)) throw new StoppedError('stopped while a virtio device was reset')
      Atomics.wait(registers, RESETS_SEEN, seen, 10)
    }
  }

  const reset = () => {
    for (let i = 0; i < queues; i++) store(queueRegister(i, QUEUE_READY), 0)
    store(STATUS, 0)
    takeAway()
    // Until then its thread may have said that it needs a reset.
    store(STATUS, 0)
    for (const index of [INTERRUPT_STATUS, FEATURES_SELECT, DRIVER_FEATURES_SELECT, QUEUE_SELECT]) store(index, 0)
    for (let word = 0; word < 2; word++) store(DRIVER_FEATURES + word, 0)
    for (let i = 0; i < queues; i++) {
      for (const register of Object.values(OF_QUEUE)) store(queueRegister(i, register), 0)
    }
  }

  const writeQueue = (offset: number, value: number) => {
    const selected = queue()
    if (selected === null) return
    const ready = queueRegister(selected, QUEUE_READY)
    if (offset === 0x044) {
      store(ready, value & 1)
      if ((value & 1) === 0) takeAway()
    } else if (load(ready) === 0) store(queueRegister(selected, OF_QUEUE[offset]!), value)
  }

  /** Whether the driver has taken what it has to take, and nothing that was not offered. */
  const isAgreed = () =>
    features.every((offered, word) => (load(DRIVER_FEATURES + word) & ~offered) === 0) &&
    (load(DRIVER_FEATURES + 1) & VERSION_1) !== 0

  const write = (offset: number, value: number): void => {
    if (offset === 0x014) store(FEATURES_SELECT, value)
    else if (offset === 0x024) store(DRIVER_FEATURES_SELECT, value)
    else if (offset === 0x020) {
      const word = load(DRIVER_FEATURES_SELECT)
      if (word < 2) store(DRIVER_FEATURES + word, value)
    } else if (offset === 0x030) store(QUEUE_SELECT, value)
    else if (offset === 0x064) Atomics.and(registers, INTERRUPT_STATUS, ~value)
    else if (offset === 0x070) {
      if (value === 0) reset()
      // No bit is taken back but by a reset, least of all that the device needs one.
      else Atomics.or(registers, STATUS, value & (isAgreed() ? 0xff : 0xff & ~FEATURES_OK))
    } else if (offset === 0x044 || OF_QUEUE[offset] !== undefined) writeQueue(offset, value)
  }

  return {
    read(address, data) {
      const offset = address - start
      data.fill(0)
      if (offset >= CONFIG) {
        for (let i = 0; i < data.length && offset - CONFIG + i < CONFIG_BYTES; i++)
          data[i] = config[offset - CONFIG + i]!
      } else if (data.length === 4 && offset % 4 === 0) {
        const value = read(offset)
        for (let i = 0; i < 4; i++) data[i] = (value >>> (8 * i)) & 0xff
      }
    },
    write(address, data) {
      const offset = address - start
      // No device here has configuration that is written.
      if (offset >= CONFIG || data.length !== 4 || offset % 4 !== 0) return
      write(offset, (data[0]! | (data[1]! << 8) | (data[2]! << 16) | (data[3]! << 24)) >>> 0)
    },
  }
}
