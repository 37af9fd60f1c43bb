/**
 * A virtio device as three parties share it: its registers, which the vCPUs' threads answer for, its queues, which a thread
 * of its own serves, and the main thread, which made it.
 */

/** Of the largest queue that a device offers, a power of 2. */
export const QUEUE_MAX = 256
export const QUEUES_MAX = 2
export const CONFIG_BYTES = 64

/** Indices into `registers`. */
export const STATUS = 0
/** How often the driver has taken queues away, and how much of that the device's thread has seen. */
export const RESETS = 1
export const RESETS_SEEN = 2
export const INTERRUPT_STATUS = 3
export const FEATURES_SELECT = 4
export const DRIVER_FEATURES_SELECT = 5
export const QUEUE_SELECT = 6
/** Two words, the lower one first. */
export const DRIVER_FEATURES = 7
export const CONFIG_GENERATION = 9
const FIRST_QUEUE = 16

/** Of each queue, from `queueRegister(queue, ...)` on. Addresses are two words, the lower one first. */
export const QUEUE_SIZE = 0
export const QUEUE_READY = 1
export const QUEUE_DESCRIPTORS = 2
export const QUEUE_AVAILABLE = 4
export const QUEUE_USED = 6
const QUEUE_WORDS = 8
const WORDS = FIRST_QUEUE + QUEUES_MAX * QUEUE_WORDS

/** Bits of `STATUS`. */
export const DRIVER_OK = 4
export const FEATURES_OK = 8
export const NEEDS_RESET = 64
/** A bit of the upper word of the features, which every device here offers. */
export const VERSION_1 = 1
/** Bits of `INTERRUPT_STATUS`. */
export const USED_BUFFER = 1
export const CONFIG_CHANGED = 2

export interface VirtioShared {
  readonly registers: Int32Array
  readonly config: Uint8Array
}

export function allocateVirtio(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * WORDS + CONFIG_BYTES)
}

export function virtioOf(buffer: SharedArrayBuffer): VirtioShared {
  return { registers: new Int32Array(buffer, 0, WORDS), config: new Uint8Array(buffer, 4 * WORDS, CONFIG_BYTES) }
}

/** Index of a queue's register. */
export function queueRegister(queue: number, register: number): number {
  return FIRST_QUEUE + queue * QUEUE_WORDS + register
}

/** What a driver finds out about a device before it uses it. Source: virtio 1.2, chapter 5 */
export interface VirtioIdentity {
  /** 2: block; 3: console; 4: entropy. */
  readonly type: number
  /** Bits 0 to 31, and 32 to 63. */
  readonly features: readonly [number, number]
  readonly queues: number
}

/** Guest memory, as the process has it. */
export interface GuestSpan {
  readonly gpa: number
  readonly bytes: number
  /** Host virtual address. */
  readonly address: number
}

/** What the thread of a device does. */
export type VirtioWork =
  /** A disk: a file of 512-byte sectors. */
  | { readonly kind: 'block'; readonly fd: number; readonly sectors: number; readonly readOnly: boolean }
  | { readonly kind: 'entropy' }
  /** Bytes for the guest come through a ring (virtio/input-ring.ts), bytes from it are posted, and counted (virtio/output-count.ts). */
  | { readonly kind: 'console'; readonly input: SharedArrayBuffer; readonly output: SharedArrayBuffer }
