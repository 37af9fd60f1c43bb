/**
 * How fast two vCPUs hand a number to and fro through shared memory: on one CPU, where they take turns, and on two. In
 * the executor, and in a C program with the same guest (c/vcpus.c), by turns.
 */

import { bundleExecutor } from '../test/executor/bundle.js'
import { cpus, MiB } from '../test/executor/plans.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, type Row, rounded } from './bench.js'
import { pingPong } from './guests/ping-pong.js'
import { barChart } from './plot.js'
import { Peer } from './vm/peer.js'
import { ratioOf } from './vm/turns.js'
import { runInExecutor, runInPeer, type Scene, shareOf, type VcpuTurn } from './vm/vcpus.js'
import { kvmMissing } from './vm/without-kvm.js'

const FULL = { rounds: 7, warmUpSeconds: 0.2, seconds: 2 }
const QUICK = { rounds: 1, warmUpSeconds: 0.1, seconds: 0.5 }

async function run({ quick }: BenchOptions): Promise<Bench> {
  const missing = kvmMissing('pingpong')
  if (missing !== null) return missing
  const { rounds, ...times } = quick ? QUICK : FULL
  const [first, last] = [String(cpus[0]), String(cpus.at(-1))]
  const placements = [
    { what: 'one CPU', cpus: [last, last] },
    ...(first === last ? [] : [{ what: 'two CPUs', cpus: [first, last] }]),
  ]
  using peer = new Peer('vcpus')
  const executor = await bundleExecutor()

  const results = placements.map((placement) => ({ ...placement, javascript: [] as number[], c: [] as number[] }))
  for (let round = 0; round < rounds; round++) {
    for (const { cpus, javascript, c } of results) {
      const scene = sceneOf(cpus, times)
      javascript.push(perSecond(await runInExecutor(executor, scene)))
      if (peer.missing === null) c.push(perSecond(runInPeer(peer, scene)))
    }
  }
  const rows = results.map(({ what, javascript, c }): Row => {
    const ratio = ratioOf(c, javascript)
    return { what, javascript: rounded(median(javascript)), c: c.length > 0 ? rounded(median(c)) : null, ratio }
  })
  const notes = [`hand-overs a second: ${rounds} turns of ${times.seconds} s each, medians`]
  return {
    kind: 'Bench',
    name: 'pingpong',
    host: hostFacts(),
    rows,
    notes: [
      ...notes,
      ...(first === last ? ['only one CPU is allowed: nothing on two'] : []),
      ...(peer.missing === null ? [] : [peer.missing]),
    ],
  }
}

function sceneOf(cpus: readonly string[], times: { readonly warmUpSeconds: number; readonly seconds: number }): Scene {
  const scene = { memoryBytes: 2 * MiB, cpus, ...times }
  // Where the first vCPU's share begins, and nothing else is.
  const counterAt = shareOf(0, scene).start
  return { ...scene, counterAt, guest: pingPong(counterAt) }
}

function perSecond([first]: readonly VcpuTurn[]): number {
  return (first!.counted * 1e9) / first!.elapsedNs
}

function plot({ rows, host, notes = [] }: Bench): string {
  return barChart({
    title: 'Two vCPUs that hand a number to and fro',
    subtitle: [Object.values(host).join(', '), ...notes],
    series: ['JavaScript', 'C'],
    groups: rows.map(({ what }) => String(what)),
    panels: [
      {
        title: 'hand-overs a second',
        values: rows.map((row) => [row.javascript as number, row.c as number | null]),
      },
    ],
  })
}

const bench: BenchModule = { name: 'pingpong', run, plot }
export default bench
