import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kvmStatus } from '../../executor/index.js'
import { skipUnless } from '../skip.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const folder = mkdtempSync(join(tmpdir(), 'homenode-package-'))
/** Unpacked, in bytes. Source maps or the planner's debug build would be more. */
const MAX_SIZE = 3_300_000
const npm = ['--no-audit', '--no-fund', '--loglevel=error']

/** What `npm pack --json` says of the package. */
let packed: { readonly filename: string; readonly unpackedSize: number }

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

test.before(() => {
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder, ...npm]
  packed = JSON.parse(execFileSync('npm', pack, { cwd: root, encoding: 'utf8' }))[0]
  writeFileSync(join(folder, 'package.json'), '{"type": "module", "private": true}')
  run('npm', 'install', join(folder, packed.filename), ...npm)
})

test.after(() => rmSync(folder, { recursive: true, force: true }))

test('the package has what it needs and nothing of the workshop', () => {
  const installed = join(folder, 'node_modules/homenode')
  for (const file of [
    'dist/cli.js',
    'dist/vcpu-worker.cjs',
    'dist/planner.wasm',
    'dist/homenode.1',
    'dist/page.html',
    'README.md',
    'LICENSE',
  ]) {
    assert.ok(existsSync(join(installed, file)), file)
  }
  for (const file of ['src', 'executor', 'test', 'assembly', 'node_modules/esbuild']) {
    assert.not.ok(existsSync(join(installed, file)), file)
  }
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  assert.equal(Object.keys(dependencies).sort(), [
    'cli-table3',
    'commander',
    'js-yaml',
    'koffi',
    'picocolors',
    'piscina',
    'prom-client',
    'saxes',
    'zod',
  ])
})

test('the package is small', () => {
  assert.ok(packed.unpackedSize > 0 && packed.unpackedSize < MAX_SIZE, `${packed.unpackedSize} bytes`)
})

test('homenode topo runs from an empty folder', () => {
  const host = JSON.parse(run('npx', 'homenode', 'topo', '--json'))
  assert.is(host.kind, 'Host')
  assert.ok(host.cpus.length > 0)
})

test('every entry point is imported and works', () => {
  writeFileSync(
    join(folder, 'entries.js'),
    `import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { plan, syntheticHost, verifyPlan } from 'homenode'
import { instantiatePlanner, plannerBytes } from 'homenode/planner'
import { runPlan } from 'homenode/executor'
import { CpuTopology } from 'homenode/accel'
const host = syntheticHost('numa:2 core:4 pu:1')
const request = { vms: [{ name: 'a', vcpus: 4, memory: '512MiB' }] }
const { status } = verifyPlan(host, request, await plan(host, request))
const wasm = readFileSync(fileURLToPath(import.meta.resolve('homenode/planner.wasm')))
const same = Buffer.compare(wasm, plannerBytes()) === 0
const version = (await instantiatePlanner()).abiVersion()
const topology = await CpuTopology.detect()
console.log(JSON.stringify({ status, same, version, run: typeof runPlan, cpus: topology.totalCpus }))
`,
  )
  const result = JSON.parse(run(process.execPath, 'entries.js'))
  assert.is(result.status, 'optimal')
  assert.is(result.same, true)
  assert.is(result.version, 2)
  assert.is(result.run, 'function')
  assert.ok(result.cpus > 0)
})

test('a strict TypeScript project without DOM types compiles against every entry point', () => {
  const options = { target: 'ES2022', module: 'NodeNext', lib: ['ES2022'], types: ['node'], strict: true, noEmit: true }
  const compilerOptions = { ...options, exactOptionalPropertyTypes: true, skipLibCheck: false }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }))
  writeFileSync(
    join(folder, 'consumer.ts'),
    `import { CpuTopology } from 'homenode/accel'
import { type Host, type Plan, type VerifiedPlan, capacity, detectHost, plan, verifyPlan } from 'homenode'
import { runPlan } from 'homenode/executor'
import { Planner, instantiatePlanner } from 'homenode/planner'
const host: Host = await detectHost({ root: '/' })
const request = { vms: [{ name: 'a', vcpus: 1, memory: '64MiB' }] }
const candidate: Plan = await plan(host, request, { steps: 10, seed: 1 })
const verified: VerifiedPlan = verifyPlan(host, request, candidate)
// @ts-expect-error: the executor takes a verified plan only
export const refused = runPlan(candidate)
export const report = runPlan(verified, { seconds: 1, signal: AbortSignal.timeout(1000) })
export const more: number = (await capacity(host, request, 'a')).more
export const topology: CpuTopology = await CpuTopology.detect()
export const version: number = (await instantiatePlanner()).abiVersion()
export const planner: Planner = await Planner.load()
`,
  )
  run('npm', 'install', '@types/node@20', ...npm)
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' })
})

const { usable: kvm } = kvmStatus()

skipUnless(kvm, '/dev/kvm cannot be used here')(
  'a guest runs from the installed package: Piscina finds the worker',
  () => {
    const report = JSON.parse(run('npx', 'homenode', 'run', '--seconds', '1', '--json'))
    assert.is(report.backend, 'kvm')
    assert.is(report.verified, true)
  },
)

test('the threads backend runs from the installed package', () => {
  const report = JSON.parse(run('npx', 'homenode', 'run', '--seconds', '0.5', '--backend', 'threads', '--json'))
  assert.is(report.backend, 'threads')
  assert.is(report.verified, true)
})

test.run()
