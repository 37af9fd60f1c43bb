/** A command whose answer never comes, and one whose threads cannot be had. */

import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { homenode, root } from './command.js'

/** What is read comes never, and keeps nothing alive. */
const NEVER = `data:text/javascript,${encodeURIComponent(`
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
fs.open = () => new Promise(() => {})
syncBuiltinESMExports()`)}`

test('a command that ends without an answer says so, and ends with 1', async () => {
  const { code, stdout, stderr } = await homenode(['plan', '-f', 'request.json'], {
    env: { NODE_OPTIONS: `--import=${NEVER}` },
  })
  assert.is(code, 1)
  assert.is(stdout, '')
  assert.is(stderr, 'homenode: the command ended without an answer: what it waited for never came\n')
})

test('commands that end as they should say nothing of it', async () => {
  assert.equal(await homenode(['--version']).then(({ code, stderr }) => [code, stderr]), [0, ''])
  assert.is((await homenode(['plan'])).code, 2)
  assert.is((await homenode(['nonsense'])).code, 2)
})

test('a run whose threads have no program to load says so', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-broken-'))
  try {
    cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true })
    cpSync(join(root, 'package.json'), join(folder, 'package.json'))
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    rmSync(join(folder, 'dist/vcpu-worker.cjs'))
    const { code, stderr } = await homenode(
      ['run', '--backend', 'threads', '--seconds', '0.1'],
      {},
      join(folder, 'dist/cli.js'),
    )
    assert.is(code, 1)
    assert.match(stderr, /^homenode: VM "demo": a thread: it could not be started: .*vcpu-worker\.cjs/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
