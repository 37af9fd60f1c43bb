/**
 * vCPUs that run one of our guests for a while: in the executor, and in its C peer (c/vcpus.c) with the same guest, on
 * the same CPUs. Both have a thread for each vCPU beside the main one, and count after a warm-up.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Guest, GuestShare } from '../../executor/guests/guest.js'
import { REPORT_PORT } from '../../executor/guests/walk.js'
import { observeThread } from '../../executor/observe/observe.js'
import { bootImage } from '../../executor/program/boot.js'
import type { Vm } from '../../executor/vm/vm.js'
import type { ExecutorBundle } from '../../test/executor/bundle.js'
import { planOf } from '../../test/executor/plans.js'
import type { Peer } from './peer.js'
import { waitingPercent } from './turns.js'

/** A VM to make. */
export interface Stage {
  readonly guest: Guest
  readonly memoryBytes: number
  /** cpulist of each vCPU, without ranges. */
  readonly cpus: readonly string[]
}

/** And what to do with it. */
export interface Scene extends Stage {
  readonly warmUpSeconds: number
  readonly seconds: number
  /** Whether writes to the report port are kept by the kernel rather than each an exit. */
  readonly coalesced?: boolean
  /** Where in its memory the guest counts, 64 bits. */
  readonly counterAt?: number
  /** How often the main thread looks at the threads meanwhile, as an observer would. */
  readonly samplesPerSecond?: number
}

/** What one vCPU did after the warm-up. */
export interface VcpuTurn {
  readonly exits: number
  /** To the report port. */
  readonly writes: number
  /** By how much the counter in the guest's memory has grown; 0 where there is none. */
  readonly counted: number
  readonly elapsedNs: number
  /** Of that: runnable, and not running. */
  readonly runDelayNs: number
}

/** At both ends of the memory, for code and page tables: these are at its end here, and behind the code in C. */
const RESERVED = 64 * 1024

export function shareOf(vcpu: number, { memoryBytes, cpus }: Omit<Stage, 'guest'>): GuestShare {
  const pages = Math.floor((memoryBytes - 2 * RESERVED) / 4096 / cpus.length)
  return { vcpu, start: RESERVED + vcpu * pages * 4096, end: RESERVED + (vcpu + 1) * pages * 4096 }
}

/** A VM that is ready to run the guest; the caller closes it. */
export async function createVm({ executor, verified }: ExecutorBundle, stage: Stage): Promise<Vm> {
  const plan = verified.sealPlan(planOf({ vcpus: stage.cpus, cells: [stage.memoryBytes] }))
  const vm = await executor.Vm.create(plan, 'demo')
  try {
    await vm.load(stage.guest.code)
    for (const vcpu of vm.vcpus) vcpu.startInLongMode(0, stage.guest.registers(shareOf(vcpu.vcpu, stage)))
    return vm
  } catch (error) {
    await vm.close()
    throw error
  }
}

export async function runInExecutor(bundle: ExecutorBundle, scene: Scene): Promise<VcpuTurn[]> {
  const { warmUpSeconds, seconds, coalesced = false, counterAt, samplesPerSecond } = scene
  const writes = new Float64Array(new SharedArrayBuffer(8 * scene.cpus.length))
  await using vm = await createVm(bundle, scene)
  vm.onPort({ start: REPORT_PORT }, { module: new URL('counter.mjs', import.meta.url), options: writes.buffer })
  if (coalesced) vm.coalesce('port', { start: REPORT_PORT })
  await vm.run()
  await delay(warmUpSeconds * 1000)
  const look = () =>
    vm.vcpus.map((vcpu, i) => ({
      exits: vm.block(i).exits.reduce((sum, count) => sum + count, 0),
      writes: writes[i]!,
      counter: counterAt === undefined ? 0 : Number(new DataView(vm.read(counterAt, 8).buffer).getBigUint64(0, true)),
      at: performance.now() * 1e6,
      runDelayNs: observeThread(vcpu.tid).runDelayNs,
    }))
  const before = look()
  if (samplesPerSecond === undefined) await delay(seconds * 1000)
  else await sample(vm, samplesPerSecond, seconds)
  return look().map((after, i) => ({
    exits: after.exits - before[i]!.exits,
    writes: after.writes - before[i]!.writes,
    counted: after.counter - before[i]!.counter,
    elapsedNs: after.at - before[i]!.at,
    runDelayNs: after.runDelayNs - before[i]!.runDelayNs,
  }))
}

/** A turn in which a vCPU was kept from its CPU for more of the time says nothing, and is taken again. */
const MOST_WAITING_PERCENT = 90
const MOST_TURNS = 20

/** The first turn in which all vCPUs ran; where others have the CPU all along, the last. */
export async function untilRun(turn: () => VcpuTurn[] | Promise<VcpuTurn[]>): Promise<VcpuTurn[]> {
  for (let left = MOST_TURNS - 1; ; left--) {
    const turns = await turn()
    if (left === 0 || turns.every((one) => one.writes > 0 && waitingPercent(one) < MOST_WAITING_PERCENT)) return turns
  }
}

/** Reads everything that can be known of the vCPUs while they run. */
async function sample(vm: Vm, samplesPerSecond: number, seconds: number): Promise<void> {
  for (let left = seconds * samplesPerSecond; left > 0; left--) {
    await delay(1000 / samplesPerSecond)
    vm.sample()
  }
}

const REGISTERS = ['rbx', 'rcx', 'rdx', 'rdi', 'r8', 'r9', 'r10', 'r11'] as const

/** The arguments of the C programs that say what a vCPU starts with. */
export function registersOf(vcpu: number, stage: Stage): string {
  const registers = stage.guest.registers(shareOf(vcpu, stage))
  return REGISTERS.map((name) => registers[name] ?? 0n).join(':')
}

export function imageOf({ guest, memoryBytes }: Stage): Uint8Array {
  return bootImage(guest, memoryBytes)
}

export function runInPeer(peer: Peer, scene: Scene): VcpuTurn[] {
  const { memoryBytes, warmUpSeconds, seconds, coalesced = false, counterAt = 0 } = scene
  const vcpus = scene.cpus.flatMap((cpus, i) => [cpus, registersOf(i, scene)])
  const image = peer.file('image', imageOf(scene))
  return peer
    .run(image, memoryBytes, warmUpSeconds, seconds, REPORT_PORT, Number(coalesced), counterAt, ...vcpus)
    .map(([exits, writes, counted, elapsedNs, runDelayNs]) => ({
      exits: exits!,
      writes: writes!,
      counted: counted!,
      elapsedNs: elapsedNs!,
      runDelayNs: runDelayNs!,
    }))
}
