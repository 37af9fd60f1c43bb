/** The suites that run inside of machines: which ones, where, and what they count. */

import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { hasKvm, type LabMachine } from './machines.js'
import type { BootFiles } from './qemu.js'
import { runInMachine, VmError } from './vm.js'

const folder = fileURLToPath(new URL('suites/', import.meta.url))

/** On which machines each suite runs. */
const PLACES: Readonly<Record<string, (machine: LabMachine) => boolean>> = {
  detection: () => true,
  run: hasKvm,
  memory: ({ name }) => ['two-node', 'uneven', 'cpuless'].includes(name),
  cpuset: ({ name }) => ['two-node', 'four-node'].includes(name),
  offline: ({ name }) => name === 'uneven',
  hugepages: ({ name }) => name === 'hugepages',
  threads: ({ name }) => name === 'smt',
  vm: ({ name }) => ['two-node', 'four-node'].includes(name),
  ps: ({ name }) => name === 'two-node',
  top: ({ name }) => name === 'two-node',
  'apply-libvirt': ({ name }) => name === 'two-node',
  apply: ({ name }) => ['two-node', 'four-node'].includes(name),
  partition: ({ name }) => name === 'two-node',
  'apply-killed': ({ name }) => ['two-node', 'four-node'].includes(name),
  'apply-hugepages': ({ name }) => name === 'hugepages',
  balance: ({ name }) => name === 'two-node',
  'balance-busy': ({ name }) => name === 'two-node',
  'balance-killed': ({ name }) => name === 'two-node',
  calibrate: ({ name }) => name === 'two-node',
  commands: ({ name }) => name === 'two-node',
  accel: ({ name }) => ['two-node', 'four-node'].includes(name),
  demo: ({ name }) => ['two-node', 'four-node'].includes(name),
  'numa-optimizer': ({ name }) => ['two-node', 'four-node', 'cpuless', 'hmat'].includes(name),
  formats: ({ name }) => ['two-node', 'four-node', 'hugepages'].includes(name),
  linux: ({ name }) => name === 'two-node',
  'linux-ends': ({ name }) => name === 'one-cpu',
}

/** Suites that take a minute or more: each has a boot of its machine for itself. */
const LONG = [
  ...['commands', 'apply', 'partition', 'apply-libvirt', 'apply-killed', 'apply-hugepages'],
  ...['balance', 'balance-busy', 'balance-killed', 'linux', 'linux-ends'],
]

/** Suites with Linux guests of several vCPUs: CPUs of their machines run at the same time. */
const PARALLEL = ['linux']

export function suitesOf(machine: LabMachine): string[] {
  return Object.keys(PLACES).filter((suite) => PLACES[suite]!(machine))
}

/** The suites of a machine, by the boot that they share; the long ones first. */
export function bootsOf(suites: readonly string[]): string[][] {
  const short = suites.filter((suite) => !LONG.includes(suite))
  const long = LONG.filter((suite) => suites.includes(suite)).map((suite) => [suite])
  return short.length === 0 ? long : [...long, short]
}

/**
 * A copy of what is built, for the time of the tests: a build meanwhile would change it under them.
 * @param packageRoot made anew, below the root, where the packages that homenode depends on are found
 */
export function copyPackage(root: string, packageRoot: string): void {
  rmSync(packageRoot, { recursive: true, force: true })
  mkdirSync(packageRoot, { recursive: true })
  cpSync(join(root, 'package.json'), join(packageRoot, 'package.json'))
  const isNeeded = (path: string) => !path.endsWith('.map') && !path.startsWith(join(root, 'dist/types'))
  cpSync(join(root, 'dist'), join(packageRoot, 'dist'), { recursive: true, filter: isNeeded })
}

/**
 * Bundles every suite, and the demo that one of them runs, into a file each, since the emulated CPU takes long to compile modules one by one. `homenode` is not in
 * it: each suite uses the package that it lies in.
 * @param packageRoot the directory of a package.json and a `dist/` of homenode
 */
export async function bundleSuites(packageRoot: string): Promise<void> {
  await build({
    entryPoints: [
      ...readdirSync(folder)
        .filter((name) => name.endsWith('.suite.ts'))
        .map((name) => ({ in: join(folder, name), out: name.replace(/\.ts$/, '') })),
      { in: fileURLToPath(new URL('../../examples/numa-demo.ts', import.meta.url)), out: 'numa-demo' },
    ],
    outdir: join(packageRoot, 'suites'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['homenode', 'koffi'],
    logLevel: 'warning',
  })
}

export interface SuiteResult {
  readonly suite: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  readonly output: string
}

export interface MachineResult {
  readonly suites: readonly SuiteResult[]
  readonly bootSeconds: number
  readonly seconds: number
}

/** Of a suite: far more than any needs. The whole machine has more, so a suite that hangs is not taken for a machine that does. */
const SUITE_SECONDS = { inTurn: 1000, parallel: 400 } as const
const MACHINE_SECONDS = { inTurn: 1200, parallel: 460 } as const

/**
 * Boots a machine once and runs suites in it, one after the other. One with CPUs in parallel that hangs is booted a second
 * time, and says so: that is the emulation's fault (docs/lab.md), as a suite that hangs is ended by its own limit.
 * @throws {VmError} where the machine does not come to its end
 */
export async function testMachine(
  machine: LabMachine,
  suites: readonly string[],
  files: BootFiles,
  packageRoot: string,
): Promise<MachineResult> {
  const mode = suites.some((suite) => PARALLEL.includes(suite)) ? 'parallel' : 'inTurn'
  const once = () => bootAndRun(machine, suites, files, packageRoot, mode)
  if (mode === 'inTurn') return once()
  return once().catch((error) => {
    if (!(error instanceof VmError)) throw error
    console.log(`${machine.name}: hung with its CPUs in parallel, booted a second time: ${error.message}`)
    return once()
  })
}

async function bootAndRun(
  machine: LabMachine,
  suites: readonly string[],
  files: BootFiles,
  packageRoot: string,
  mode: 'inTurn' | 'parallel',
): Promise<MachineResult> {
  const directory = join(packageRoot, 'suites')
  const limit = `timeout -k 5 ${SUITE_SECONDS[mode]}`
  const script = suites.map(
    (suite) =>
      `echo '${MARK} ${suite}'; ${limit} ${NODE} '${join(directory, suite)}.suite.mjs' 2>&1; echo "${MARK} ended $?"`,
  )
  let output = ''
  const { bootSeconds, commandSeconds } = await runInMachine(machine, files, ['sh', '-c', script.join('\n')], {
    cwd: packageRoot,
    environment: { LAB_PACKAGE: packageRoot, NO_COLOR: '1' },
    commandSeconds: MACHINE_SECONDS[mode],
    parallel: mode === 'parallel',
    onOutput: (_, chunk) => {
      output += chunk.toString()
    },
  }).catch((error) => {
    throw error instanceof VmError ? new VmError(`${error.message}\nOutput of the suites:\n${output}`) : error
  })
  return {
    suites: suites.map((suite) => resultOf(suite, output)),
    bootSeconds,
    seconds: bootSeconds + commandSeconds,
  }
}

const MARK = '#lab#'

/**
 * Each change of a page's protection interrupts all CPUs that the process runs on, which takes emulated CPUs long: so V8
 * does not protect its code, and the threads start on one CPU, before those of the vCPUs pin themselves. With this, the
 * suites take a fifth of the time.
 */
const NODE = 'taskset -c 0 node --no-write-protect-code-memory --single-threaded'

/** What uvu counted; a suite that ended badly, or ran nothing, has failed. */
function resultOf(suite: string, output: string): SuiteResult {
  const after = output.split(`${MARK} ${suite}\n`)[1] ?? ''
  const [text = '', code = '?'] = after.split(new RegExp(`^${MARK} ended `, 'm')).map((part) => part.trim())
  const count = (word: string) => Number(new RegExp(`^ {2}${word}: +(\\d+)$`, 'm').exec(text)?.[1] ?? 0)
  const [total, passed, skipped] = [count('Total'), count('Passed'), count('Skipped')]
  const ended = Number.parseInt(code, 10)
  const broken = total + skipped === 0 || (ended !== 0 && total === passed)
  const failed = total - passed + (broken ? 1 : 0)
  const seconds = Number(/^ {2}Duration: +([\d.]+)ms$/m.exec(text)?.[1] ?? 0) / 1000
  return { suite, passed, failed, skipped, seconds, output: broken ? `${text}\nended with ${ended}` : text }
}
