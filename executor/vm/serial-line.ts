/** What a guest reads from a serial console, given on the main thread. */

import { requireBytes, requireCallback } from '../../src/checks.js'
import { giveInput } from '../devices/serial.js'

/** How often it is looked whether the guest has made room. */
const RETRY_MS = 10

/** The line to a guest's serial console. */
export class SerialLine {
  readonly #shared: SharedArrayBuffer
  readonly #interrupt: number | null
  readonly #isOpen: () => boolean
  #waiting: { readonly bytes: Uint8Array; readonly taken: () => void }[] = []
  #timer: NodeJS.Timeout | undefined

  /** @internal */
  constructor(shared: SharedArrayBuffer, interrupt: number | null, isOpen: () => boolean) {
    this.#shared = shared
    this.#interrupt = interrupt
    this.#isOpen = isOpen
  }

  /**
   * Bytes for the guest to read. Those that there is no room for wait until it has read others; after the VM's end they are dropped.
   * @param taken called when there was room for all of them
   */
  write(bytes: Uint8Array, taken: () => void = () => {}): void {
    requireBytes('bytes', bytes)
    requireCallback('taken', taken)
    this.#waiting.push({ bytes: bytes.slice(), taken })
    this.#give()
  }

  #give(): void {
    clearTimeout(this.#timer)
    for (let first = this.#waiting[0]; first !== undefined && this.#isOpen(); first = this.#waiting[0]) {
      const { bytes, taken } = first
      const count = giveInput(this.#shared, this.#interrupt, bytes)
      if (count < bytes.length) {
        this.#waiting[0] = { bytes: bytes.subarray(count), taken }
        this.#timer = setTimeout(() => this.#give(), RETRY_MS).unref()
        return
      }
      this.#waiting.shift()
      taken()
    }
  }
}
