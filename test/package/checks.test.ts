import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Checkers of the package and of the source: each ends with 0 where it finds nothing. */
const CHECKS: Readonly<Record<string, readonly string[]>> = {
  'biome: lint and formatting': ['biome', 'check', '--error-on-warnings', '.'],
  'tsc: strict types, in tests and benches too': ['tsc', '-p', 'test'],
  'publint: the package as others install it': ['publint', '--strict'],
  // A WebAssembly module has no types.
  'are-the-types-wrong: the types as others resolve them': [
    'attw',
    '--pack',
    '.',
    '--profile',
    'esm-only',
    '--exclude-entrypoints',
    './planner.wasm',
  ],
}

for (const [name, [command = '', ...args]] of Object.entries(CHECKS)) {
  test(name, () => {
    const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin', command), args, {
      cwd: root,
      encoding: 'utf8',
    })
    assert.is(status, 0, `${stdout}${stderr}`)
  })
}

test('docs/planner-abi.md is the one that the build makes', () => {
  const { stdout } = spawnSync('git', ['status', '--porcelain', 'docs/planner-abi.md'], { cwd: root, encoding: 'utf8' })
  assert.is(stdout, '', 'commit docs/planner-abi.md: the build changed it')
})

test('no path of this checkout is in a tracked file', () => {
  const { stdout } = spawnSync('git', ['grep', '-lF', `${root}/`], { cwd: root, encoding: 'utf8' })
  assert.is(stdout, '')
})

test('the lock file names every dependency of package.json', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const name of Object.keys({ ...dependencies, ...devDependencies }))
    assert.ok(packages[`node_modules/${name}`], name)
})

test.run()
