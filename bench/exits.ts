/**
 * What an exit costs: one pinned vCPU whose guest writes one byte to a port in an endless loop, in the executor as it
 * runs any plan, and in a C program with the same VM and the same loop (c/exits.c). They take turns on the same CPU.
 *
 * The time of an exit is that of the thread on its CPU: wall-clock time without the run delay that the kernel counts
 * for it, since on a busy machine that is the others' work. `waitingPercent` says how much that was.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootBytes, writeBootImage } from '../executor/boot.js'
import { portLoop } from '../executor/guests/port-loop.js'
import { REPORT_PORT } from '../executor/guests/walk.js'
import { kvmStatus } from '../executor/probe.js'
import { bundleExecutor, type ExecutorBundle } from '../test/executor/bundle.js'
import { cpus, MiB, planOf } from '../test/executor/plans.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, type Row, rounded } from './bench.js'
import { compilePeer } from './c/compile.js'

const MEMORY_BYTES = 2 * MiB
const FULL = { rounds: 9, seconds: 2 }
const QUICK = { rounds: 1, seconds: 0.2 }

/** One turn of one side. */
interface Turn {
  readonly nsPerExit: number
  /** Run delay, of wall-clock time. */
  readonly waitingPercent: number
}

async function run({ quick }: BenchOptions): Promise<Bench> {
  const kvm = kvmStatus()
  if (!kvm.usable) {
    return report([], [], [`nothing ran: KVM is not usable: ${kvm.text}${kvm.hint === '' ? '' : ` (${kvm.hint})`}`])
  }
  const { rounds, seconds } = quick ? QUICK : FULL
  // The last one: the first has most of a system's interrupts.
  const cpu = cpus.at(-1)!
  const dir = mkdtempSync(join(tmpdir(), 'homenode-bench-exits-'))
  try {
    const program = join(dir, 'exits')
    const without = compilePeer('exits', program)
    const image = join(dir, 'image')
    writeFileSync(image, bootImage())
    const executor = await bundleExecutor()

    const javascript: Turn[] = []
    const c: Turn[] = []
    for (let round = 0; round < rounds; round++) {
      javascript.push(await runJavaScript(executor, cpu, seconds))
      if (without === null) c.push(runC(program, image, cpu, seconds))
    }
    const notes = [`${rounds} turns of ${seconds} s each on CPU ${cpu}, medians`]
    return report(javascript, c, without === null ? notes : [...notes, `no C program, no ratio: ${without}`])
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** The start of the guest's memory, for both. */
function bootImage(): Uint8Array {
  const image = new Uint8Array(bootBytes(MEMORY_BYTES))
  writeBootImage(image.buffer, portLoop, MEMORY_BYTES)
  return image
}

async function runJavaScript(executor: ExecutorBundle, cpu: number, seconds: number): Promise<Turn> {
  const plan = planOf({ vcpus: [String(cpu)], cells: [MEMORY_BYTES] })
  const result = await executor.run.carryOut(plan, plan, { seconds, backend: 'kvm' }, portLoop)
  const { exits, runDelayNs } = result.vcpus[0]!
  return turn(exits, result.seconds * 1e9, runDelayNs)
}

function runC(program: string, image: string, cpu: number, seconds: number): Turn {
  const values = [image, MEMORY_BYTES, cpu, seconds, REPORT_PORT].map(String)
  const { status, stdout, stderr } = spawnSync(program, values, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the C program failed: ${stderr.trim()}`)
  const [exits, elapsedNs, runDelayNs] = stdout.trim().split(' ').map(Number)
  return turn(exits!, elapsedNs!, runDelayNs!)
}

function turn(exits: number, elapsedNs: number, runDelayNs: number): Turn {
  return { nsPerExit: (elapsedNs - runDelayNs) / exits, waitingPercent: (100 * runDelayNs) / elapsedNs }
}

function report(javascript: readonly Turn[], c: readonly Turn[], notes: readonly string[]): Bench {
  const sides = [
    ['JavaScript', javascript],
    ['C', c],
  ] as const
  // Each turn against the one beside it, so that a machine that becomes slower does so for both.
  const ratios = c.map((peer, round) => peer.nsPerExit / javascript[round]!.nsPerExit)
  return {
    kind: 'Bench',
    name: 'exits',
    host: hostFacts(),
    rows: sides.filter(([, turns]) => turns.length > 0).map(([what, turns]) => rowOf(what, turns)),
    ...(ratios.length > 0 ? { ratio: Math.round(median(ratios) * 1000) / 1000 } : {}),
    notes,
  }
}

function rowOf(what: string, turns: readonly Turn[]): Row {
  return {
    what,
    nsPerExit: rounded(median(turns.map((one) => one.nsPerExit))),
    waitingPercent: rounded(median(turns.map((one) => one.waitingPercent))),
  }
}

const bench: BenchModule = { name: 'exits', run }
export default bench
