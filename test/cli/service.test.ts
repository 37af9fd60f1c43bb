/** `homenode service`, from its arguments to its files; and what `homenode balance` answers by HTTP. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dashboard } from '../../src/service/dashboard.js'
import { cli, homenode } from './command.js'

const folder = mkdtempSync(join(tmpdir(), 'homenode-service-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let roots = 0
function newRoot(): string {
  const root = join(folder, `root-${++roots}`)
  mkdirSync(root)
  return root
}

const UNIT = 'etc/systemd/system/homenode-balance.service'
const POLICY = 'etc/homenode/policy.yaml'

const service = (...args: readonly string[]) => homenode(['service', ...args])

test('the unit runs this command with the options that were given, and the policy that it writes', async () => {
  const root = newRoot()
  const options = ['--act', '--metrics', '127.0.0.1:9464', '--interval', '20s', '--rate', '200MiB']
  const { code, stdout, stderr } = await service('install', '--root', root, '--', ...options)
  assert.is(code, 0, stderr)
  assert.equal(stdout.split('\n').slice(0, 2), [`written: ${join(root, UNIT)}`, `written: ${join(root, POLICY)}`])
  const unit = readFileSync(join(root, UNIT), 'utf8')
  const [, command] = /^ExecStart=(.*)$/m.exec(unit)!
  assert.is(command, `${process.execPath} ${cli} balance ${options.join(' ')} --policy /${POLICY}`)
  assert.match(unit, /^WatchdogSec=120$/m)
  assert.match(unit, /^IPAddressAllow=localhost$/m)
  const removed = await service('remove', '--root', root, '--json')
  assert.is(removed.code, 0)
  const { kind, steps } = JSON.parse(removed.stdout)
  assert.equal([kind, steps], ['Service', [`removed: ${join(root, UNIT)}`, `removed: ${join(root, POLICY)}`]])
})

test('a policy and a state folder of choice are the only ones', async () => {
  const root = newRoot()
  mkdirSync(join(root, 'srv'))
  const { code, stderr } = await service(
    'install',
    '--root',
    root,
    '--',
    '--policy',
    '/etc/mine.yaml',
    '--state',
    '/srv',
  )
  assert.is(code, 0, stderr)
  assert.not.ok(existsSync(join(root, POLICY)))
  const unit = readFileSync(join(root, UNIT), 'utf8')
  assert.match(unit, / balance --policy \/etc\/mine\.yaml --state \/srv$/m)
  assert.match(unit, /^ReadWritePaths=\/srv$/m)
})

test('a dry run shows the unit, and writes nothing', async () => {
  const root = newRoot()
  const { code, stdout } = await service('install', '--dry-run', '--root', root)
  assert.is(code, 0)
  assert.match(stdout, /^dry run: written: .*homenode-balance\.service$/m)
  assert.match(stdout, /^Type=notify$/m)
  assert.equal(readdirSync(root), [])
})

test('options that balance would refuse are refused now, and nothing is written', async () => {
  const cases: readonly [readonly string[], RegExp][] = [
    [['--polici', '/x'], /unknown option '--polici'.*did you mean --policy/i],
    [['--act', '--dry-run'], /cannot be used with/],
    [['--interval', '0'], /--interval: expected a time/],
    [['--metrics', '9464'], /--metrics: expected "HOST:PORT"/],
    [['--policy', 'policy.yaml'], /--policy: expected a whole path, from \/, got "policy\.yaml"/],
    [['--policy', '-'], /--policy: expected a whole path/],
    [['--measured', 'host.json'], /--measured: expected a whole path/],
    [['--state', 'state'], /--state: expected a whole path/],
    [['--state', '/nowhere/state'], /--state: expected a folder that is there/],
    [['more'], /too many arguments/],
  ]
  for (const [words, message] of cases) {
    const root = newRoot()
    const { code, stdout, stderr } = await service('install', '--root', root, '--', ...words)
    assert.is(code, 2, stderr)
    assert.match(stderr.replace(/\n/g, ' '), message)
    assert.equal([stdout, readdirSync(root)], ['', []])
  }
})

test('another unit in its place is bad input', async () => {
  const root = newRoot()
  await service('install', '--root', root)
  const { code } = await service('install', '--root', root)
  assert.is(code, 0)
  const path = join(root, UNIT)
  rmSync(path)
  mkdirSync(path)
  const again = await service('install', '--root', root)
  assert.is(again.code, 2)
  assert.match(
    again.stderr,
    /homenode-balance\.service: expected no file, or one that homenode has written .* got another one/,
  )
})

test('the dashboard is printed as JSON', async () => {
  const { code, stdout, stderr } = await service('dashboard')
  assert.equal([code, stderr], [0, ''])
  assert.equal(JSON.parse(stdout), JSON.parse(JSON.stringify(dashboard())))
})

test('balance says where it answers, answers there alone, and not after its end', async () => {
  const args = ['balance', '--interval', '0.2', '--dry-run', '--state', join(folder, 'state')]
  const child = spawn(process.execPath, [cli, ...args, '--metrics', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  child.stdout.resume()
  let said = ''
  const address = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (chunk) => {
      said += chunk
      const [, found] = /^metrics: (http:\/\/127\.0\.0\.1:\d+)\/metrics$/m.exec(said) ?? []
      if (found !== undefined) resolve(found)
    })
    child.once('close', () => reject(new Error(`it has ended: ${said}`)))
  })
  const page = async (path: string) => (await fetch(`${address}${path}`, { headers: { connection: 'close' } })).text()
  const rounds = async () => {
    const counts = [...(await page('/metrics')).matchAll(/^homenode_balance_rounds_total\{.*\} (\d+)$/gm)]
    return counts.reduce((sum, [, count]) => sum + Number(count), 0)
  }
  while ((await rounds()) < 2);
  assert.match(await page('/healthz'), /^ok: the last round ended \d/)
  const text = await page('/metrics')
  assert.match(text, /^homenode_balance_interval_seconds 0\.2$/m)
  assert.match(text, /^homenode_node_cpus\{node="0"\} \d+$/m)
  child.kill('SIGTERM')
  assert.equal(await closed, [0, null])
  await fetch(`${address}/healthz`).then(
    () => assert.unreachable('it answers still'),
    () => {},
  )
})

test('a port that is taken ends it at once', async () => {
  const other = createServer()
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const { code, stdout, stderr } = await homenode(['balance', '--once', '--metrics', `127.0.0.1:${port}`])
  other.close()
  assert.equal([code, stdout], [1, ''])
  assert.match(stderr, /listen\(127\.0\.0\.1:\d+\): EADDRINUSE .*another program listens there/)
})

test.run()
