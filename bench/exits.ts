/**
 * What an exit costs: one pinned vCPU whose guest writes one byte to a port in an endless loop, in a `Vm` with a device
 * in its vCPU's thread, and in a C program with the same VM and the same loop (c/vcpus.c). They take turns on the same
 * CPU. Then the same with writes that the kernel coalesces, and with a main thread that samples all counters at 10 Hz.
 *
 * The time of an exit is that of the thread on its CPU: wall-clock time without the run delay that the kernel counts
 * for it, since on a busy machine that is the others' work. `waitingPercent` says how much that was; a turn that was nearly all of that is
 * taken again.
 */

import { KVM_CAP_USER_MEMORY, KVM_CHECK_EXTENSION } from '../executor/abi/kvm.js'
import * as libc from '../executor/ffi/libc.js'
import { getAffinity, setAffinity } from '../executor/ffi/threads.js'
import { Kvm } from '../executor/kvm/kvm.js'
import { bundleExecutor } from '../test/executor/bundle.js'
import { cpus, MiB } from '../test/executor/plans.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, type Row, rounded } from './bench.js'
import { portLoop } from './guests/port-loop.js'
import { barChart } from './plot.js'
import { Peer } from './vm/peer.js'
import { nsPer, ratioOf, waitingPercent } from './vm/turns.js'
import { runInExecutor, runInPeer, type Scene, untilRun, type VcpuTurn } from './vm/vcpus.js'
import { kvmMissing } from './vm/without-kvm.js'

const FULL = { rounds: 40, warmUpSeconds: 0.3, seconds: 0.4, calls: 200_000 }
const QUICK = { rounds: 1, warmUpSeconds: 0.05, seconds: 0.2, calls: 10_000 }
const SAMPLES_PER_SECOND = 10

/** What the ratio would be if an exit cost C this much: an exit of current hardware without nesting. */
const FAST_EXIT_NS = 1000

type Side = 'JavaScript' | 'C' | 'JavaScript, sampled' | 'JavaScript, coalesced' | 'C, coalesced'

async function run({ quick }: BenchOptions): Promise<Bench> {
  const missing = kvmMissing('exits')
  if (missing !== null) return missing
  const { rounds, calls, ...times } = quick ? QUICK : FULL
  // The last one: the first has most of a system's interrupts.
  const cpu = cpus.at(-1)!
  const scene: Scene = { guest: portLoop, memoryBytes: 2 * MiB, cpus: [String(cpu)], ...times }
  using peer = new Peer('vcpus')
  using callPeer = new Peer('call')
  const executor = await bundleExecutor()

  const turns: Record<Side, VcpuTurn[]> = {
    JavaScript: [],
    C: [],
    'JavaScript, sampled': [],
    'JavaScript, coalesced': [],
    'C, coalesced': [],
  }
  const call = { javascript: [] as number[], c: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    const coalesced = { ...scene, coalesced: true }
    turns.JavaScript.push(...(await untilRun(() => runInExecutor(executor, scene))))
    if (peer.missing === null) turns.C.push(...(await untilRun(() => runInPeer(peer, scene))))
    const sampled = { ...scene, samplesPerSecond: SAMPLES_PER_SECOND }
    turns['JavaScript, sampled'].push(...(await untilRun(() => runInExecutor(executor, sampled))))
    turns['JavaScript, coalesced'].push(...(await untilRun(() => runInExecutor(executor, coalesced))))
    if (peer.missing === null) turns['C, coalesced'].push(...(await untilRun(() => runInPeer(peer, coalesced))))
    call.javascript.push(nsPerCall(cpu, calls))
    if (callPeer.missing === null) call.c.push(callPeer.run(cpu, calls)[0]![0]!)
  }

  const ns = (side: Side) => turns[side].map((turn) => nsPer(turn.writes, turn))
  const plain = ratioOf(ns('JavaScript'), ns('C'))
  const ratios: Record<Side, number | null> = {
    JavaScript: plain,
    C: null,
    'JavaScript, sampled': ratioOf(ns('JavaScript, sampled'), ns('C')),
    'JavaScript, coalesced': ratioOf(ns('JavaScript, coalesced'), ns('C, coalesced')),
    'C, coalesced': null,
  }
  const rows = (Object.keys(turns) as Side[])
    .filter((side) => turns[side].length > 0)
    .map((side): Row => {
      const isCoalesced = side.endsWith('coalesced')
      return {
        what: side,
        nsPerExit: isCoalesced ? null : rounded(median(turns[side].map((turn) => nsPer(turn.exits, turn)))),
        nsPerWrite: rounded(median(ns(side))),
        ratio: ratios[side],
        waitingPercent: rounded(median(turns[side].map(waitingPercent))),
      }
    })
  const seconds = `${rounds} turns of ${times.seconds} s each on CPU ${cpu}, after ${times.warmUpSeconds} s, medians`
  return {
    kind: 'Bench',
    name: 'exits',
    host: hostFacts(),
    rows,
    ...(plain === null ? {} : { ratio: plain }),
    notes: [
      seconds,
      `sampling at ${SAMPLES_PER_SECOND} Hz: ${ratioOf(ns('JavaScript, sampled'), ns('JavaScript'))} of the speed without`,
      ...(peer.missing === null ? [overhead(ns('JavaScript'), ns('C'), call)] : [peer.missing]),
    ],
  }
}

/** An ioctl that does next to nothing, as the executor calls KVM_RUN. */
function nsPerCall(cpu: number, calls: number): number {
  using kvm = Kvm.open()
  const before = getAffinity(0)
  setAffinity(0, [cpu])
  try {
    const start = process.cpuUsage()
    for (let i = 0; i < calls; i++) libc.ioctl(kvm.fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY)
    const { user, system } = process.cpuUsage(start)
    return ((user + system) * 1000) / calls
  } finally {
    setAffinity(0, before)
  }
}

function overhead(
  javascript: readonly number[],
  c: readonly number[],
  call: { readonly javascript: readonly number[]; readonly c: readonly number[] },
): string {
  const more = median(javascript.map((ns, turn) => ns - c[turn]!))
  const [ours, theirs] = [median(call.javascript), median(call.c)]
  const atOneMicrosecond = Math.round((1000 * FAST_EXIT_NS) / (FAST_EXIT_NS + Math.max(0, more))) / 1000
  return (
    `an exit costs ${Math.round(more)} ns more than in C; a system call alone ${Math.round(ours)} ns against ` +
    `${Math.round(theirs)} ns. If an exit cost C 1 us, the ratio would be ${atOneMicrosecond}`
  )
}

function plot({ rows, notes = [], host }: Bench): string {
  const value = (what: Side) => rows.find((row) => row.what === what)?.nsPerWrite as number | undefined
  return barChart({
    title: 'What a write to a port costs a guest',
    subtitle: [Object.values(host).join(', '), ...notes],
    series: ['JavaScript', 'C'],
    groups: ['an exit each', 'coalesced', 'sampled, 10 Hz'],
    panels: [
      {
        title: 'nanoseconds on the CPU',
        values: [
          [value('JavaScript') ?? null, value('C') ?? null],
          [value('JavaScript, coalesced') ?? null, value('C, coalesced') ?? null],
          [value('JavaScript, sampled') ?? null, null],
        ],
      },
    ],
  })
}

const bench: BenchModule = { name: 'exits', run, plot }
export default bench
