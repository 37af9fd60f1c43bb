/** A command whose answer never comes, and one whose threads cannot be had. */

import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cli, homenode, root } from './command.js'

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

/** `homenode` below a limit of the shell. */
function limited(limit: string, args: string): { readonly status: number | null; readonly stderr: string } {
  const line = `ulimit ${limit}; exec "${process.execPath}" "${cli}" ${args}`
  return spawnSync('bash', ['-c', line], { encoding: 'utf8' })
}

test('where descriptors run out, the system is to blame, and not homenode', () => {
  const said = []
  for (let most = 24; most < 66; most += 3) {
    const { status, stderr } = limited(`-n ${most}`, 'run --seconds 0.1')
    assert.not.match(stderr, /defect of homenode/, `${most} descriptors: ${stderr}`)
    if (status !== 0 && /^homenode: /.test(stderr)) said.push(stderr)
  }
  assert.ok(said.length > 0)
  for (const text of said) assert.match(text, /EMFILE.*ulimit -n/s)
})

test('a planner that gets no address space says how to have some', () => {
  const { status, stderr } = limited(
    `-v ${4 * 1024 ** 2}`,
    'plan --synthetic "core:2 pu:1" -f - <<< \'{"vms":[{"name":"a","vcpus":1,"memory":"1MiB"}]}\'',
  )
  assert.is(status, 1)
  assert.match(stderr, /^homenode: memory: the planner takes .* of address space, see ulimit -v/)
})

test('a message is short, however long what it is about is', async () => {
  const input = JSON.stringify({ vms: [{ name: 'a', vcpus: 1, memory: '1MiB', ['x'.repeat(2 ** 20)]: 1 }] })
  const { code, stderr } = await homenode(['plan', '-f', '-'], { input })
  assert.is(code, 2)
  assert.ok(stderr.length < 2000)
  assert.match(stderr, /^homenode: standard input: vms\[0\]\["xxx.*expected .*got /s)
})

test.run()
