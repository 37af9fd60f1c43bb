/** What crosses between the main thread and the vCPUs' threads of devices: which there are, and accesses to them. */

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
    | { readonly kind: 'serial'; readonly shared: SharedArrayBuffer }
    | { readonly kind: 'exit' }
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
