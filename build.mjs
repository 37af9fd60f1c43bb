// Builds everything: `node build.mjs` (with --install: npm ci first where node_modules is missing or out of date).
// assembly/ -> dist/planner.wasm -> src/planner/generated/ and docs/planner-abi.md -> dist/*.js, dist/homenode.1 and dist/types/.
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = dirname(fileURLToPath(import.meta.url))
const run = promisify(execFile)
const MAX_WASM_BYTES = 80 * 1024
/** 64 MiB, in WebAssembly pages. */
const MAX_WASM_PAGES = 1024

const ENTRIES = {
  index: 'src/index.ts',
  planner: 'src/planner/index.ts',
  executor: 'executor/index.ts',
  accel: 'executor/accel/index.ts',
  cli: 'src/cli/main.ts',
}

function at(...parts) {
  return join(root, ...parts)
}

function isNewer(file, others) {
  return existsSync(file) && others.every((other) => statSync(other).mtimeMs <= statSync(file).mtimeMs)
}

function packageVersion() {
  return JSON.parse(readFileSync(at('package.json'), 'utf8')).version
}

function writeIfChanged(file, text) {
  mkdirSync(dirname(file), { recursive: true })
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text)
}

function install() {
  // npm writes this file when it has finished.
  if (isNewer(at('node_modules/.package-lock.json'), [at('package-lock.json')])) return
  console.error('installing packages (npm ci)')
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] })
}

async function compilePlanner() {
  const sources = readdirSync(at('assembly'), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => at('assembly', name))
  const release = at('dist/planner.wasm')
  const debug = at('dist/planner.debug.wasm')
  if (isNewer(release, [...sources, at('build.mjs')]) && existsSync(debug)) return
  const common = [
    at('assembly/index.ts'),
    '--runtime',
    'stub',
    '--use',
    'abort=',
    '--disable',
    'bulk-memory',
    '--disable',
    'nontrapping-f2i',
  ]
  common.push('--maximumMemory', String(MAX_WASM_PAGES))
  const asc = (...options) =>
    run(process.execPath, [at('node_modules/assemblyscript/bin/asc.js'), ...common, ...options], { cwd: root })
  await Promise.all([
    // Without that pass the zeros of static arrays are in the file: 23 MB.
    asc('-o', debug, '--debug', '--sourceMap', '--runPasses', 'memory-packing'),
    asc('-o', release, '-O3', '--shrinkLevel', '1', '--converge', '--noAssert'),
  ])
}

/** Doc comment before a position in a source: its text on one line. */
function docBefore(source, position) {
  const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(source.slice(0, position))
  if (comment === null) return ''
  return comment[1]
    .replace(/^\s*\* ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim()
}

function readExports(source) {
  return [...source.matchAll(/^export function (\w+)\(([^)]*)\): (\w+) \{$/gm)].map((match) => ({
    name: match[1],
    parameters: match[2]
      .split(', ')
      .filter(Boolean)
      .map((parameter) => parameter.split(': ')),
    returns: match[3],
    doc: docBefore(source, match.index),
  }))
}

/** Constants of assembly/abi.ts and the functions that the module exports, with their documentation. */
function readInterface() {
  const abi = readFileSync(at('assembly/abi.ts'), 'utf8')
  const constants = [...abi.matchAll(/^export const (\w+): i32 = (-?\d+);$/gm)].map((match) => ({
    name: match[1],
    value: Number(match[2]),
    doc: docBefore(abi, match.index),
  }))
  const functions = ['index', 'vms', 'results', 'refusals'].flatMap((file) =>
    readExports(readFileSync(at(`assembly/${file}.ts`), 'utf8')),
  )
  return { constants, functions }
}

/** What an embedder relies on: no imports, exactly these exports, numbers only, the size. */
function checkModule(bytes, { constants, functions }) {
  const module = new WebAssembly.Module(bytes)
  const imports = WebAssembly.Module.imports(module)
  if (imports.length > 0) throw new Error(`planner.wasm has imports: ${JSON.stringify(imports)}`)
  const found = WebAssembly.Module.exports(module)
    .map(({ name }) => name)
    .sort()
    .join(' ')
  const expected = [...functions.map(({ name }) => name), 'memory'].sort().join(' ')
  if (found !== expected) throw new Error(`planner.wasm exports ${found}, its source ${expected}`)
  const undocumented = constants.find(({ doc }) => doc === '')
  if (undocumented !== undefined) throw new Error(`${undocumented.name} is not documented`)
  for (const { name, parameters, returns, doc } of functions) {
    const types = [...parameters.map(([, type]) => type), returns]
    if (!types.every((type) => type === 'i32' || type === 'f64'))
      throw new Error(`${name} takes or returns more than i32 and f64`)
    if (doc === '') throw new Error(`${name} is not documented`)
  }
  if (bytes.length > MAX_WASM_BYTES)
    throw new Error(`planner.wasm has ${bytes.length} bytes, more than ${MAX_WASM_BYTES}`)
}

/** Constants of assembly/abi.ts by the beginning of their names. */
const GROUPS = {
  MAX: 'Limits of the module.',
  ERROR: 'What a call returns that the module refuses.',
  SOLVED: 'What `solve` returns.',
  CPU: 'What a CPU is there for, as the module takes it.',
  THREADS: 'Thread policies, as the module takes them.',
  MEMORY: 'Memory policies, as the module takes them.',
  STRATEGY: 'Strategies, as the module takes them.',
  MODEL: 'Coefficients of the cost, as the module takes them.',
  TERM: 'Terms of the cost, as the module takes them.',
  BECAUSE: 'Constraints that a refusal names.',
}

const GENERATED = '// Generated by build.mjs from assembly/: do not edit.\n'

function generateTables(bytes, { constants, functions }) {
  const table = (prefix) =>
    constants
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name, value, doc }) => `  /** ${doc} */\n  ${name.slice(prefix.length)}: ${value},\n`)
      .join('')
  const tables = Object.entries(GROUPS)
    .map(([name, doc]) => `/** ${doc} */\nexport const ${name} = {\n${table(`${name}_`)}} as const\n`)
    .join('\n')
  const signatures = functions.map(({ name, parameters, doc }) => {
    const list = parameters.map(([parameter]) => `${parameter}: number`).join(', ')
    return `  /** ${doc} */\n  ${name}(${list}): number\n`
  })
  const single = (name) => {
    const { value, doc } = constants.find((constant) => constant.name === name)
    return `/** ${doc} */\nexport const ${name} = ${value}\n`
  }
  writeIfChanged(
    at('src/planner/generated/abi.ts'),
    `${GENERATED}\n/** The package's version. */
export const VERSION = '${packageVersion()}'
${single('ABI_VERSION')}${single('NONE')}\n${tables}
/** What planner.wasm exports. */
export interface PlannerExports {
  /** The module's memory: nothing in it is part of the interface. */
  readonly memory: { readonly buffer: ArrayBuffer }
${signatures.join('')}}
`,
  )
  writeIfChanged(
    at('src/planner/generated/wasm.ts'),
    `${GENERATED}\n/** planner.wasm in base64. */\nexport const WASM_BASE64: string =\n  '${Buffer.from(bytes).toString('base64')}'\n`,
  )
}

function generateDocs({ constants, functions }) {
  const rows = (list) => list.map(({ name, value, doc }) => `| \`${name}\` | ${value} | ${doc} |`).join('\n')
  const calls = functions.map(({ name, parameters, returns, doc }) => {
    const list = parameters.map(([parameter, type]) => `${parameter}: ${type}`).join(', ')
    return `### \`${name}(${list}) -> ${returns}\`\n\n${doc}\n`
  })
  const limits = constants.filter(({ name }) => name.startsWith('MAX_'))
  const statuses = constants.filter(
    ({ name }) => name === 'NONE' || name.startsWith('ERROR_') || name.startsWith('SOLVED_'),
  )
  const others = constants.filter(({ name }) => /^(ABI|CPU|THREADS|MEMORY|STRATEGY|MODEL|TERM|BECAUSE)_/.test(name))
  const template = readFileSync(at('docs/planner-abi.template.md'), 'utf8')
  const text = template
    .replace('{{functions}}', calls.join('\n').trimEnd())
    .replace('{{limits}}', rows(limits))
    .replace('{{statuses}}', rows(statuses))
    .replace('{{numbers}}', rows(others))
  writeIfChanged(at('docs/planner-abi.md'), text)
}

/** Who embeds the planner gets no dependency and no node: module. */
function checkPlannerBundle(metafile) {
  const outputs = Object.entries(metafile.outputs)
  const seen = new Set()
  const visit = (file) => {
    if (seen.has(file)) return
    seen.add(file)
    for (const imported of metafile.outputs[file].imports) {
      if (imported.external) throw new Error(`${file} imports ${imported.path}: homenode/planner must not`)
      visit(imported.path)
    }
  }
  visit(outputs.find(([, output]) => output.entryPoint === ENTRIES.planner)[0])
}

/** pool.ts finds vcpu-worker.cjs beside the file that it is in: that has to be an entry, not a chunk in its folder. */
function checkWorkerPath(metafile) {
  const [output] = Object.entries(metafile.outputs).find(([, { inputs }]) => 'executor/threads/pool.ts' in inputs)
  if (output !== 'dist/executor.js')
    throw new Error(`executor/threads/pool.ts is in ${output}, where it does not find its worker`)
}

async function bundleEntries() {
  const { bundle } = await import('./bundle.mjs')
  const metafile = await bundle(ENTRIES, 'dist')
  checkPlannerBundle(metafile)
  checkWorkerPath(metafile)
  chmodSync(at('dist/cli.js'), 0o755)
}

/** One file that works from `file://`, too. */
async function writePage() {
  const { page } = await import('./page.mjs')
  writeFileSync(at('dist/page.html'), await page())
}

/** All but the planner's modules, which are kept while their source is: what is not made any more would be packed. */
function removeOldOutput() {
  for (const name of readdirSync(at('dist')).filter((name) => !/\.wasm(\.map)?$/.test(name)))
    rmSync(at('dist', name), { recursive: true })
}

/** The man page, from the table of the commands. */
async function writeManPage() {
  await run(process.execPath, ['--import', 'tsx', at('src/cli/man-file.ts'), at('dist/homenode.1')], { cwd: root })
}

async function emitTypes() {
  await run(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', at('tsconfig.json')], { cwd: root }).catch(
    (error) => {
      throw new Error(`tsc:\n${error.stdout}`)
    },
  )
}

try {
  if (process.argv.includes('--install')) install()
  mkdirSync(at('dist'), { recursive: true })
  await compilePlanner()
  const bytes = readFileSync(at('dist/planner.wasm'))
  const described = readInterface()
  checkModule(bytes, described)
  generateTables(bytes, described)
  generateDocs(described)
  removeOldOutput()
  await Promise.all([bundleEntries(), writePage(), writeManPage(), emitTypes()])
} catch (error) {
  console.error(`build: ${error.stderr || error.message}`)
  process.exitCode = 1
}
