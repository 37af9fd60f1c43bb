/** What the metrics say of rounds, VMs and the host. */

import type { Round } from '../../../executor/balance/types.js'
import type { FoundVm } from '../../../executor/found/types.js'
import { ratesBetween } from '../../../executor/meter/rates.js'
import type { Reading } from '../../../executor/meter/types.js'
import { VERSION } from '../../planner/generated/abi.js'
import { COST_TERMS } from '../../types.js'
import { hostSamples } from './host.js'
import { MetricRegistry } from './registry.js'
import type { Sample, Samples } from './sample.js'
import { VmLabels } from './vm-labels.js'
import { keyOf, vmSamples } from './vms.js'

/** So many VMs have metrics of their own at a time. */
export const VM_PLACES = 256

/** A round as the metrics see it. */
export interface SeenRound {
  /** `null`: there was no decision. */
  readonly decided: Round | null
  /** What was done; `null`: nothing was to be done. */
  readonly action: {
    readonly kind: string
    readonly result: string
    readonly vms: readonly string[]
    readonly bytes: number
    readonly seconds: number
  } | null
  /** What kept it from looking or deciding. */
  readonly error: Error | null
  /** `null`: it could not be looked. */
  readonly reading: Reading | null
  /** The VMs with their memory, where the meter does not look at that. */
  readonly found: { readonly vms: readonly FoundVm[] } | null
  /** How long it took, without the action. */
  readonly seconds: number
}

/** Keeps what `/metrics` shows. */
export class BalanceMetrics {
  readonly #registry = new MetricRegistry()
  readonly #labels: VmLabels
  #before: Reading | null = null

  /**
   * @param interval seconds
   * @param places VMs that have metrics of their own
   */
  constructor(interval: number, places = VM_PLACES) {
    this.#labels = new VmLabels(places)
    this.#registry.put({
      homenode_balance_interval_seconds: [[{}, interval]],
      homenode_build_info: [[{ version: VERSION }, 1]],
      process_start_time_seconds: [[{}, Math.round(performance.timeOrigin) / 1000]],
      // From 0, so that the first time is seen as growth.
      homenode_balance_failed_rounds_total: [[{}, 0]],
      homenode_balance_late_rounds_total: [[{}, 0]],
      homenode_balance_action_seconds_total: [[{}, 0]],
      homenode_balance_moved_vms_total: [[{}, 0]],
      homenode_balance_moved_bytes_total: [[{}, 0]],
    })
  }

  /** A round has ended. */
  round({ decided, action, error, reading, found, seconds }: SeenRound, wasInTime: boolean): void {
    const registry = this.#registry
    registry.observe('homenode_balance_round_duration_seconds', seconds)
    registry.put({ homenode_balance_last_round_timestamp_seconds: [[{}, Date.now() / 1000]] })
    if (!wasInTime) registry.add('homenode_balance_late_rounds_total', 1)
    if (error !== null) registry.add('homenode_balance_failed_rounds_total', 1)
    if (action !== null) {
      const { kind, result, vms, bytes } = action
      registry.add('homenode_balance_actions_total', 1, { action: kind, result })
      registry.add('homenode_balance_action_seconds_total', action.seconds)
      registry.add('homenode_balance_moved_bytes_total', bytes)
      if (result === 'done') registry.add('homenode_balance_moved_vms_total', vms.length)
    }
    if (decided !== null) {
      const { decision, reason } = decided
      registry.add('homenode_balance_rounds_total', 1, { decision, reason })
      registry.put(roundSamples(decided))
    }
    if (reading === null) return
    registry.put(this.#vms(decided?.vms ?? [], withMemory(reading, found?.vms ?? [])))
    registry.put(hostSamples(reading.host))
  }

  #vms(records: Round['vms'], after: Reading): Samples {
    const vms = after.vms.map(({ vm }) => ({ key: keyOf(vm), name: vm.name.value, pid: vm.pid }))
    const labels = this.#labels.update(vms)
    // One reading alone has no rates, and says where the memory is all the same.
    const rates = ratesBetween(this.#before ?? after, after).vms
    this.#before = after
    return {
      homenode_vms: [[{}, vms.length]],
      homenode_vms_without_series: [[{}, vms.length - labels.size]],
      ...vmSamples({ records, readings: after.vms, rates, host: after.host }, labels),
    }
  }

  /** All of them, in Prometheus' text format. */
  text(): Promise<string> {
    const { user, system } = process.cpuUsage()
    this.#registry.put({
      process_cpu_seconds_total: [[{}, (user + system) / 1e6]],
      process_resident_memory_bytes: [[{}, process.memoryUsage.rss()]],
    })
    return this.#registry.text()
  }

  /** The media type of that. */
  get contentType(): string {
    return this.#registry.contentType
  }
}

function roundSamples({ now, planned, figures, at }: Round): Samples {
  const { gain, price, held, until, delay } = figures
  const terms = COST_TERMS.filter((term) => term !== 'migration')
  return {
    homenode_balance_lost_vcpus: now === null ? [] : terms.map((term): Sample => [{ term }, now.terms[term] ?? 0]),
    homenode_balance_planned_lost_vcpus: [[{}, planned?.lostVcpus ?? null]],
    homenode_balance_gain_vcpus: [[{}, gain]],
    homenode_balance_price_vcpu_seconds: [[{}, price]],
    homenode_balance_held_rounds: [[{}, held]],
    homenode_balance_pause_seconds: [[{}, Math.max(0, (until ?? at) - at) / 1000]],
    homenode_balance_vcpu_delay_ratio: [[{}, delay]],
  }
}

/** Guest memory of those that were found, where the meter has read none. */
function withMemory(reading: Reading, found: readonly FoundVm[]): Reading {
  const mappings = new Map(found.map((vm) => [keyOf(vm), vm.mappings]))
  const vms = reading.vms.map((one) => {
    const known = mappings.get(keyOf(one.vm)) ?? []
    if (one.memory !== null || known.length === 0) return one
    const bytes = new Map<number, number>()
    for (const { resident } of known) {
      for (const part of resident) bytes.set(part.node, (bytes.get(part.node) ?? 0) + part.bytes)
    }
    const nodes = [...bytes].map(([node, sum]) => ({ node, bytes: sum })).sort((a, b) => a.node - b.node)
    return { ...one, memory: { at: reading.at, tookNs: 0, nodes } }
  })
  return { ...reading, vms }
}
