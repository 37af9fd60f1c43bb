import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Modules that import nothing but each other: everybody may use them. */
const LEAVES = ['src/types', 'src/errors', 'src/cpulist', 'src/units', 'src/freeze', 'src/schema']

/** Who may import whom, by the beginning of the path; a room may always import itself. Packages are named as they are. */
const ROOMS: readonly { readonly room: string; readonly may: readonly string[] }[] = [
  { room: 'src/schema', may: ['src/errors', 'zod'] },
  { room: 'src/topology/record-node', may: [...LEAVES, 'src/topology/', 'node:fs', 'node:path'] },
  { room: 'src/topology/node-fs', may: [...LEAVES, 'src/topology/', 'node:fs', 'node:path'] },
  { room: 'src/topology/', may: [...LEAVES, 'zod'] },
  { room: 'src/request', may: [...LEAVES, 'zod'] },
  { room: 'src/planner/', may: ['src/types', 'src/errors', 'src/cpulist', 'src/units'] },
  { room: 'src/verified', may: LEAVES },
  { room: 'src/verify', may: [...LEAVES, 'src/request', 'src/verified', 'zod'] },
  { room: 'src/capacity', may: [...LEAVES, 'src/planner/', 'src/request', 'src/verify'] },
  { room: 'src/plan', may: ['src/planner/', 'src/request', 'src/types'] },
  { room: 'executor/abi/', may: [] },
  { room: 'executor/ffi/', may: ['executor/abi/', 'src/errors', 'node:util', 'node:worker_threads', 'koffi'] },
  { room: 'executor/guests/', may: ['executor/abi/'] },
  { room: 'executor/pool', may: ['executor/', 'src/errors', 'node:', 'piscina'] },
  { room: 'executor/', may: [...LEAVES, 'src/verified', 'node:'] },
]

/** Inside of the executor: from the pool down, nobody imports a layer above. */
const LAYERS = [
  'executor/run',
  'executor/vm/vm.ts',
  'executor/vm/bare-vm.ts',
  'executor/walkers',
  'executor/placement',
  'executor/lifecycle',
  'executor/guest-io',
  'executor/crew',
  'executor/pool',
  'executor/vcpu-worker',
  'executor/kvm',
  'executor/ffi/',
  'executor/abi/',
]

const IMPORT = /(?:from|import\(|import)\s*'([^']+)'/g

interface Import {
  readonly file: string
  readonly target: string
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => file.endsWith('.ts'))
}

/** Imports of a file, relative ones as paths from the root without extension. */
function importsOf(file: string): Import[] {
  // Without the examples in docstrings, which import the package.
  const text = readFileSync(join(root, file), 'utf8').replace(/^ *\*.*$/gm, '')
  return [...text.matchAll(IMPORT)].map(([, name = '']) => {
    const target = name.startsWith('.') ? normalize(join(dirname(file), name)).replace(/\.js$/, '') : name
    return { file, target }
  })
}

const all = [...sources('src'), ...sources('executor')].flatMap(importsOf)

test('the imports of src and executor are found', () => {
  assert.ok(all.length > 150)
  assert.ok(all.some(({ file, target }) => file === 'executor/threads/pool.ts' && target === 'piscina'))
})

test('each room imports only what it may', () => {
  const wrong = all.filter(({ file, target }) => {
    const rule = ROOMS.find(({ room }) => file.startsWith(room))
    if (rule === undefined) return false
    return !target.startsWith(rule.room) && !rule.may.some((allowed) => target.startsWith(allowed))
  })
  assert.equal(wrong, [])
})

test('nobody imports the command line', () => {
  assert.equal(
    all.filter(({ file, target }) => target.startsWith('src/cli/') && !file.startsWith('src/cli/')),
    [],
  )
})

test('koffi is imported in executor/ffi alone, piscina in executor/threads/pool.ts', () => {
  const users = (name: string) => [...new Set(all.filter(({ target }) => target === name).map(({ file }) => file))]
  assert.ok(users('koffi').length > 0 && users('koffi').every((file) => file.startsWith('executor/ffi/')))
  assert.equal(users('piscina'), ['executor/threads/pool.ts'])
})

test('only verifyPlan seals a plan', () => {
  const sealers = sources('src')
    .concat(sources('executor'))
    .filter((file) => /\bsealPlan\b/.test(readFileSync(join(root, file), 'utf8')))
  assert.equal(sealers.sort(), ['src/verified.ts', 'src/verify.ts'])
})

test('inside of the executor imports go down: run, vm, placement, lifecycle, crew, pool, worker, kvm, ffi, abi', () => {
  const layerOf = (path: string) => LAYERS.findIndex((layer) => `${path.replace(/\.ts$/, '')}.ts`.startsWith(layer))
  const up = all.filter(({ file, target }) => {
    const from = layerOf(file)
    const to = layerOf(target)
    return from >= 0 && to >= 0 && to < from
  })
  assert.equal(up, [])
})

test('no source imports a file that is not there', () => {
  const files = new Set([...sources('src'), ...sources('executor')].map((file) => file.replace(/\.ts$/, '')))
  const missing = all.filter(({ target }) => /^(src|executor)\//.test(target) && !files.has(target))
  assert.equal(
    missing.map(({ file, target }) => `${relative('.', file)} -> ${target}`),
    [],
  )
})

test.run()
