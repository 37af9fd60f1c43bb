// Makes what the clients share, into clients/build/ (not committed): `npm run clients`.
//   planner-json.wasm            assembly/json/ by asc, with all that planner.wasm has
//   c/homenode.h, c/calls.c      the header and the functions of the C library, from the planner's sources
//   c/planner*.c, c/planner*.h   both modules as C, by wabt's wasm2c
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ascArguments, isNewer, RELEASE, writeIfChanged } from '../compile.mjs'
import { writeLibrary } from './c/generate.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const build = join(root, 'clients/build')
/** 1 GiB, in WebAssembly pages: what is read and made of a text of the largest size. */
const MAX_PAGES = 16_384
const MAX_BYTES = 256 * 1024

function at(...parts) {
  return join(root, ...parts)
}

function compileFront() {
  const sources = readdirSync(at('assembly'), { recursive: true })
    .filter((name) => /\.m?(ts|js)$/.test(name))
    .map((name) => at('assembly', name))
  const file = join(build, 'planner-json.wasm')
  if (isNewer(file, [...sources, at('clients/build.mjs'), at('compile.mjs')])) return file
  const asc = ascArguments(at('assembly/json/index.ts'), file, MAX_PAGES, RELEASE)
  const options = { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] }
  execFileSync(process.execPath, [at('node_modules/assemblyscript/bin/asc.js'), ...asc], options)
  const bytes = readFileSync(file)
  if (WebAssembly.Module.imports(new WebAssembly.Module(bytes)).length > 0)
    throw new Error('planner-json.wasm has imports')
  if (bytes.length > MAX_BYTES) throw new Error(`planner-json.wasm has ${bytes.length} bytes, more than ${MAX_BYTES}`)
  return file
}

/** wasm2c of a module; names and includes of its output follow its name. */
function translate(wasm, name) {
  const file = join(build, 'c', `${name}.c`)
  if (isNewer(file, [wasm])) return
  // Where it is ended half-way there is no file that looks complete.
  const made = join(build, 'c.new')
  mkdirSync(made, { recursive: true })
  const options = ['--no-debug-names', '-n', name, wasm, '-o', join(made, `${name}.c`)]
  execFileSync('wasm2c', options, { stdio: ['ignore', 'ignore', 'inherit'] })
  for (const ending of ['h', 'c']) renameSync(join(made, `${name}.${ending}`), join(build, 'c', `${name}.${ending}`))
  rmSync(made, { recursive: true })
}

/** Its output differs from version to version; Debian 12 has this one. */
const WASM2C = '1.0.32'

/** What keeps the C library from being made; nothing: empty. */
function withoutWasm2c() {
  try {
    const version = execFileSync('wasm2c', ['--version'], { encoding: 'utf8' }).trim()
    return version === WASM2C ? '' : `wasm2c is ${version}, not ${WASM2C}`
  } catch {
    return 'wasm2c (Debian: wabt) is not installed'
  }
}

try {
  if (!existsSync(at('dist/planner.wasm'))) throw new Error('no dist/planner.wasm: run `npm run build` first')
  mkdirSync(join(build, 'c'), { recursive: true })
  const { version } = JSON.parse(readFileSync(at('package.json'), 'utf8'))
  const front = compileFront()
  copyFileSync(at('dist/planner.wasm'), join(build, 'planner.wasm'))
  writeLibrary(join(build, 'c'), version, writeIfChanged)
  const missing = withoutWasm2c()
  if (missing === '') {
    translate(at('dist/planner.wasm'), 'planner')
    translate(front, 'planner_json')
  } else console.error(`SKIPPED: the C library: ${missing}`)
} catch (error) {
  console.error(`clients: ${error.stderr?.toString() || error.message}`)
  process.exitCode = 1
}
