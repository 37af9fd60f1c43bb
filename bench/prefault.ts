/**
 * How fast a guest's memory gets its pages: base pages, transparent huge pages and reserved ones, by as many threads on the
 * same CPUs in the executor and in a C program (c/prefault.c), by turns. Both only fault in what is mapped and bound; the executor's
 * threads are there already, as after the first VM of a process.
 */

import { bundleExecutor, type ExecutorBundle } from '../test/executor/bundle.js'
import { MiB, nodes, planOf } from '../test/executor/plans.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, type Row, rounded } from './bench.js'
import { barChart } from './plot.js'
import { HUGE_BYTES, HugePages } from './vm/huge-pages.js'
import { Peer } from './vm/peer.js'
import { ratioOf } from './vm/turns.js'

const GiB = 1024 * MiB
const FULL = { rounds: 21, bytes: 2 * GiB }
const QUICK = { rounds: 1, bytes: 128 * MiB }
const PAGES = ['base', 'transparent huge', 'reserved huge'] as const
type Pages = (typeof PAGES)[number]

async function run({ quick }: BenchOptions): Promise<Bench> {
  const { rounds, bytes } = quick ? QUICK : FULL
  const node = nodes[0]!
  const executor = await bundleExecutor()
  using peer = new Peer('prefault')
  using pool = new HugePages(node, bytes)
  const kinds = PAGES.filter((pages) => pages !== 'reserved huge' || pool.missing === null)
  const results = kinds.map((pages) => ({ pages, javascript: [] as number[], c: [] as number[] }))
  // Starts the threads.
  const { threads } = await prefault(executor, node, bytes, 'base')
  for (const { pages, javascript, c } of results) {
    const ours = async () => javascript.push((await prefault(executor, node, bytes, pages)).seconds)
    const theirs = () => {
      if (peer.missing !== null) return
      const [[ns]] = peer.run(bytes, PAGES.indexOf(pages), node, ...threads) as [[number]]
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
      ...(pool.missing === null ? [] : [pool.missing]),
    ],
  }
}

/** Seconds that it took, and the CPUs of each thread that did it. */
async function prefault(
  { placedMemory, prefault: { cpusOfNode, prefaultRanges, releaseMemory } }: ExecutorBundle,
  node: number,
  bytes: number,
  pages: Pages,
): Promise<{ readonly seconds: number; readonly threads: readonly string[] }> {
  const pageSize = pages === 'reserved huge' ? HUGE_BYTES : 4096
  const vm = planOf({ vcpus: ['0'], cells: [bytes], node, pageSize }).vms[0]!
  const start = performance.now()
  const { memory } = await placedMemory.placeMemory(vm, {
    memory: { transparentHugePages: pages === 'transparent huge' },
  })
  const seconds = (performance.now() - start) / 1000
  const threads = prefaultRanges(memory.layout, cpusOfNode).flatMap(({ cpus, threads }) =>
    new Array<string>(threads).fill(cpus.join(',')),
  )
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
