/**
 * How long it takes to stop a vCPU whose guest never leaves: from the main thread's call until it knows that the vCPU's
 * thread is out of KVM_RUN. `stop()` of a `Vm`, which ends when the thread has let go of everything, each time of a new
 * one; `pause()`, again and again of the same; and a C program (c/kick.c), by turns.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { bundleExecutor, type ExecutorBundle } from '../test/executor/bundle.js'
import { cpus, MiB } from '../test/executor/plans.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, type Row, rounded } from './bench.js'
import { spin } from './guests/spin.js'
import { barChart } from './plot.js'
import { Peer } from './vm/peer.js'
import { percentile, ratioOf } from './vm/turns.js'
import { createVm, imageOf, type Stage } from './vm/vcpus.js'
import { kvmMissing } from './vm/without-kvm.js'

const FULL = { rounds: 5, samples: 200 }
const QUICK = { rounds: 1, samples: 10 }
/** How long the guest spins before it is stopped. */
const SPIN_MS = 2

async function run({ quick }: BenchOptions): Promise<Bench> {
  const missing = kvmMissing('kick')
  if (missing !== null) return missing
  const { rounds, samples } = quick ? QUICK : FULL
  const cpu = cpus.at(-1)!
  const stage: Stage = { guest: spin, memoryBytes: 2 * MiB, cpus: [String(cpu)] }
  using peer = new Peer('kick')
  const executor = await bundleExecutor()

  const stopped: number[][] = []
  const paused: number[][] = []
  const c: number[][] = []
  for (let round = 0; round < rounds; round++) {
    stopped.push(await stops(executor, stage, samples))
    paused.push(await pauses(executor, stage, samples))
    if (peer.missing === null) c.push(kicksInPeer(peer, stage, samples))
  }
  const medians = (turns: readonly number[][]) => turns.map((turn) => percentile(turn, 50))
  const ratio = ratioOf(medians(paused), medians(c))
  return {
    kind: 'Bench',
    name: 'kick',
    host: hostFacts(),
    rows: [
      rowOf('JavaScript, stop()', stopped.flat()),
      rowOf('JavaScript, pause()', paused.flat()),
      ...(c.length > 0 ? [rowOf('C', c.flat())] : []),
    ],
    ...(ratio === null ? {} : { ratio }),
    notes: [
      `${rounds} turns of ${samples} stops each on CPU ${cpu}, each after the guest has spun for ${SPIN_MS} ms`,
      ...(peer.missing === null ? ['ratio: C / pause(), medians'] : [peer.missing]),
    ],
  }
}

/** Microseconds of each. */
async function stops(bundle: ExecutorBundle, stage: Stage, samples: number): Promise<number[]> {
  const found: number[] = []
  for (let left = samples; left > 0; left--) {
    await using vm = await createVm(bundle, stage)
    await vm.run()
    await delay(SPIN_MS)
    const start = performance.now()
    await vm.stop()
    found.push((performance.now() - start) * 1000)
  }
  return found
}

/** Microseconds of each. */
async function pauses(bundle: ExecutorBundle, stage: Stage, samples: number): Promise<number[]> {
  const found: number[] = []
  await using vm = await createVm(bundle, stage)
  await vm.run()
  for (let left = samples; left > 0; left--) {
    await delay(SPIN_MS)
    const start = performance.now()
    await vm.pause()
    found.push((performance.now() - start) * 1000)
    await vm.resume()
  }
  return found
}

function kicksInPeer(peer: Peer, stage: Stage, samples: number): number[] {
  const image = peer.file('image', imageOf(stage))
  return peer.run(image, stage.memoryBytes, stage.cpus[0]!, samples, SPIN_MS / 1000).map(([ns]) => ns! / 1000)
}

function rowOf(what: string, us: readonly number[]): Row {
  const at = (percent: number) => rounded(percentile(us, percent))
  return { what, p50us: at(50), p90us: at(90), p99us: at(99), maxUs: at(100), samples: us.length }
}

function plot({ rows, host, notes = [] }: Bench): string {
  return barChart({
    title: 'How long it takes to stop a guest that spins',
    subtitle: [Object.values(host).join(', '), ...notes],
    series: rows.map(({ what }) => String(what)),
    groups: ['p50', 'p90', 'p99'],
    panels: [
      {
        title: 'microseconds',
        values: ['p50us', 'p90us', 'p99us'].map((column) => rows.map((row) => row[column] as number)),
      },
    ],
  })
}

const bench: BenchModule = { name: 'kick', run, plot }
export default bench
