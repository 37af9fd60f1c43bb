/** The metrics of the table in prom-client, whose values are put there all at a time. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Samples } from './sample.js'
import { METRICS, type MetricName } from './table.js'

type Metric = Counter | Gauge | Histogram

/** The registry of one service. */
export class MetricRegistry {
  readonly #registry = new Registry()
  readonly #metrics = new Map<MetricName, Metric>()

  constructor() {
    for (const name of Object.keys(METRICS) as MetricName[]) {
      const metric = this.#make(name)
      if (!(metric instanceof Histogram)) clear(name, metric)
      this.#metrics.set(name, metric)
    }
  }

  #make(name: MetricName): Metric {
    const { type, labels, help, ...more } = METRICS[name]
    const common = { name, help, labelNames: [...labels], registers: [this.#registry] }
    if (type === 'counter') return new Counter(common)
    if (type === 'gauge') return new Gauge(common)
    return 'buckets' in more ? new Histogram({ ...common, buckets: [...more.buckets] }) : new Histogram(common)
  }

  /** All series of these metrics, instead of those that they had. Of a counter these are its values, not what they grew by. */
  put(samples: Samples): void {
    for (const [name, series] of Object.entries(samples)) {
      const metric = this.#metrics.get(name as MetricName)
      if (metric === undefined || metric instanceof Histogram) throw new TypeError(`${name} is no counter or gauge`)
      clear(name as MetricName, metric)
      for (const [labels, value] of series) if (value !== null) metric.inc(labels, value)
    }
  }

  /** Counts on. */
  add(name: MetricName, value: number, labels: Readonly<Record<string, string>> = {}): void {
    const metric = this.#metrics.get(name)
    if (!(metric instanceof Counter)) throw new TypeError(`${name} is no counter`)
    metric.inc(labels, value)
  }

  /** One more of what a histogram counts. */
  observe(name: MetricName, value: number): void {
    const metric = this.#metrics.get(name)
    if (!(metric instanceof Histogram)) throw new TypeError(`${name} is no histogram`)
    metric.observe(value)
  }

  /** All of them, in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  /** The media type of that. */
  get contentType(): string {
    return this.#registry.contentType
  }
}

/** What has no labels is 0 in prom-client after a reset, whether it was measured or not. */
function clear(name: MetricName, metric: Counter | Gauge): void {
  metric.reset()
  if (METRICS[name].labels.length === 0) metric.remove()
}
