/** `homenode serve --rank`: what engines ask over HTTP. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HostFiles } from '../../src/fleet/http/host-files.js'
import { Interned } from '../../src/fleet/http/rank.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Plan } from '../../src/types.js'
import { cli, homenode } from '../cli/command.js'

const folder = mkdtempSync(join(tmpdir(), 'homenode-rank-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const hosts = join(folder, 'hosts')
mkdirSync(hosts)
const whole = syntheticHost('pack:1 [numa(memory=64GiB)] l3:1 core:16 pu:1')
const pieces = syntheticHost('pack:1 [numa(memory=64GiB)] l3:4 core:4 pu:1')
writeFileSync(join(hosts, 'whole.json'), JSON.stringify(whole))
writeFileSync(join(hosts, 'pieces.json'), JSON.stringify(pieces))
writeFileSync(join(hosts, 'broken.json'), '{"nodes": ')
const vm = { name: 'vm', vcpus: 16, memory: '16GiB' }

/** What was answered, in so far as it is looked at. */
interface Answer {
  readonly kind: string
  readonly vm: string
  readonly error: string
  readonly hosts: readonly {
    readonly host: string
    readonly lostMore: number | null
    readonly refused: { readonly because: readonly { readonly constraint: string; readonly text: string }[] } | null
    readonly plan?: Plan
  }[]
}

interface Asking {
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Runs the server with these options for as long as `work` takes. */
async function serving(
  args: readonly string[],
  work: (
    ask: (body: unknown, asking?: Asking) => Promise<{ status: number; body: Answer }>,
    address: string,
  ) => Promise<void>,
): Promise<void> {
  const child = spawn(process.execPath, [cli, 'serve', '--rank', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaints = ''
  child.stderr!.on('data', (part) => {
    complaints += part
  })
  const ended = once(child, 'close')
  const unheard = ended.then(([code]) => {
    throw new Error(`the server ended with ${code}: ${complaints}`)
  })
  try {
    const [address] = (await Promise.race([once(createInterface(child.stdout!), 'line'), unheard])) as [string]
    const target = address.startsWith('/')
      ? { socketPath: address }
      : { host: '127.0.0.1', port: new URL(address).port }
    await work((body, { path = '/rank', method = 'POST', headers = {} } = {}) => {
      return new Promise((resolve, reject) => {
        // A connection of its own: one that was used before may be closed by the server, which ends those that wait for long, as it is used again.
        const sent = httpRequest({ ...target, path, method, headers, agent: false }, (response) => {
          let text = ''
          response.on('data', (part) => {
            text += part
          })
          response.on('error', reject)
          response.on('end', () => {
            try {
              resolve({ status: response.statusCode!, body: JSON.parse(text) })
            } catch {
              reject(new Error(`${response.statusCode} with a body that is no JSON: ${text}`))
            }
          })
        })
        sent.on('error', reject)
        sent.end(typeof body === 'string' ? body : JSON.stringify(body))
      })
    }, address)
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

test('hosts of a folder are ranked; one that is not known is named, and does not spoil the others', async () => {
  await serving(['--hosts', hosts, '--port', '0'], async (ask) => {
    const asked = { vm, hosts: { pieces: {}, whole: {}, none: {}, broken: {}, '../whole': {} } }
    const { status, body } = await ask(asked)
    assert.is(status, 200, JSON.stringify(body))
    assert.equal([body.kind, body.vm], ['Ranking', 'vm'])
    const [best, next, ...others] = body.hosts
    assert.equal(best, { host: 'whole', refused: null, lostMore: 0, capacityLost: null })
    assert.equal([next!.host, next!.lostMore], ['pieces', 1.28])
    assert.equal(
      others.map(({ host, refused }) => [host, refused!.because[0]!.constraint]),
      [
        ['none', 'host'],
        ['broken', 'host'],
        ['../whole', 'host'],
      ],
    )
    assert.match(others[0]!.refused!.because[0]!.text, /none\.json: expected a host .*, got no such file$/)
    assert.match(others[1]!.refused!.because[0]!.text, /broken\.json: expected JSON, got text that is none$/)
  })
})

test('a host may have any name, also one that objects of JavaScript have of their own', async () => {
  await serving(['--hosts', hosts, '--port', '0'], async (ask) => {
    const current = {
      cells: [{ cell: 0, pageSize: 4096, memory: [{ node: 0, bytes: 2 ** 30 }] }],
      vcpus: [{ vcpu: 0, cell: 0, node: 0, cpus: '0', dedicated: true }],
    }
    const placed = { vms: [{ name: 'old', vcpus: 1, memory: '1GiB', current }] }
    const one = JSON.stringify({ host: whole, placed })
    const { status, body } = await ask(
      `{"vm": ${JSON.stringify(vm)}, "hosts": {"__proto__": ${one}, "constructor": {"host": ${JSON.stringify(whole)}}}}`,
    )
    assert.is(status, 200, JSON.stringify(body))
    // Where one CPU is taken there is no room for 16 vCPUs.
    assert.equal(
      body.hosts.map(({ host, lostMore }) => [host, lostMore]),
      [
        ['constructor', 0],
        ['__proto__', null],
      ],
    )
    const wrong = await ask(`{"vm": ${JSON.stringify(vm)}, "hosts": {"__proto__": {"at": 1}}}`)
    assert.equal([wrong.status, wrong.body.error.startsWith('hosts: __proto__: at: ')], [400, true], wrong.body.error)
  })
})

test('texts are remembered up to a number of characters, those that were asked for last', () => {
  const interned = new Interned<object>(100)
  let reads = 0
  const get = (name: string, length: number) =>
    interned.get(name.padEnd(length - 2, '-'), () => {
      reads++
      return {}
    })
  const first = get('a', 40)
  get('b', 40)
  assert.is(get('a', 40), first)
  assert.is(reads, 2)
  // 120 characters: "b" goes, which was asked for before "a".
  get('c', 40)
  assert.is(get('a', 40), first)
  assert.is(reads, 3)
  get('b', 40)
  assert.is(reads, 4)
  // One that is longer than all together drives all others out, and goes with the next.
  const long = get('long', 500)
  assert.is(get('long', 500), long)
  assert.is(reads, 5)
  get('a', 40)
  get('long', 500)
  assert.is(reads, 7)
})

test('what is placed comes with the question, and plans with the answer where they are asked for', async () => {
  await serving(['--hosts', hosts, '--port', '0'], async (ask) => {
    const first = await ask({ vm, hosts: { whole: {} }, plans: true })
    const plan = first.body.hosts[0]!.plan!
    assert.equal(
      plan.vms[0]!.vcpus.map(({ cpus }: { cpus: string }) => Number(cpus)),
      Array.from({ length: 16 }, (_, at) => at),
    )
    const { cells, vcpus } = plan.vms[0]!
    const placed = { vms: [{ ...vm, name: 'old', current: { cells, vcpus } }] }
    const second = await ask({ vm, hosts: { whole: { placed }, pieces: {} } })
    assert.equal(
      second.body.hosts.map(({ host, lostMore }) => [host, lostMore]),
      [
        ['pieces', 1.28],
        ['whole', null],
      ],
    )
    const given = await ask({ vm, hosts: { other: { host: whole } }, flavours: [{ vcpus: 4, memory: '4GiB' }] })
    assert.equal(given.body.hosts, [{ host: 'other', refused: null, lostMore: 0, capacityLost: 16 }])
  })
})

test('a file that has changed is read again', async () => {
  await serving(['--hosts', hosts, '--port', '0'], async (ask) => {
    const file = join(hosts, 'changes.json')
    writeFileSync(file, JSON.stringify(pieces))
    assert.is((await ask({ vm, hosts: { changes: {} } })).body.hosts[0]!.lostMore, 1.28)
    writeFileSync(file, JSON.stringify(whole))
    utimesSync(file, 1, 1)
    assert.is((await ask({ vm, hosts: { changes: {} } })).body.hosts[0]!.lostMore, 0)
  })
})

test('a pipe or a folder in the place of a file is told, and not waited for', async () => {
  execFileSync('mkfifo', [join(folder, 'pipe.json')])
  mkdirSync(join(folder, 'folder.json'))
  const files = new HostFiles(folder)
  for (const name of ['pipe', 'folder']) {
    const error = await files.read(name).catch((refused: Error) => refused)
    assert.match((error as Error).message, new RegExp(`${name}\\.json: expected a file, got `))
  }
})

test('what is wrong is a status and a message, and the server goes on', async () => {
  await serving(['--hosts', hosts, '--port', '0'], async (ask) => {
    const cases: readonly (readonly [unknown, Asking, number, RegExp])[] = [
      ['{', {}, 400, /^expected JSON, got text that is none$/],
      ['', {}, 400, /^expected JSON, got nothing$/],
      [`{"vm": ${'['.repeat(101)}`, {}, 400, /^expected at most 100 arrays and objects in each other, got more$/],
      [[], {}, 400, /expected/],
      [
        { vm: { ...vm, vcpus: 0 }, hosts: { whole: {} } },
        {},
        400,
        /^vm\.vcpus: expected a whole number from 1 to 4096, got 0$/,
      ],
      [{ vm, hosts: {}, host: {} }, {}, 400, /host/],
      [{ vm, hosts: { whole: { at: 1 } } }, {}, 400, /at/],
      [{ vm, hosts: { whole: {} }, steps: -1 }, {}, 400, /^steps: /],
      [{ vm, hosts: { whole: {} } }, { path: '/' }, 404, /^there is \/rank, \/healthz$/],
      ['', { method: 'GET' }, 405, /^POST only$/],
      [{ vm, hosts: { whole: {} } }, { headers: { host: 'attacker.example' } }, 421, /not the host/],
      ['', { headers: { 'content-length': `${33 * 2 ** 20}` } }, 413, /^expected at most 32 MiB$/],
    ]
    for (const [body, asking, status, says] of cases) {
      const found = await ask(body, asking)
      assert.is(found.status, status, JSON.stringify(found.body))
      assert.match(found.body.error, says)
    }
    // Brackets of a text count for nothing.
    assert.is((await ask({ vm: { ...vm, name: `"\\${'['.repeat(200)}` }, hosts: { whole: {} } })).status, 200)
    assert.is((await ask('', { path: '/healthz', method: 'GET' })).status, 200)
  })
})

test('it listens on a socket for its owner and group, also where one who was killed left it', async () => {
  const socket = join(folder, 'rank.sock')
  await serving(['--hosts', hosts, '--socket', socket], async (ask) => {
    assert.is(statSync(socket).mode & 0o777, 0o660)
    assert.is((await ask({ vm, hosts: { whole: {} } })).status, 200)
    const { code, stderr } = await homenode(['serve', '--rank', '--socket', socket])
    assert.is(code, 1)
    assert.match(stderr, /EADDRINUSE.*another program listens there/)
  })
  assert.is(existsSync(socket), false)
  const child = spawn(process.execPath, [cli, 'serve', '--rank', '--socket', socket], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(createInterface(child.stdout!), 'line')
  child.kill('SIGKILL')
  await once(child, 'close')
  assert.is(existsSync(socket), true)
  await serving(['--hosts', hosts, '--socket', socket], async (ask) => {
    assert.is((await ask({ vm, hosts: { whole: {} } })).status, 200)
  })
})

test('options of ranking take --rank', async () => {
  const { code, stderr } = await homenode(['serve', '--hosts', hosts])
  assert.is(code, 2)
  assert.match(stderr, /--hosts: expected --rank, too, got --hosts alone/)
  for (const [path, got] of [
    [join(folder, 'nowhere'), 'no such folder'],
    [join(hosts, 'whole.json', 'in-a-file'), 'ENOTDIR'],
    [cli, 'no folder'],
  ] as const) {
    const { code, stdout, stderr } = await homenode(['serve', '--rank', '--hosts', path, '--port', '0'])
    assert.equal([code, stdout], [2, ''])
    assert.ok(stderr.includes(`--hosts: expected a folder with a file for each host, got "${path}": ${got}`), stderr)
  }
  const wrong = await homenode(['serve', '--rank', '--host', 'localhost'])
  assert.equal([wrong.code, /--host: expected an IP address/.test(wrong.stderr)], [2, true])
})

test.run()
