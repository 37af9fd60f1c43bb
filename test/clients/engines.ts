/** Engines that have WebAssembly, on the vectors: each is given one script that holds all that it needs. */

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { type Call, signatures } from '../planner/abi-table.js'
import { isInstalled, runBrowser } from '../planner/runtimes/runners.js'
import { wastOf } from '../planner/runtimes/wast.js'
import { BUILD, type Built, CLIENTS, ROOT } from './built.js'

const LIMIT_MS = 500_000
const runtimes = join(ROOT, 'test/planner/runtimes')
const packages = join(runtimes, 'node_modules/.bin')
const environment = { ...process.env, PATH: `${packages}${delimiter}${process.env.PATH}` }

/** A program, and how it is given a script; without arguments: a browser. */
export interface Engine {
  readonly name: string
  readonly program: string
  readonly args?: readonly string[]
}

export const ENGINES: readonly Engine[] = [
  { name: 'Node', program: process.execPath, args: ['script.mjs'] },
  { name: 'Deno', program: 'deno', args: ['run', 'script.mjs'] },
  { name: 'Bun', program: 'bun', args: ['run', 'script.mjs'] },
  { name: 'gjs (SpiderMonkey)', program: 'gjs', args: ['-m', 'script.mjs'] },
  { name: 'Chromium', program: 'chromium' },
]

/** What an engine says, and the CPU time that its process took, in seconds; of a browser, which has many, none. */
export interface Said {
  readonly said: string
  readonly seconds: number | null
}

/** A command's output and the CPU time of all that it ran. */
export async function timed(command: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<Said> {
  const script = 'TIMEFORMAT="cpu %U %S"; time "$@"'
  const options = { cwd, env: { ...env, LC_ALL: 'C' }, timeout: LIMIT_MS, maxBuffer: 2 ** 24 }
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script, 'bash', ...command], options)
  const [, user, system] = /^cpu ([\d.]+) ([\d.]+)$/m.exec(stderr) ?? []
  return { said: stdout.trim(), seconds: Number(user) + Number(system) }
}

function vectorsText(name: string): string {
  return readFileSync(join(CLIENTS, 'vectors', name), 'utf8')
}

function scriptOf({ planner, front }: Built): string {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const texts = { calls: vectorsText('calls.txt'), plans: vectorsText('plans.txt') }
  const vectors = { planner: base64(planner), front: base64(front), ...texts }
  return `const VECTORS = ${JSON.stringify(vectors)}\n${vectorsText('replay.js')}\nconst said = await replay(VECTORS)\n`
}

const PAGE = '<!doctype html><meta charset="utf-8"><script type="module" src="/script.js"></script>'

export async function runEngine({ program, args }: Engine, built: Built): Promise<Said> {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-engine-'))
  try {
    const script = scriptOf(built)
    if (args === undefined) {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'script.js'), `${script}await fetch('/answer', { method: 'POST', body: said })\n`)
      writeFileSync(join(folder, 'page.html'), PAGE)
      return { said: await runBrowser(folder, program), seconds: null }
    }
    writeFileSync(join(folder, 'script.mjs'), `${script}const say = globalThis.print ?? console.log\nsay(said)\n`)
    return await timed([program, ...args], folder, environment)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
}

const WORKERD_CONFIG = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .worker)]);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker", esModule = embed "worker.js"),
    (name = "planner.wasm", wasm = embed "planner.wasm"),
    (name = "front.wasm", wasm = embed "front.wasm"),
  ],
  compatibilityDate = "2026-01-01",
);
`

/** workerd compiles no module at run time: both are modules of the worker, whose test is the replay. */
export async function runWorkerd({ planner, front }: Built): Promise<Said> {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-workerd-'))
  const texts = JSON.stringify({ calls: vectorsText('calls.txt'), plans: vectorsText('plans.txt') })
  const worker = [
    "import planner from 'planner.wasm'",
    "import front from 'front.wasm'",
    vectorsText('replay.js'),
    `const VECTORS = { planner, front, ...${texts} }`,
    'export default { test: async () => console.log(await replay(VECTORS)) }',
  ]
  try {
    writeFileSync(join(folder, 'config.capnp'), WORKERD_CONFIG)
    writeFileSync(join(folder, 'worker.js'), worker.join('\n'))
    writeFileSync(join(folder, 'planner.wasm'), planner)
    writeFileSync(join(folder, 'front.wasm'), front)
    return await timed(['workerd', 'test', 'config.capnp'], folder, environment)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What the interpreter needs, both of wabt. */
export const INTERPRETER = ['wast2json', 'spectest-interp']

/** The calls in wabt's interpreter, which has no memory to write texts to. */
export async function runInterpreter({ planner }: Built): Promise<Said> {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-interpreter-'))
  const lines = vectorsText('calls.txt').split('\n')
  const calls = lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [call = '', result] = line.split(' = ')
      const [name = '', ...numbers] = call.split(' ')
      return { call: [name, ...numbers.map(Number)] as Call, result: Number(result) }
    })
  try {
    writeFileSync(join(folder, 'calls.wast'), wastOf(planner, signatures, [{ name: 'vectors', calls, work: 0 }]))
    await promisify(execFile)('wast2json', ['calls.wast', '-o', 'calls.json'], { cwd: folder })
    const { said, seconds } = await timed(['spectest-interp', 'calls.json'], folder, environment)
    // The script's module counts as one.
    const all = `${calls.length + 1}/${calls.length + 1} tests passed.`
    return { said: said.endsWith(all) ? `${calls.length} calls are equal` : `differs: ${said.slice(-200)}`, seconds }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** It takes a hundred times as long for a call. */
const CALLS_OF_QUICKJS = 1500

export const HAS_QUICKJS = isInstalled('wasm2js') && existsSync(join(runtimes, 'node_modules/quickjs-emscripten'))

/** The first calls in QuickJS, on JavaScript that binaryen's wasm2js makes of the module. */
export async function runQuickJs(): Promise<Said> {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-quickjs-'))
  try {
    const module = join(folder, 'planner.js')
    await promisify(execFile)('wasm2js', [join(BUILD, 'planner.wasm'), '-o', module])
    const script = [join(runtimes, 'quickjs.mjs'), module, join(CLIENTS, 'vectors/calls.txt'), `${CALLS_OF_QUICKJS}`]
    return await timed([process.execPath, ...script], folder, environment)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
