/**
 * Waiting for as long as tasks of the host wait for memory.
 * Source: Documentation/accounting/psi.rst
 */

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { shareOfLast10 } from '../meter/parse.js'
import type { PressureLimit } from './types.js'

export const HOST_PRESSURE = '/proc/pressure/memory'

/** The kernel reckons anew every 2 s. */
const LOOK_EVERY_MS = 500
const PAUSE_MS = 1000
/** Half-moved for ever is worse than moved at a bad time. */
const MOST_PAUSES = 60

export class MemoryPressure {
  readonly #limit: PressureLimit
  readonly #signal: AbortSignal | undefined
  readonly #pauseMs: number
  #lookedAt = Number.NEGATIVE_INFINITY
  #pauses = 0

  constructor(limit: PressureLimit, signal?: AbortSignal, pauseMs = PAUSE_MS) {
    this.#limit = limit
    this.#signal = signal
    this.#pauseMs = pauseMs
  }

  /** Milliseconds that it has waited in all. */
  get pausedMs(): number {
    return this.#pauses * this.#pauseMs
  }

  /** Resolves when there is little enough of it, the signal ends it, or it has waited as long as it may. What is not measured is none. */
  async wait(onPause: () => void): Promise<void> {
    if (performance.now() - this.#lookedAt < LOOK_EVERY_MS) return
    while (this.#isHigh() && this.#pauses < MOST_PAUSES && this.#signal?.aborted !== true) {
      this.#pauses++
      onPause()
      await sleep(this.#pauseMs, undefined, this.#signal && { signal: this.#signal }).catch(() => {})
    }
    this.#lookedAt = performance.now()
  }

  #isHigh(): boolean {
    const { most, file = HOST_PRESSURE } = this.#limit
    return (shareOfLast10(textOf(file)) ?? 0) > most
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Kernels may be built, or booted, without it.
    return ''
  }
}
