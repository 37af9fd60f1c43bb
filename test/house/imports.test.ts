import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { contributing } from './contributing.js'
import { LEAVES, ROOMS, type Room, roomOf } from './rooms.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

const IMPORT = /(?:from|import\(|import)\s*'([\w@.][^'\s]*)'/g

interface Import {
  readonly file: string
  readonly target: string
}

/** Files of a folder: paths from the root. */
function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => /\.tsx?$/.test(file))
}

function pathOf(file: string): string {
  return file.replace(/\.(tsx?|js)$/, '')
}

/** Imports of a file: those of its own house as paths from the root without extension, packages by name. */
function importsOf(file: string): Import[] {
  // Without the examples in docstrings, which import the package.
  const text = readFileSync(join(root, file), 'utf8').replace(/^ *\*.*$/gm, '')
  return [...text.matchAll(IMPORT)].map(([, name = '']) => {
    const target = name.startsWith('.') ? pathOf(normalize(join(dirname(file), name))) : name
    return { file, target }
  })
}

const files = ['src', 'executor', 'assembly'].flatMap(sources)
const paths = new Set(files.map(pathOf))
const all = files.flatMap(importsOf)
const inside = all.filter(({ target }) => paths.has(target))
const packages = all.filter(({ target }) => !/^(src|executor|assembly)\//.test(target))

/** Rooms by the first of their files. */
function firstOf({ files: [first = ''] }: Room): string {
  return first
}

function mayUse(room: Room, other: Room): boolean {
  return other === room || firstOf(other) === LEAVES || room.may.includes(firstOf(other))
}

function usersOf(target: string): string[] {
  return [...new Set(all.filter((one) => one.target === target).map(({ file }) => file))].sort()
}

test('the imports of all sources are found', () => {
  assert.ok(inside.length > 800, `${inside.length}`)
  assert.equal(usersOf('piscina'), ['executor/threads/pool.ts'])
})

test('every file is in a room', () => {
  assert.equal(
    files.filter((file) => roomOf(pathOf(file)) === undefined),
    [],
  )
})

test('each room imports only from rooms that the table allows', () => {
  const wrong = inside.filter(({ file, target }) => !mayUse(roomOf(pathOf(file))!, roomOf(target)!))
  assert.equal(wrong, [])
})

test('the table allows only what is used, and no arrow in it goes up', () => {
  const order = ROOMS.map(firstOf)
  for (const [at, room] of ROOMS.entries()) {
    const used = new Set(
      inside
        .filter(({ file }) => roomOf(pathOf(file)) === room)
        .map(({ target }) => firstOf(roomOf(target)!))
        .filter((other) => other !== firstOf(room) && other !== LEAVES),
    )
    assert.equal([...room.may].sort(), [...used].sort(), firstOf(room))
    assert.equal(
      room.may.filter((other) => order.indexOf(other) <= at),
      [],
      `${firstOf(room)} uses rooms above it`,
    )
  }
})

test('each room imports only the packages that are its own', () => {
  const wrong = packages.filter(({ file, target }) => !roomOf(pathOf(file))?.packages?.includes(target))
  assert.equal(wrong, [])
})

test('the planner imports no package, and koffi is in executor/ffi alone', () => {
  assert.ok(usersOf('koffi').length > 0 && usersOf('koffi').every((file) => file.startsWith('executor/ffi/')))
  assert.equal(
    packages.filter(({ file }) => file.startsWith('src/planner/')),
    [],
  )
})

test('files of the system are read in two files of src/topology', () => {
  const readers = usersOf('node:fs').filter((file) => file.startsWith('src/topology/'))
  assert.equal(readers, ['src/topology/node-fs.ts', 'src/topology/record-node.ts'])
})

test('only verifyPlan seals a plan', () => {
  const sealers = files.filter((file) => /\bsealPlan\b/.test(readFileSync(join(root, file), 'utf8')))
  assert.equal(sealers.sort(), ['src/verified.ts', 'src/verify.ts'])
})

test('no source imports a file that is not there', () => {
  const missing = all.filter(({ target }) => /^(src|executor|assembly)\//.test(target) && !paths.has(target))
  assert.equal(missing, [])
})

test('CONTRIBUTING.md has the table of rooms', () => {
  const { found, expected } = contributing()
  assert.is(found, expected, 'node --import tsx test/house/write.ts')
})

/** Lines that are neither blank nor part of a comment. */
function codeLines(file: string): number {
  const text = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  return text.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('//')).length
}

test('no source has more than 400 lines but for comments', () => {
  const long = files
    .filter((file) => !file.startsWith('src/planner/generated/'))
    .filter((file) => codeLines(file) > 400)
    .map((file) => `${file}: ${codeLines(file)}`)
  assert.equal(long, [])
})

test.run()
