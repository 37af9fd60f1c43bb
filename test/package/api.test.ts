/** docs/api is made from the docstrings, and there is one for everything that is exported. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../skip.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const folder = mkdtempSync(join(tmpdir(), 'homenode-api-'))

const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
const installed = spawnSync('npm', ['ci', ...quiet, '--prefix', 'docs/typedoc'], { cwd: root, stdio: ['ignore', 2, 2] })
const withTypedoc = skipUnless(installed.status === 0, 'npm could not install typedoc')

test.after(() => rmSync(folder, { recursive: true, force: true }))

function generate(...args: string[]): { readonly status: number | null; readonly text: string } {
  const command = [join(root, 'docs/typedoc/generate.mjs'), ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: folder, encoding: 'utf8' })
  return { status, text: `${stdout}${stderr}` }
}

function pagesOf(directory: string): Record<string, string> {
  const names = readdirSync(directory).sort()
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(directory, name), 'utf8')]))
}

withTypedoc('docs/api says what the docstrings say, and all exports have one', () => {
  const out = join(folder, 'api')
  const { status, text } = generate(out)
  assert.is(status, 0, text)
  const made = pagesOf(out)
  assert.equal(Object.keys(made), [
    'README.md',
    'homenode.accel.md',
    'homenode.executor.md',
    'homenode.md',
    'homenode.planner.md',
  ])
  const kept = pagesOf(join(root, 'docs/api'))
  const differing = Object.keys({ ...made, ...kept }).filter((name) => made[name] !== kept[name])
  assert.equal(differing, [], 'run `npm run docs` and commit docs/api')
})

withTypedoc('what has no docstring is named, and no page is written', () => {
  const entry = join(folder, 'entry.ts')
  const tsconfig = join(folder, 'tsconfig.json')
  const out = join(folder, 'undocumented')
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'undocumented', version: '1.0.0' }))
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions: { target: 'ES2022' }, files: ['entry.ts'] }))
  writeFileSync(
    entry,
    `/** An entry.
 * @module entry
 */
export function bare(): void {}
/** Documented. */
export function documented(): void {}
/** Documented. */
export class Thing {
  bareProperty = 1
  bareMethod(): Hidden { return { secret: 1 } }
  /** Documented. */
  known = 2
}
export type Bare = string
interface Hidden { readonly secret: number }
`,
  )
  const { status, text } = generate(out, tsconfig, entry)
  assert.is(status, 1)
  const named = [...text.matchAll(/ (\S+): not documented/g)].map(([, name]) => name).sort()
  assert.equal(named, ['Bare', 'Thing.bareMethod.bareMethod', 'Thing.bareProperty', 'bare.bare'])
  assert.match(text, /Hidden.*not included in the documentation/)
  assert.throws(() => readdirSync(out), /ENOENT/)
})

test.run()
