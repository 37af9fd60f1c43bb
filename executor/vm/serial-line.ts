/** What a guest reads from a serial console, given on the main thread. */

import { requireBytes } from '../../src/checks.js'
import { giveInput } from '../devices/serial.js'

/** How often it is looked whether the guest has made room. */
const RETRY_MS = 10

/** The line to a guest's serial console. */
export class SerialLine {
  readonly #shared: SharedArrayBuffer
  readonly #interrupt: number | null
  readonly #isOpen: () => boolean
  #waiting: Uint8Array[] = []
  #timer: NodeJS.Timeout | undefined

  /** @internal */
  constructor(shared: SharedArrayBuffer, interrupt: number | null, isOpen: () => boolean) {
    this.#shared = shared
    this.#interrupt = interrupt
    this.#isOpen = isOpen
  }

  /** Bytes for the guest to read. Those that there is no room for wait until it has read others; after the VM's end they are dropped. */
  write(bytes: Uint8Array): void {
    requireBytes('bytes', bytes)
    if (bytes.length === 0) return
    this.#waiting.push(bytes.slice())
    this.#give()
  }

  #give(): void {
    clearTimeout(this.#timer)
    while (this.#waiting.length > 0 && this.#isOpen()) {
      const [first] = this.#waiting
      const taken = giveInput(this.#shared, this.#interrupt, first!)
      if (taken < first!.length) {
        this.#waiting[0] = first!.subarray(taken)
        this.#timer = setTimeout(() => this.#give(), RETRY_MS).unref()
        return
      }
      this.#waiting.shift()
    }
  }
}
