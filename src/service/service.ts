/** All that looks at the balancer from outside: who scrapes its metrics, who asks for its health, and the service manager. */

import type { ListenAddress } from './address.js'
import { Pulse } from './health.js'
import type { BalanceMetrics, SeenRound } from './metrics/metrics.js'
import { Notifier, type NotifyEnvironment } from './notify.js'
import type { PageServer } from './server.js'

/** How a `Service` is seen. */
export interface ServiceOptions {
  /** Where it answers; without it nowhere. */
  readonly metrics?: ListenAddress
  /** Seconds from one round to the next. */
  readonly interval: number
  /** Is told what does not end the service. */
  readonly warn: (text: string) => void
  /** Default: that of the process. */
  readonly environment?: NotifyEnvironment
}

/** While something is moved the watchdog is not fed more often. */
const FED_EVERY_MS = 1000

/** Is told how the balancer gets on, and tells others. */
export class Service {
  readonly #pulse: Pulse
  readonly #notifier: Notifier
  readonly #metrics: BalanceMetrics | null
  readonly #server: PageServer | null
  #fedAt = Number.NEGATIVE_INFINITY

  private constructor(pulse: Pulse, notifier: Notifier, metrics: BalanceMetrics | null, server: PageServer | null) {
    this.#pulse = pulse
    this.#notifier = notifier
    this.#metrics = metrics
    this.#server = server
  }

  /**
   * @throws {InputError} for a host that nobody knows
   * @throws {SyscallError} where it cannot listen there: EADDRINUSE, ...
   */
  static async open({ metrics: address, interval, warn, environment = process.env }: ServiceOptions): Promise<Service> {
    const pulse = new Pulse(interval)
    const notifier = new Notifier(environment, warn)
    if (address === undefined) return new Service(pulse, notifier, null, null)
    const [{ BalanceMetrics }, { PageServer }] = await Promise.all([
      import('./metrics/metrics.js'),
      import('./server.js'),
    ])
    const metrics = new BalanceMetrics(interval)
    const server = await PageServer.listen('--metrics', address, {
      metrics: () => metrics.text(),
      metricsType: metrics.contentType,
      health: () => pulse.look(),
    })
    return new Service(pulse, notifier, metrics, server)
  }

  /** Where it answers, with the port that it got; `null`: nowhere. */
  get address(): ListenAddress | null {
    return this.#server?.address ?? null
  }

  /** The first round is about to begin, or a policy was read again. */
  ready(status: string): void {
    this.#notifier.ready(status)
  }

  /**
   * A round has ended. Only one that ended in time and looked and decided feeds the watchdog. That it could not write down what it has decided,
   * since the disk is full, is told, and no reason to be started again: it would know less then.
   */
  round(seen: SeenRound, status: string): void {
    const isAlive = seen.error === null || seen.decided !== null
    const wasInTime = this.#pulse.ended(seen.error, isAlive)
    this.#metrics?.round(seen, wasInTime)
    this.#notifier.status(status)
    if (wasInTime && isAlive) this.#feed()
  }

  /** What is being moved comes on: however long that takes, it hangs nowhere. */
  alive(): void {
    this.#pulse.alive()
    if (performance.now() - this.#fedAt >= FED_EVERY_MS) this.#feed()
  }

  #feed(): void {
    this.#fedAt = performance.now()
    this.#notifier.alive()
  }

  /** A policy is read again; `ready` ends it. */
  reloading(): void {
    this.#notifier.reloading()
  }

  /** It was told to end. */
  stopping(status: string): void {
    this.#notifier.stopping(status)
  }

  /** Answers nobody any more. */
  async close(): Promise<void> {
    await this.#server?.close()
  }
}
