/** What crosses between the main thread and the vCPUs' threads of devices: which there are, and accesses to them. */

import type { VirtioIdentity } from './virtio.js'

/** Where accesses of the guest go to: the I/O ports, or memory addresses where no memory is. */
export type Bus = 'port' | 'mmio'

/** A device as the vCPU's threads are told of it. */
export interface DeviceSpec {
  readonly bus: Bus
  /** First address. */
  readonly start: number
  /** Address after the last. */
  readonly end: number
  readonly what: /** Handled by the main thread. */
    | { readonly kind: 'main' }
    | { readonly kind: 'module'; readonly url: string; readonly options: unknown }
    | {
        readonly kind: 'serial'
        readonly shared: SharedArrayBuffer
        /** An eventfd that raises its interrupt; `null`: it has none. */
        readonly interrupt: number | null
      }
    | {
        readonly kind: 'virtio'
        readonly shared: SharedArrayBuffer
        readonly identity: VirtioIdentity
        /** An eventfd that its thread waits for. */
        readonly wake: number
      }
    | { readonly kind: 'exit' }
    | { readonly kind: 'power' }
    /** Nothing is there: all ones are read, as on a bus that nobody drives. */
    | { readonly kind: 'nothing' }
    | { readonly kind: 'report' }
}

/** An access that the main thread answers. */
export interface DeviceAccess {
  /** Index of the device. */
  readonly device: number
  readonly write: boolean
  readonly address: number
  readonly data: Uint8Array
}
