/**
 * How long it takes until a VM with 1 to 64 vCPUs runs: memory, VM, vCPUs, a thread for each, pinned, until each has left
 * its guest once; and what a vCPU costs in memory. A process of its own each time, in the executor (startup/process.ts)
 * and in C (c/startup.c), by turns.
 */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { cpus, MiB } from '../test/executor/plans.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, type Row, rounded } from './bench.js'
import { portLoop } from './guests/port-loop.js'
import { barChart } from './plot.js'
import { Peer } from './vm/peer.js'
import { imageOf, registersOf, type Stage } from './vm/vcpus.js'
import { kvmMissing } from './vm/without-kvm.js'

const FULL = { rounds: 5, counts: [1, 2, 4, 8, 16, 32, 64] }
const QUICK = { rounds: 1, counts: [1, 4] }
const MEMORY_BYTES = 4 * MiB

interface Start {
  readonly ms: number
  readonly residentMiB: number
}

async function run({ quick }: BenchOptions): Promise<Bench> {
  const missing = kvmMissing('startup')
  if (missing !== null) return missing
  const { rounds, counts } = quick ? QUICK : FULL
  using peer = new Peer('startup')
  const results = counts.map((vcpus) => ({ vcpus, javascript: [] as Start[], c: [] as Start[] }))
  for (let round = 0; round < rounds; round++) {
    for (const { vcpus, javascript, c } of results) {
      const pinned = Array.from({ length: vcpus }, (_, i) => String(cpus[i % cpus.length]))
      javascript.push(startOf(inProcess(pinned)))
      if (peer.missing === null) c.push(startOf(inPeer(peer, pinned)))
    }
  }
  const ms = (starts: readonly Start[]) => (starts.length > 0 ? rounded(median(starts.map((start) => start.ms))) : null)
  const resident = (starts: readonly Start[]) => median(starts.map((start) => start.residentMiB))
  const above = (vcpus: number, starts: readonly Start[], one: readonly Start[]) =>
    vcpus > 1 && starts.length > 0 ? rounded((resident(starts) - resident(one)) / (vcpus - 1)) : null
  const [one] = results
  return {
    kind: 'Bench',
    name: 'startup',
    host: hostFacts(),
    rows: results.map(
      ({ vcpus, javascript, c }): Row => ({
        vcpus,
        javascriptMs: ms(javascript),
        cMs: ms(c),
        javascriptMiBPerVcpu: above(vcpus, javascript, one!.javascript),
        cMiBPerVcpu: above(vcpus, c, one!.c),
      }),
    ),
    notes: [
      `${rounds} processes each, medians; memory is what is resident for each vCPU above one`,
      ...(peer.missing === null ? [] : [peer.missing]),
    ],
  }
}

function startOf([ns, bytes]: readonly number[]): Start {
  return { ms: ns! / 1e6, residentMiB: bytes! / MiB }
}

function inProcess(pinned: readonly string[]): number[] {
  const program = fileURLToPath(new URL('startup/process.ts', import.meta.url))
  const values = ['--import', 'tsx', program, String(MEMORY_BYTES), ...pinned]
  const { status, stdout, stderr } = spawnSync(process.execPath, values, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the executor's process failed: ${stderr.trim()}`)
  return stdout.trim().split(' ').map(Number)
}

function inPeer(peer: Peer, pinned: readonly string[]): number[] {
  const stage: Stage = { guest: portLoop, memoryBytes: MEMORY_BYTES, cpus: pinned }
  return peer.run(peer.file('image', imageOf(stage)), MEMORY_BYTES, registersOf(0, stage), ...pinned)[0]!
}

function plot({ rows, host, notes = [] }: Bench): string {
  const series = (columns: readonly string[]) =>
    rows.map((row) => columns.map((column) => row[column] as number | null))
  return barChart({
    title: 'Starting a VM with many vCPUs',
    subtitle: [Object.values(host).join(', '), ...notes],
    series: ['JavaScript', 'C'],
    groups: rows.map(({ vcpus }) => `${vcpus} vCPU${vcpus === 1 ? '' : 's'}`),
    panels: [
      { title: 'milliseconds until all run', values: series(['javascriptMs', 'cMs']) },
      { title: 'MiB for each vCPU above one', values: series(['javascriptMiBPerVcpu', 'cMiBPerVcpu']) },
    ],
  })
}

const bench: BenchModule = { name: 'startup', run, plot }
export default bench
