/** Accesses that the main thread answers: the vCPU's thread sends them over and waits. */

import type { DeviceAccess } from '../wire/device-spec.js'
import { isStopped, MAIL, type VcpuBlock, type VcpuMessage } from '../wire/shared.js'
import type { Device } from './device.js'

/** Thrown out of an access that is not answered because the vCPU has been told to stop. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError'
}

/**
 * What a vCPU's thread has for the main thread. Writes are kept until `flush()`. A read is answered at once, after the
 * writes before it.
 */
export class Mailbox {
  readonly #block: VcpuBlock
  readonly #post: (message: VcpuMessage) => void
  #accesses: DeviceAccess[] = []

  constructor(block: VcpuBlock, post: (message: VcpuMessage) => void) {
    this.#block = block
    this.#post = post
  }

  add(access: DeviceAccess): void {
    this.#accesses.push(access)
  }

  /** @throws {StoppedError} */
  flush(): void {
    if (this.#accesses.length === 0) return
    const { control } = this.#block
    Atomics.store(control, MAIL, 1)
    this.#post({ kind: 'accesses', accesses: this.#accesses })
    this.#accesses = []
    while (Atomics.load(control, MAIL) === 1) {
      if (isStopped(this.#block)) throw new StoppedError('stopped while the main thread had an access to answer')
      Atomics.wait(control, MAIL, 1)
    }
  }

  /** Device number `device` of the VM, as this thread sees it. */
  device(device: number): Device {
    return {
      read: (address, data) => {
        this.add({ device, write: false, address, data })
        this.flush()
        data.set(this.#block.answer.subarray(0, data.length))
      },
      write: (address, data) => {
        // The caller uses `data` again, and a message is only copied when it is sent.
        this.add({ device, write: true, address, data: data.slice() })
      },
    }
  }
}

/** Lets the thread that waits for an answer go on. */
export function answer({ control, answer }: VcpuBlock, data: Uint8Array | null): void {
  if (data !== null) answer.set(data)
  Atomics.store(control, MAIL, 0)
  Atomics.notify(control, MAIL)
}
