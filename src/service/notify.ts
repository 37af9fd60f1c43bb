/** What the service manager is told over the socket that it gave. Source: sd_notify(3) */

import { sendDatagram } from '../../executor/ffi/datagram.js'

/** What systemd sets for a service of `Type=notify`. */
export interface NotifyEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined
  readonly WATCHDOG_USEC?: string | undefined
  readonly WATCHDOG_PID?: string | undefined
}

/** Tells the service manager how it goes; tells nobody where there is none. */
export class Notifier {
  readonly #socket: string | undefined
  readonly #hasWatchdog: boolean
  readonly #warn: (text: string) => void
  #isRefused = false

  /**
   * @param warn is told once where the socket takes nothing: that does not end the service
   */
  constructor(environment: NotifyEnvironment, warn: (text: string) => void) {
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = environment
    this.#socket = NOTIFY_SOCKET || undefined
    const isOurs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid)
    this.#hasWatchdog = isOurs && Number(WATCHDOG_USEC) > 0
    this.#warn = warn
  }

  /** It works; after `reloading()`: again. */
  ready(status: string): void {
    this.#send(`READY=1\nSTATUS=${oneLine(status)}`)
  }

  /** It does what it should: the watchdog waits anew. */
  alive(): void {
    if (this.#hasWatchdog) this.#send('WATCHDOG=1')
  }

  /** A line for `systemctl status`. */
  status(text: string): void {
    this.#send(`STATUS=${oneLine(text)}`)
  }

  /** It reads its configuration anew. */
  reloading(): void {
    const microseconds = process.hrtime.bigint() / 1000n
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${microseconds}`)
  }

  /** It is about to end. */
  stopping(status: string): void {
    this.#send(`STOPPING=1\nSTATUS=${oneLine(status)}`)
  }

  #send(text: string): void {
    if (this.#socket === undefined) return
    try {
      sendDatagram(this.#socket, Buffer.from(text))
    } catch (error) {
      if (!this.#isRefused) this.#warn(`the service manager is not told anything: ${(error as Error).message}`)
      this.#isRefused = true
    }
  }
}

/** Each line is a field of its own. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ')
}
