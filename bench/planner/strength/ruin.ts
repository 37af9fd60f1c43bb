/** How often a second ruin and recreate takes VMs out of a plan and puts them back. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ascArguments, RELEASE } from '../../../compile.mjs'
import type { PlannerExports } from '../../../src/planner/generated/abi.js'
import { buildProblem } from '../../../src/planner/problem.js'
import { cpuMilliseconds } from '../../bench.js'
import type { Instance } from './instances.js'

/** What assembly/counted.ts has beside. */
interface Counted extends PlannerExports {
  ruinFor(steps: number): number
  ruinCount(): number
}

/** Of search, before what counts. */
const WARM_STEPS = 100
const STEPS = 300

/**
 * Iterations a second of CPU time, over all instances whose first plan places all VMs and loses something. An iteration takes 2 to 8 VMs out, seeks a
 * place for each, and keeps the new plan or the old one.
 */
export async function ruinsPerSecond(instances: readonly Instance[]): Promise<number | null> {
  const module = await WebAssembly.compile(compileCounted())
  let iterations = 0
  let seconds = 0
  for (const { host, request } of instances) {
    const wasm = (await WebAssembly.instantiate(module, {})).exports as unknown as Counted
    buildProblem(wasm, host, request)
    wasm.solve(0, 1)
    if (wasm.ruinFor(WARM_STEPS) === 0 || wasm.planCost() === 0) continue
    const before = wasm.ruinCount()
    const started = cpuMilliseconds()
    wasm.ruinFor(STEPS)
    seconds += (cpuMilliseconds() - started) / 1000
    iterations += wasm.ruinCount() - before
  }
  return seconds === 0 ? null : iterations / seconds
}

/** The module as the build makes it, but for its entry. */
function compileCounted(): Uint8Array<ArrayBuffer> {
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'homenode-'))
  try {
    const file = join(folder, 'counted.wasm')
    const given = ascArguments('assembly/counted.ts', file, 1024, RELEASE)
    execFileSync(process.execPath, ['node_modules/assemblyscript/bin/asc.js', ...given], { cwd: root })
    return Uint8Array.from(readFileSync(file))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
