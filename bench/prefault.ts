/**
 * How fast a guest's memory gets its pages: base pages and transparent huge pages, by as many threads on the same CPUs in
 * the executor and in a C program (c/prefault.c), by turns. Both only fault in what is mapped and bound; the executor's
 * threads are there already, as after the first VM of a process.
 */

import { bundleExecutor, type ExecutorBundle } from '../test/executor/bundle.js'
import { MiB, nodes, planOf } from '../test/executor/plans.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, type Row, rounded } from './bench.js'
import { barChart } from './plot.js'
import { Peer } from './vm/peer.js'
import { ratioOf } from './vm/turns.js'

const GiB = 1024 * MiB
const FULL = { rounds: 7, bytes: 2 * GiB }
const QUICK = { rounds: 1, bytes: 128 * MiB }
const KINDS = [
  { pages: 'base', transparentHugePages: false },
  { pages: 'transparent huge', transparentHugePages: true },
]

async function run({ quick }: BenchOptions): Promise<Bench> {
  const { rounds, bytes } = quick ? QUICK : FULL
  const node = nodes[0]!
  const executor = await bundleExecutor()
  using peer = new Peer('prefault')
  const vm = planOf({ vcpus: ['0'], cells: [bytes], node }).vms[0]!
  const results = KINDS.map((kind) => ({ ...kind, javascript: [] as number[], c: [] as number[] }))
  // Starts the threads.
  const { threads } = await prefault(executor, vm, false)
  for (const { transparentHugePages, javascript, c } of results) {
    const ours = async () => javascript.push((await prefault(executor, vm, transparentHugePages)).seconds)
    const theirs = () => {
      if (peer.missing !== null) return
      const [[ns]] = peer.run(bytes, Number(transparentHugePages), node, ...threads) as [[number]]
      c.push(ns / 1e9)
    }
    for (let round = 0; round < rounds; round++) {
      // Who comes second finds the free memory as the first has left it.
      if (round % 2 === 0) await ours()
      theirs()
      if (round % 2 === 1) await ours()
    }
  }
  const speed = (seconds: readonly number[]) => rounded(bytes / GiB / median(seconds))
  return {
    kind: 'Bench',
    name: 'prefault',
    host: hostFacts(),
    rows: results.map(({ pages, javascript, c }): Row => {
      const peerSpeed = c.length > 0 ? speed(c) : null
      return { pages, javascript: speed(javascript), c: peerSpeed, ratio: ratioOf(javascript, c) }
    }),
    notes: [
      `GiB/s: ${rounds} turns of ${bytes / MiB} MiB on node ${node} by ${threads.length} threads, medians`,
      ...(peer.missing === null ? [] : [peer.missing]),
    ],
  }
}

type PlanVm = Parameters<ExecutorBundle['placedMemory']['placeMemory']>[0]

/** Seconds that it took, and the CPUs of each thread that did it. */
async function prefault(
  { placedMemory, prefault: { cpusOfNode, dividePrefault, releaseMemory } }: ExecutorBundle,
  vm: PlanVm,
  transparentHugePages: boolean,
): Promise<{ readonly seconds: number; readonly threads: readonly string[] }> {
  const start = performance.now()
  const { memory } = await placedMemory.placeMemory(vm, { memory: { transparentHugePages } })
  const seconds = (performance.now() - start) / 1000
  const threads = dividePrefault(memory.layout, cpusOfNode).map(({ cpus }) => cpus.join(','))
  await releaseMemory(memory)
  return { seconds, threads }
}

function plot({ rows, host, notes = [] }: Bench): string {
  return barChart({
    title: 'Faulting in a guest\u2019s memory',
    subtitle: [Object.values(host).join(', '), ...notes],
    series: ['JavaScript', 'C'],
    groups: rows.map(({ pages }) => String(pages)),
    panels: [{ title: 'GiB/s', values: rows.map((row) => [row.javascript as number, row.c as number | null]) }],
  })
}

const bench: BenchModule = { name: 'prefault', run, plot }
export default bench
