/** How long commands take, from the start of their process to its end, against a Node that does nothing, by turns. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, type Row, rounded } from './bench.js'
import { ratioOf } from './vm/turns.js'

const ROUNDS = 21
const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const REQUEST = JSON.stringify({ vms: [{ name: 'db', vcpus: 2, memory: '1GiB' }] })
const HOST = ['--synthetic', 'pack:2 [numa(memory=64GB)] l3:2 core:4 pu:2']

/** Arguments of `homenode`, as the rows have them. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'homenode --version': ['--version'],
  'homenode --help': ['--help'],
  'homenode plan --help': ['plan', '--help'],
  'homenode topo': ['topo'],
  'homenode plan': ['plan', ...HOST, '-f', '-'],
}

async function run({ quick }: BenchOptions): Promise<Bench> {
  const rounds = quick ? 1 : ROUNDS
  const node: number[] = []
  const commands = Object.entries(COMMANDS).map(([what, values]) => ({ what, values, ms: [] as number[] }))
  // Not counted: it reads the files into the kernel's cache.
  for (const { values } of commands) timeOf(CLI, ...values)
  for (let round = 0; round < rounds; round++) {
    node.push(timeOf('-e', '0'))
    for (const { values, ms } of commands) ms.push(timeOf(CLI, ...values))
  }
  const row = (what: string, ms: readonly number[]): Row => ({
    what,
    ms: rounded(median(ms)),
    ratioToNode: ratioOf(node, ms),
  })
  return {
    kind: 'Bench',
    name: 'cli',
    host: hostFacts(),
    rows: [row('node -e 0', node), ...commands.map(({ what, ms }) => row(what, ms))],
    notes: [`${rounds} turns, medians; ratios are each command against the bare Node of its turn`],
  }
}

/** Milliseconds that `node <values>` takes. */
function timeOf(...values: readonly string[]): number {
  const start = performance.now()
  const { status, stderr } = spawnSync(process.execPath, values, { input: REQUEST, encoding: 'utf8' })
  const elapsed = performance.now() - start
  if (status !== 0) throw new Error(`node ${values.join(' ')} failed (is dist/ built?): ${stderr.trim()}`)
  return elapsed
}

const bench: BenchModule = { name: 'cli', run }
export default bench
