/** What guests did between two rounds: for how long their vCPUs ran, and waited for a CPU. */

import type { Observation } from '../../../balance/types.js'
import { KeptFiles } from '../../../meter/kept-files.js'
import { parsePressure } from '../../../meter/parse.js'
import { perSecond } from '../../../meter/per-second.js'
import { ThreadMeter } from '../../../meter/threads.js'
import type { GuestNow } from './guest.js'

interface Counters {
  readonly onCpuNs: number | null
  readonly delayNs: number | null
}

interface Thread {
  readonly meter: ThreadMeter
  readonly counters: Counters | null
}

type Pressure = Record<'cpu' | 'memory', number | null>

export class GuestObserver {
  readonly #files = new KeptFiles()
  readonly #pressure = {
    cpu: this.#files.file('/proc/pressure/cpu'),
    memory: this.#files.file('/proc/pressure/memory'),
  }
  /** By guest and vCPU: a thread may be another guest's later. */
  #threads: ReadonlyMap<string, Thread> = new Map()
  #before: { readonly at: number; readonly pressure: Pressure } = { at: performance.now(), pressure: this.#waits() }

  /** Ends an interval. What was not there when it began was not measured. */
  look(guests: readonly { readonly name: string; readonly now: GuestNow }[]): Observation {
    const { at: since, pressure: before } = this.#before
    const at = performance.now()
    const pressure = this.#waits()
    const seconds = (at - since) / 1000
    const threads = new Map<string, Thread>()
    const vms = guests.map(({ name, now: { guest, vcpus } }) => ({
      key: guest.key,
      name,
      vcpus: vcpus.map(({ id, tid }) => {
        const key = `${guest.key}/${id}/${tid}`
        const known = this.#threads.get(key)
        const meter = known?.meter ?? new ThreadMeter(this.#files, process.pid, { vcpu: id, tid })
        const counters = meter.read()
        threads.set(key, { meter, counters })
        return {
          use: share(known?.counters?.onCpuNs, counters?.onCpuNs, seconds),
          delay: share(known?.counters?.delayNs, counters?.delayNs, seconds),
        }
      }),
    }))
    for (const [key, { meter }] of this.#threads) if (!threads.has(key)) meter.close()
    this.#threads = threads
    this.#before = { at, pressure }
    return {
      at,
      interval: at - since,
      vms,
      pressure: {
        cpu: share(before.cpu, pressure.cpu, seconds),
        memory: share(before.memory, pressure.memory, seconds),
      },
    }
  }

  #waits(): Pressure {
    const of = (name: 'cpu' | 'memory') => parsePressure(this.#pressure[name].text() ?? '')?.someNs ?? null
    return { cpu: of('cpu'), memory: of('memory') }
  }

  close(): void {
    this.#files.close()
  }
}

/** Of the time; files are not read at the very time of the reading. */
function share(before: number | null | undefined, after: number | null | undefined, seconds: number): number | null {
  const rate = perSecond(before, after, seconds)
  return rate === null ? null : Math.min(1, rate / 1e9)
}
