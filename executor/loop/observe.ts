/** What runs here, round by round: counters between two readings, and where all of it is. */

import { withMeasures } from '../../src/topology/measured.js'
import { detectHost } from '../../src/topology/node-fs.js'
import type { Host } from '../../src/types.js'
import type { Observation } from '../balance/types.js'
import { nameIn } from '../found/as-request.js'
import { findVms } from '../found/find.js'
import type { Found, FoundVm } from '../found/types.js'
import { Meter } from '../meter/meter.js'
import { type Rates, ratesBetween } from '../meter/rates.js'
import type { Reading } from '../meter/types.js'
import { type Rival, rivalsOf } from './rivals.js'

/** All that is known at the end of an interval. */
export interface Seen {
  /** For the decision. */
  readonly observation: Observation
  /** What happened in the interval. */
  readonly rates: Rates
  /** The counters at its end. */
  readonly reading: Reading
  /** Where it is: threads and memory. */
  readonly found: Found
  /** As the kernel shows it now, with what was measured. */
  readonly host: Host
  /** Others who place the same. */
  readonly rivals: readonly Rival[]
}

/** To say where memory is the kernel walks page tables: after a look for which it took 1 ms there is none for so many. */
const REST = 10
/** Rivals are looked for so often: that takes a look at all processes. */
const RIVALS_MS = 60_000

/** Which process it is, for as long as it runs. */
export function keyOf({ pid, startTime }: Pick<FoundVm, 'pid' | 'startTime'>): string {
  return `${pid}:${startTime}`
}

/** Milliseconds on a clock that goes on from one process to the next, until the system is started anew. */
export function now(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

export class Observer implements Disposable {
  readonly #connect: { readonly connect?: string }
  readonly #measured: Host | undefined
  readonly #meter: Meter
  #before: Reading
  #found: { readonly found: Found; readonly restUntil: number } | null = null
  #rivals: { readonly rivals: readonly Rival[]; readonly restUntil: number } | null = null

  private constructor(connect: { readonly connect?: string }, meter: Meter, before: Reading, measured?: Host) {
    this.#connect = connect
    this.#measured = measured
    this.#meter = meter
    this.#before = before
  }

  /**
   * @param measured what was measured of this machine
   * @throws {UnsupportedError} as `findVms` does
   */
  static async open(connect: { readonly connect?: string }, measured?: Host): Promise<Observer> {
    const meter = await Meter.open({ ...connect, memory: false })
    try {
      return new Observer(connect, meter, await meter.read(), measured)
    } catch (error) {
      meter.close()
      throw error
    }
  }

  /** When the interval began that the next look ends, on the clock of `performance.now()`. */
  get since(): number {
    return this.#before.at
  }

  /** Ends the interval. */
  async look(): Promise<Seen> {
    const after = await this.#meter.read()
    const rates = ratesBetween(this.#before, after)
    this.#before = after
    const at = now()
    const found = await this.#findThese(after.vms.map(({ vm }) => vm))
    const detected = await detectHost()
    const host = this.#measured === undefined ? detected : withMeasures(detected, this.#measured)
    const rivals = this.#rivalsOf(found, host)
    return { observation: observationOf(rates, at), rates, reading: after, found, host, rivals }
  }

  /** As it is at this moment. */
  async find(): Promise<Found> {
    const before = process.cpuUsage()
    const found = await findVms(this.#connect)
    const { system } = process.cpuUsage(before)
    this.#found = { found, restUntil: performance.now() + (REST * system) / 1000 }
    return found
  }

  /** After changes what was found is of use no more. */
  forget(): void {
    this.#found = null
  }

  /** What is known of these is taken for a while: that of others makes it necessary to look anew. */
  async #findThese(vms: readonly FoundVm[]): Promise<Found> {
    if (this.#found === null || performance.now() >= this.#found.restUntil) return this.find()
    const { found } = this.#found
    const [known, here] = [new Set(found.vms.map(keyOf)), new Set(vms.map(keyOf))]
    if (vms.some((vm) => !known.has(keyOf(vm)))) return this.find()
    return { ...found, vms: found.vms.filter((vm) => here.has(keyOf(vm))) }
  }

  #rivalsOf({ vms }: Found, host: Host): readonly Rival[] {
    if (this.#rivals === null || performance.now() >= this.#rivals.restUntil) {
      this.#rivals = { rivals: rivalsOf(vms, host), restUntil: performance.now() + RIVALS_MS }
    }
    return this.#rivals.rivals
  }

  close(): void {
    this.#meter.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function observationOf({ seconds, vms, host }: Rates, at: number): Observation {
  const all = vms.map(({ vm }) => vm)
  const { cpu, memory } = host.pressure
  return {
    at,
    interval: seconds * 1000,
    vms: vms.map(({ vm, vcpus }) => ({
      key: keyOf(vm),
      name: nameIn(all, vm),
      vcpus: vcpus.map(({ use, delay }) => ({ use, delay })),
    })),
    pressure: { cpu: cpu?.some ?? null, memory: memory?.some ?? null },
  }
}
