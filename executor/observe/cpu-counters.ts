/** Events on CPUs, counted by the CPUs themselves. */

import { requireId, requireObject } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import { PERF_COUNT_HW_CACHE_MISSES, PERF_COUNT_HW_CACHE_REFERENCES, PERF_TYPE_HARDWARE } from '../abi/perf.js'
import { closeAll } from '../ffi/close.js'
import { OwnedFd } from '../ffi/files.js'
import { type CounterEvent, openCounter, readCounter } from '../ffi/perf.js'

/** References to the last-level cache and misses in it, in this order. */
export const CACHE_EVENTS: readonly CounterEvent[] = [
  { type: PERF_TYPE_HARDWARE, config: PERF_COUNT_HW_CACHE_REFERENCES },
  { type: PERF_TYPE_HARDWARE, config: PERF_COUNT_HW_CACHE_MISSES },
]

/**
 * Owns a counter for each event on each CPU.
 * @example
 * ```ts
 * import { CpuCounters } from 'homenode/executor'
 *
 * try {
 *   using counters = CpuCounters.open([0])
 *   await new Promise((resolve) => setTimeout(resolve, 100))
 *   const [references, misses] = counters.read().get(0) ?? []
 *   console.log(`CPU 0: ${misses} misses of ${references} references`)
 * } catch (error) {
 *   console.log(`no counters here: ${error}`)
 * }
 * ```
 */
export class CpuCounters implements Disposable {
  readonly #counters: { readonly cpu: number; readonly fds: readonly OwnedFd[] }[] = []

  private constructor() {}

  /**
   * Counts on these CPUs from now on, whoever runs there.
   * @param events what; by default `CACHE_EVENTS`
   * @throws {SyscallError} ENOENT where the CPUs do not count such events, EACCES without the right to; nothing stays open
   */
  static open(cpus: readonly number[], events: readonly CounterEvent[] = CACHE_EVENTS): CpuCounters {
    if (!Array.isArray(cpus)) throw new InputError('cpus', 'an array of CPUs', show(cpus))
    if (!Array.isArray(events)) throw new InputError('events', 'an array of events', show(events))
    for (const cpu of cpus) requireId('cpus', cpu)
    for (const event of events) {
      requireObject('events', event)
      requireId('events.type', event.type)
      requireId('events.config', event.config)
    }
    const counters = new CpuCounters()
    try {
      for (const cpu of cpus) {
        const fds: OwnedFd[] = []
        counters.#counters.push({ cpu, fds })
        for (const event of events) fds.push(new OwnedFd(openCounter(cpu, event)))
      }
      return counters
    } catch (error) {
      counters.close()
      throw error
    }
  }

  /**
   * Counts since `open`, for each CPU in the order of the events. A CPU that has gone offline, or whose counters had no turn
   * yet, is missing.
   * @throws {SyscallError}
   */
  read(): ReadonlyMap<number, readonly number[]> {
    const found = new Map<number, number[]>()
    for (const { cpu, fds } of this.#counters) {
      const counts = fds.map(({ fd }) => readCounter(fd)).filter((count) => count !== null)
      if (counts.length === fds.length) found.set(cpu, counts)
    }
    return found
  }

  /** Closes all of them; again: nothing. */
  close(): void {
    closeAll(this.#counters.flatMap(({ fds }) => fds))
  }

  /** `close()`. */
  [Symbol.dispose](): void {
    this.close()
  }
}
