/**
 * What placement does for two vCPUs beside a noisy neighbour, a process that keeps the first CPU busy: not pinned; dealt
 * out round robin, as the integration guide does it; and as planned by homenode, to which that CPU is reserved. In the executor and in C
 * (c/vcpus.c), by turns.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { setAffinity } from '../executor/ffi/threads.js'
import { parseCpulist } from '../src/cpulist.js'
import { detectHost, parseRequest, plan } from '../src/index.js'
import { bundleExecutor } from '../test/executor/bundle.js'
import { cpus, MiB } from '../test/executor/plans.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, type Row, rounded } from './bench.js'
import { portLoop } from './guests/port-loop.js'
import { barChart } from './plot.js'
import { Peer } from './vm/peer.js'
import { ratioOf } from './vm/turns.js'
import { runInExecutor, runInPeer, type Scene, type VcpuTurn } from './vm/vcpus.js'
import { kvmMissing } from './vm/without-kvm.js'

const FULL = { rounds: 5, warmUpSeconds: 0.2, seconds: 2 }
const QUICK = { rounds: 1, warmUpSeconds: 0.05, seconds: 0.2 }
const VCPUS = 2
const MEMORY_BYTES = 2 * MiB

async function run({ quick }: BenchOptions): Promise<Bench> {
  const missing = kvmMissing('pinning')
  if (missing !== null) return missing
  const { rounds, ...times } = quick ? QUICK : FULL
  const noisy = cpus[0]!
  if (cpus.length < 2) return { ...empty(), notes: ['nothing ran: only one CPU is allowed'] }
  const all = cpus.join(',')
  const placements = [
    { placement: 'not pinned', cpus: [all, all] },
    { placement: 'round robin', cpus: [0, 1].map((i) => String(cpus[i % cpus.length])) },
    { placement: 'planned', cpus: await planned(noisy) },
  ]
  using peer = new Peer('vcpus')
  const executor = await bundleExecutor()

  const results = placements.map((each) => ({ ...each, javascript: [] as Total[], c: [] as Total[] }))
  const neighbour = keepBusy(noisy)
  try {
    for (let round = 0; round < rounds; round++) {
      for (const { cpus, javascript, c } of results) {
        const scene: Scene = { guest: portLoop, memoryBytes: MEMORY_BYTES, cpus, ...times }
        javascript.push(totalOf(await runInExecutor(executor, scene)))
        if (peer.missing === null) c.push(totalOf(runInPeer(peer, scene)))
      }
    }
  } finally {
    neighbour.kill('SIGKILL')
  }
  return {
    ...empty(),
    rows: results.flatMap(({ placement, cpus, javascript, c }) => [
      rowOf(placement, cpus, 'JavaScript', javascript, c),
      ...(c.length > 0 ? [rowOf(placement, cpus, 'C', c, null)] : []),
    ]),
    notes: [
      `${VCPUS} vCPUs, CPU ${noisy} busy with another process: ${rounds} turns of ${times.seconds} s each, medians`,
      ...(peer.missing === null ? [] : [peer.missing]),
    ],
  }
}

function empty(): Bench {
  return { kind: 'Bench', name: 'pinning', host: hostFacts(), rows: [] }
}

/** CPUs of each vCPU where the noisy CPU is reserved: one of its own where there are enough, else those of its node that are left. */
async function planned(noisy: number): Promise<string[]> {
  const host = await detectHost()
  for (const cpuPolicy of ['dedicated', 'shared'] as const) {
    const vms = [{ name: 'demo', vcpus: VCPUS, memory: `${MEMORY_BYTES / MiB}MiB`, cells: 1, cpuPolicy }]
    const request = parseRequest({ reserve: { cpus: String(noisy) }, vms })
    const [vm] = (await plan(host, request)).vms
    if (vm !== undefined) return vm.vcpus.map((vcpu) => parseCpulist(vcpu.cpus).join(','))
  }
  throw new Error('no plan for two vCPUs beside the busy CPU')
}

/** For as long as this process is there. */
const BUSY = 'const parent = process.ppid; while (process.ppid === parent) for (let i = 0; i < 1e7; i++);'

function keepBusy(cpu: number): ChildProcess {
  const child = spawn(process.execPath, ['-e', BUSY], { stdio: 'ignore' })
  setAffinity(child.pid!, [cpu])
  return child
}

/** Of both vCPUs. */
interface Total {
  readonly exitsPerSecond: number
  /** Of the slower one. */
  readonly slowerPerSecond: number
  /** Run delay of both, of the time of one. */
  readonly waitingPercent: number
}

function totalOf(turns: readonly VcpuTurn[]): Total {
  const speeds = turns.map(({ exits, elapsedNs }) => (exits * 1e9) / elapsedNs)
  const waiting = turns.map(({ runDelayNs, elapsedNs }) => (100 * runDelayNs) / elapsedNs)
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  return {
    exitsPerSecond: sum(speeds),
    slowerPerSecond: Math.min(...speeds),
    waitingPercent: sum(waiting) / turns.length,
  }
}

function rowOf(
  placement: string,
  cpus: readonly string[],
  what: string,
  ours: readonly Total[],
  c: readonly Total[] | null,
): Row {
  const of = (key: keyof Total, totals = ours) => totals.map((total) => total[key])
  return {
    placement,
    cpus: cpus.join(' | '),
    what,
    exitsPerSecond: Math.round(median(of('exitsPerSecond'))),
    slowerPerSecond: Math.round(median(of('slowerPerSecond'))),
    waitingPercent: rounded(median(of('waitingPercent'))),
    ratio: c === null ? null : ratioOf(of('exitsPerSecond', c), of('exitsPerSecond')),
  }
}

function plot({ rows, host, notes = [] }: Bench): string {
  const groups = [...new Set(rows.map(({ placement }) => String(placement)))]
  const series = ['JavaScript', 'C']
  const values = (column: string) =>
    groups.map((group) =>
      series.map((what) => {
        const row = rows.find((each) => each.placement === group && each.what === what)
        return (row?.[column] as number | undefined) ?? null
      }),
    )
  return barChart({
    title: 'Two vCPUs beside a noisy neighbour',
    subtitle: [Object.values(host).join(', '), ...notes],
    series,
    groups,
    panels: [
      { title: 'exits a second, both', values: values('exitsPerSecond') },
      { title: 'exits a second, the slower one', values: values('slowerPerSecond') },
      { title: '% of the time waiting for a CPU', values: values('waitingPercent') },
    ],
  })
}

const bench: BenchModule = { name: 'pinning', run, plot }
export default bench
