/**
 * What watching costs: the CPU time of `homenode top` and of a `Meter`, as a share of a CPU, while processes that look like 50
 * VMs of 8 vCPUs run (c/observe.c). Each of their threads wakes ten times a second, so that none can be passed over.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Files } from '../executor/found/files.js'
import { findProcesses } from '../executor/found/processes.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, type Row, rounded } from './bench.js'
import { compilePeer } from './c/compile.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const MEMORY_MIB = 8
const FULL = { vms: [50], vcpus: 8, settleMs: 30_000, measureMs: 30_000 }
const QUICK = { vms: [2], vcpus: 2, settleMs: 1500, measureMs: 1500 }

/** Reads as `homenode top` does, and shows nothing. */
const METER = `
import { Meter, ratesBetween } from ${JSON.stringify(new URL('../dist/executor.js', import.meta.url).href)}
const meter = await Meter.open()
let before = await meter.read()
setInterval(async () => {
  const after = await meter.read()
  if (ratesBetween(before, after).vms.length === 0) throw new Error('no VM was found')
  before = after
}, 1000)
`

const READERS: readonly (readonly [string, readonly string[]])[] = [
  ['Meter', ['--input-type=module', '-e', METER]],
  ['homenode top --batch', [join(root, 'dist/cli.js'), 'top', '--batch']],
  ['homenode top --batch --view vcpus', [join(root, 'dist/cli.js'), 'top', '--batch', '--view', 'vcpus']],
  ['homenode top --json', [join(root, 'dist/cli.js'), 'top', '--json']],
]

async function run({ quick }: BenchOptions): Promise<Bench> {
  const { vms, vcpus, settleMs, measureMs } = quick ? QUICK : FULL
  const folder = mkdtempSync(join(tmpdir(), 'homenode-bench-observe-'))
  const program = join(folder, 'observe')
  try {
    const missing = compilePeer('observe', program)
    const rows: Row[] = []
    for (const count of missing === null ? vms : []) {
      const crowd = spawn(program, [count, vcpus, MEMORY_MIB].map(String), { stdio: ['pipe', 'ignore', 'inherit'] })
      try {
        await whenThere(count, vcpus)
        for (const [reader, args] of READERS) {
          rows.push({
            VMs: count,
            vCPUs: count * vcpus,
            reader,
            'percent of a CPU': await costOf(args, settleMs, measureMs),
          })
        }
      } finally {
        await ended(crowd, () => crowd.stdin?.end())
      }
    }
    return {
      kind: 'Bench',
      name: 'observe',
      host: hostFacts(),
      rows,
      ...(missing === null ? {} : { notes: [`nothing was measured: ${missing}`] }),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Waits until the processes have all of their threads. */
async function whenThere(count: number, vcpus: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { vms } = findProcesses(new Files())
    if (vms.filter(({ tids }) => tids.length >= vcpus).length >= count) return
    if (tries > 300) throw new Error(`${vms.length} of ${count} processes came up`)
    await sleep(100)
  }
}

/** Of a CPU, in percent, once it has warmed up. */
async function costOf(args: readonly string[], settleMs: number, measureMs: number): Promise<number> {
  const reader = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    await sleep(settleMs)
    const before = { cpu: cpuNs(reader.pid!), at: performance.now() }
    await sleep(measureMs)
    if (reader.exitCode !== null) throw new Error(`the reader ended with ${reader.exitCode}`)
    return rounded((cpuNs(reader.pid!) - before.cpu) / 1e4 / (performance.now() - before.at))
  } finally {
    await ended(reader, () => reader.kill('SIGKILL'))
  }
}

/** That all threads of a process have run. */
function cpuNs(pid: number): number {
  const tids = readdirSync(`/proc/${pid}/task`)
  return tids.reduce(
    (sum, tid) => sum + Number.parseInt(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8'), 10),
    0,
  )
}

function ended(child: ChildProcess, end: () => void): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) resolve()
    else child.once('close', () => resolve())
    end()
  })
}

const bench: BenchModule = { name: 'observe', run }
export default bench
