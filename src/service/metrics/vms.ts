/** What the metrics say of VMs. */

import type { Round, VmRecord } from '../../../executor/balance/types.js'
import type { FoundVm } from '../../../executor/found/types.js'
import type { VmRates } from '../../../executor/meter/rates.js'
import type { HostReading, ThreadReading, VmReading } from '../../../executor/meter/types.js'
import { type Sample, type Samples, secondsOf } from './sample.js'

/** As the balancer calls it. */
export function keyOf({ pid, startTime }: Pick<FoundVm, 'pid' | 'startTime'>): string {
  return `${pid}:${startTime}`
}

/** What is known of VMs after a round. */
export interface VmFigures {
  readonly records: Round['vms']
  readonly readings: readonly VmReading[]
  readonly rates: readonly VmRates[]
  readonly host: HostReading
}

/** @param labels by key; who has none is left out */
export function vmSamples(figures: VmFigures, labels: ReadonlyMap<string, string>): Samples {
  const { records, readings, rates, host } = figures
  const labelled = (key: string, samples: readonly Sample[]): readonly Sample[] => {
    const vm = labels.get(key)
    return vm === undefined ? [] : samples.map(([more, value]): Sample => [{ vm, ...more }, value])
  }
  const recorded = (value: (record: VmRecord) => number | null) =>
    records.flatMap((record) => labelled(record.key, [[{}, value(record)]]))
  const read = (samples: (reading: VmReading) => readonly Sample[]) =>
    readings.flatMap((reading) => labelled(keyOf(reading.vm), samples(reading)))
  const readOne = (value: (reading: VmReading) => number | null) => read((reading) => [[{}, value(reading)]])
  const rated = (value: (rate: VmRates) => number | null) =>
    rates.flatMap((rate) => labelled(keyOf(rate.vm), [[{}, value(rate)]]))
  const nodeOf = new Map(host.nodes.flatMap(({ node, cpus }) => cpus.map((cpu): [number, number] => [cpu, node])))
  return {
    homenode_vm_lost_vcpus: recorded(({ lostVcpus }) => lostVcpus),
    homenode_vm_demand_ratio: recorded(({ demand }) => demand),
    homenode_vm_vcpus: read((reading) => vcpusByNode(reading, nodeOf)),
    homenode_vm_vcpu_seconds_total: readOne((reading) => secondsOf(sumOf(reading, ({ onCpuNs }) => onCpuNs))),
    homenode_vm_vcpu_delay_seconds_total: readOne((reading) => secondsOf(sumOf(reading, ({ delayNs }) => delayNs))),
    homenode_vm_vcpu_migrations_total: readOne((reading) =>
      sumOf(reading, ({ details }) => details?.value.migrations ?? null),
    ),
    homenode_vm_process_seconds_total: readOne(({ processNs }) => secondsOf(processNs)),
    homenode_vm_exits_total: readOne(({ kvm }) => kvm?.value.exits ?? null),
    homenode_vm_memory_bytes: read(({ memory }) =>
      (memory?.nodes ?? []).map(({ node, bytes }): Sample => [{ node: String(node) }, bytes]),
    ),
    homenode_vm_remote_memory_ratio: rated(({ remoteMemory }) => remoteMemory),
    homenode_vm_remote_accesses_ratio: rated(({ remoteFaults }) => remoteFaults),
  }
}

/** `null` where a thread is not known, or what it counts is not measured: a sum without it would go down and up. */
function sumOf({ vm, threads }: VmReading, counterOf: (thread: ThreadReading) => number | null): number | null {
  if (threads.length === 0 || threads.length < vm.vcpus.length) return null
  return threads.reduce<number | null>((sum, thread) => {
    const value = counterOf(thread)
    return sum === null || value === null ? null : sum + value
  }, 0)
}

/** Those of which it is known. */
function vcpusByNode({ threads }: VmReading, nodeOf: ReadonlyMap<number, number>): Sample[] {
  const counts = new Map<number, number>()
  for (const { details } of threads) {
    const node = nodeOf.get(details?.value.lastCpu ?? -1)
    if (node !== undefined) counts.set(node, (counts.get(node) ?? 0) + 1)
  }
  return [...counts].map(([node, count]) => [{ node: String(node) }, count])
}
