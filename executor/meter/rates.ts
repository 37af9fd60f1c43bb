/** What happened between two readings. Pure. `null` is what nothing measures, never 0. */

import { requireList, requireObject } from '../../src/checks.js'
import type { FoundVm, Missing } from '../found/types.js'
import { type HostRates, hostRates, nodeOfCpus } from './host-rates.js'
import { EXIT_REASONS, HALT_POLLING } from './kvm.js'
import { perSecond } from './per-second.js'
import type { KvmCounters, MemoryReading, NodeFaults, Rationed, Reading, ThreadReading, VmReading } from './types.js'

/** All that happened. */
export interface Rates {
  /** Between the readings. */
  readonly seconds: number
  /** The whole host. */
  readonly host: HostRates
  /** Those of the later reading, ascending by pid. */
  readonly vms: readonly VmRates[]
  /** What keeps VMs from being found, and what of these figures nobody may read here. */
  readonly missing: readonly Missing[]
}

/** What vCPUs and VMs have in common. */
export interface Use {
  /** CPUs that were used: of a vCPU at most 1. */
  readonly use: number | null
  /** CPUs that were waited for: time that threads were runnable and did not run. */
  readonly delay: number | null
  /** How often threads went to another CPU, a second. */
  readonly migrations: number | null
  /** Share of the sampled accesses that went to another node than the vCPU ran on last. */
  readonly remoteFaults: number | null
  /** Exits from the guest a second. */
  readonly exits: ExitRates | null
  /** CPUs that halted vCPUs used for polling. */
  readonly haltPolling: number | null
}

/** What a VM did. */
export interface VmRates extends Use {
  /** As it was last found. */
  readonly vm: FoundVm
  /** Of those whose threads are known, ascending. */
  readonly vcpus: readonly VcpuRates[]
  /** CPUs that the other threads of the process used; by ticks, so that short times are rough. */
  readonly others: number | null
  /** Where its memory was when that was last looked at. */
  readonly memory: MemoryReading | null
  /** Share of that on other nodes than its vCPUs run on, each weighed with its use. */
  readonly remoteMemory: number | null
}

/** What a vCPU did. */
export interface VcpuRates extends Use {
  /** Its number in its VM. */
  readonly vcpu: number
  /** The thread that runs it. */
  readonly tid: number
  /** The CPU that it ran on last. */
  readonly lastCpu: number | null
  /** The node of that CPU. */
  readonly node: number | null
}

/** Exits a second. */
export interface ExitRates {
  /** Of all kinds. */
  readonly all: number
  /** By KVM's names of their counters; not every exit has one. None is above `all`, whose counter is read at another moment. */
  readonly byReason: Readonly<Record<string, number>>
}

/** @throws {InputError} for what no meter has read */
function requireReading(where: string, reading: unknown): void {
  requireObject(where, reading)
  const { host, vms } = reading as Record<string, unknown>
  requireObject(`${where}.host`, host)
  requireList(`${where}.vms`, vms)
}

/**
 * @param before of the same meter; VMs and threads that it does not have get no rates
 * With one reading twice all rates are `null`.
 * @throws {InputError} for what is no reading
 */
export function ratesBetween(before: Reading, after: Reading): Rates {
  requireReading('before', before)
  requireReading('after', after)
  const seconds = (after.at - before.at) / 1000
  const nodeOf = nodeOfCpus(after.host)
  const known = new Map(before.vms.map((reading) => [identityOf(reading.vm), reading]))
  return {
    seconds,
    host: hostRates(before.host, after.host, seconds),
    vms: after.vms.map((reading) => vmRates(known.get(identityOf(reading.vm)) ?? null, reading, seconds, nodeOf)),
    missing: after.missing,
  }
}

function identityOf({ pid, startTime }: FoundVm): string {
  return `${pid}/${startTime}`
}

type NodeOf = ReadonlyMap<number, number>

function vmRates(before: VmReading | null, after: VmReading, seconds: number, nodeOf: NodeOf): VmRates {
  const known = new Map(before?.threads.map((thread) => [thread.tid, thread]))
  const vcpus = after.threads.map((thread) => vcpuRates(known.get(thread.tid) ?? null, thread, seconds, nodeOf))
  const use = sumOf(vcpus.map((vcpu) => vcpu.use))
  const whole = perSecond(before?.processNs, after.processNs, seconds)
  const hasAll = vcpus.length > 0 && vcpus.length === after.vm.vcpus.length
  return {
    vm: after.vm,
    vcpus,
    use: hasAll ? use : null,
    delay: hasAll ? sumOf(vcpus.map(({ delay }) => delay)) : null,
    migrations: hasAll ? sumOf(vcpus.map(({ migrations }) => migrations)) : null,
    // Ticks are rounded otherwise than the time of the vCPUs.
    others: hasAll && use !== null && whole !== null ? Math.max(0, whole / 1e9 - use) : null,
    memory: after.memory,
    remoteMemory: remoteMemory(after.memory, vcpus),
    remoteFaults: remoteShare(
      after.threads.map(({ details }) => ({
        faults: details?.value.faults ?? null,
        node: nodeAt(nodeOf, details?.value.lastCpu ?? null),
      })),
    ),
    exits: exitsOf(after.kvm, (kvm) => kvm),
    haltPolling: pollingOf(after.kvm, (kvm) => kvm),
  }
}

function vcpuRates(before: ThreadReading | null, after: ThreadReading, seconds: number, nodeOf: NodeOf): VcpuRates {
  const { vcpu, tid, details } = after
  const lastCpu = details?.value.lastCpu ?? null
  const node = nodeAt(nodeOf, lastCpu)
  const share = (old: number | null | undefined, now: number | null) => {
    const rate = perSecond(old, now, seconds)
    return rate === null ? null : rate / 1e9
  }
  return {
    vcpu,
    tid,
    lastCpu,
    node,
    use: atMost(1, share(before?.onCpuNs, after.onCpuNs)),
    delay: atMost(1, share(before?.delayNs, after.delayNs)),
    migrations: rationedRate(details, (value) => value.migrations),
    remoteFaults: remoteShare([{ faults: details?.value.faults ?? null, node }]),
    exits: exitsOf(details, (value) => value.kvm),
    haltPolling: pollingOf(details, (value) => value.kvm),
  }
}

/** Files are not read at the very time of the reading. */
function atMost(most: number, value: number | null): number | null {
  return value === null ? null : Math.min(most, value)
}

/** `null` where one is not known. */
function sumOf(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>((sum, value) => (sum === null || value === null ? null : sum + value), 0)
}

function nodeAt(nodeOf: NodeOf, cpu: number | null): number | null {
  return cpu === null ? null : (nodeOf.get(cpu) ?? null)
}

/** Of all threads together: each counts as much as was sampled of it. */
function remoteShare(
  threads: readonly { readonly faults: readonly NodeFaults[] | null; readonly node: number | null }[],
): number | null {
  let [all, remote] = [0, 0]
  for (const { faults, node: own } of threads) {
    if (own === null) continue
    for (const { node, count } of faults ?? []) {
      all += count
      if (node !== own) remote += count
    }
  }
  return all === 0 ? null : remote / all
}

function remoteMemory(memory: MemoryReading | null, vcpus: readonly VcpuRates[]): number | null {
  const bytes = memory?.nodes.reduce((sum, node) => sum + node.bytes, 0) ?? 0
  const placed = vcpus.filter(({ node }) => node !== null)
  if (bytes === 0 || placed.length === 0 || placed.length < vcpus.length) return null
  // If nobody runs, all count alike.
  const isIdle = placed.every(({ use }) => (use ?? 0) === 0)
  const weightOf = ({ use }: VcpuRates) => (isIdle ? 1 : (use ?? 0))
  const weight = placed.reduce((sum, vcpu) => sum + weightOf(vcpu), 0)
  const on = new Map(memory!.nodes.map((node) => [node.node, node.bytes]))
  const remote = placed.reduce((sum, vcpu) => sum + weightOf(vcpu) * (1 - (on.get(vcpu.node!) ?? 0) / bytes), 0)
  return remote / weight
}

/** Growth of a counter a second, between the times that it was read. */
function rationedRate<Value>(
  reading: Rationed<Value> | null,
  counterOf: (value: Value) => number | null | undefined,
): number | null {
  if (reading === null || reading.before === null) return null
  const { at, value, before } = reading
  return perSecond(counterOf(before.value), counterOf(value), (at - before.at) / 1000)
}

type KvmOf<Value> = (value: Value) => KvmCounters | null

function exitsOf<Value>(reading: Rationed<Value> | null, kvmOf: KvmOf<Value>): ExitRates | null {
  const all = rationedRate(reading, (value) => kvmOf(value)?.exits)
  if (all === null) return null
  const reasons = Object.keys(EXIT_REASONS).flatMap((name): [string, number][] => {
    const rate = atMost(
      all,
      rationedRate(reading, (value) => kvmOf(value)?.[name]),
    )
    return rate === null ? [] : [[name, rate]]
  })
  return { all, byReason: Object.fromEntries(reasons) }
}

function pollingOf<Value>(reading: Rationed<Value> | null, kvmOf: KvmOf<Value>): number | null {
  const [won, lost] = HALT_POLLING.map((name) => rationedRate(reading, (value) => kvmOf(value)?.[name]))
  return won === null || won === undefined || lost === null || lost === undefined ? null : (won + lost) / 1e9
}
