/** Whether rounds come in time. */

/** What is said of it. */
export interface Health {
  readonly isWell: boolean
  /** A line. */
  readonly text: string
}

/** Seconds without a sign of life after which a round is late. A look at hundreds of VMs may take some of them. */
export function lateAfter(interval: number): number {
  return Math.max(3 * interval, interval + 30)
}

/** Knows when the last round ended. A round may take as long as it moves something. */
export class Pulse {
  readonly #limit: number
  readonly #interval: number
  readonly #now: () => number
  /** The last sign of life. */
  #at: number
  #rounds = 0
  #failure: { readonly why: string; readonly times: number } | null = null

  /**
   * @param interval seconds from one round to the next
   * @param now milliseconds on a clock that only goes forward
   */
  constructor(interval: number, now: () => number = () => performance.now()) {
    this.#interval = interval
    this.#limit = lateAfter(interval)
    this.#now = now
    this.#at = now()
  }

  /**
   * A round has ended.
   * @param error what kept it from doing its work
   * @param isAlive whether it is a sign of life
   * @returns whether it ended in time
   */
  ended(error: Error | null, isAlive = error === null): boolean {
    const wasInTime = this.#silence() <= this.#limit
    this.#failure = error === null ? null : { why: error.message, times: (this.#failure?.times ?? 0) + 1 }
    if (!isAlive) return wasInTime
    this.#rounds++
    this.#at = this.#now()
    return wasInTime
  }

  /** A move goes on. */
  alive(): void {
    this.#at = this.#now()
  }

  look(): Health {
    const seconds = this.#silence().toFixed(1)
    const last =
      this.#rounds === 0 ? `no round has ended yet, for ${seconds} s` : `the last round ended ${seconds} s ago`
    const failed = this.#failure === null ? '' : `; ${this.#failure.times} failed since: ${this.#failure.why}`
    if (this.#silence() > this.#limit) {
      const late = `late: ${last}, one is due every ${this.#interval} s${failed}`
      return { isWell: false, text: late.replace(/\s+/g, ' ') }
    }
    return { isWell: true, text: `ok: ${last}${failed}`.replace(/\s+/g, ' ') }
  }

  /** Seconds. */
  #silence(): number {
    return (this.#now() - this.#at) / 1000
  }
}
