/** What answers a guest's accesses to I/O ports, or to memory addresses where no memory is. */

/**
 * `data` is as long as the access (1, 2, 4 or 8 bytes, little-endian), and is used again after the call. A device that
 * only reads or only writes leaves the other out; the guest fails that tries it.
 */
export interface Device {
  /** Fills in what the guest reads. */
  read?(address: number, data: Uint8Array): void
  /** Takes what the guest writes. */
  write?(address: number, data: Uint8Array): void
}

/** What a device in a vCPU's thread knows. There is one of it for each vCPU of the VM; `SharedArrayBuffer`s join them. */
export interface DeviceContext {
  /** The vCPU in whose thread it is. */
  readonly vcpu: number
  /** Ends the VM with this code as soon as the access is done. */
  exit(code: number): void
}

/** A module whose `createDevice` makes a device in the thread of each vCPU, where an access takes no detour. */
export interface DeviceModule {
  /** What `createDevice` gets as its first argument: anything that can be cloned, e.g. a `SharedArrayBuffer`. */
  createDevice(options: unknown, context: DeviceContext): Device
}
