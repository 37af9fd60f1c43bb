/** QEMU's monitor: what it answers, and what a process answers that is not QEMU or is busy. */

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { askQemu, QmpError } from '../../../executor/found/qmp.js'
import { parseAddress, parseNuma } from '../../../executor/found/qmp-answers.js'

const folder = mkdtempSync(join(tmpdir(), 'homenode-qmp-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let sockets = 0

/** What `ask` comes to with a server that does this to whoever connects. */
async function against<Value>(serve: (socket: Socket) => void, ask: (path: string) => Promise<Value>): Promise<Value> {
  const path = join(folder, `${sockets++}.sock`)
  const open = new Set<Socket>()
  const server: Server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  try {
    return await ask(path)
  } finally {
    for (const socket of open) socket.destroy()
    server.close()
  }
}

const GREETING = '{"QMP": {"version": {}, "capabilities": ["oob"]}}\r\n'

/** A QEMU that greets and gives these answers, by command; an error to all else. */
function qemu(answers: Readonly<Record<string, unknown>>): (socket: Socket) => void {
  return (socket) => {
    socket.write(GREETING)
    socket.setEncoding('utf8').on('data', (text: unknown) => {
      for (const line of String(text).trim().split('\n')) {
        const { execute, arguments: given } = JSON.parse(line)
        const key = execute === 'human-monitor-command' ? given['command-line'] : execute
        const known = key === 'qmp_capabilities' ? {} : answers[key]
        socket.write('{"event": "RESUME", "timestamp": {}}\r\n')
        const error = { error: { class: 'CommandNotFound', desc: 'no' } }
        socket.write(`${JSON.stringify(known === undefined ? error : { return: known })}\r\n`)
      }
    })
  }
}

async function failure(serve: (socket: Socket) => void, deadlineMs = 2000): Promise<Error> {
  return against(serve, async (path) => {
    try {
      await askQemu(path, deadlineMs)
    } catch (error) {
      return error as Error
    }
    throw new Error('it was taken for QEMU')
  })
}

test('vCPUs, I/O threads, memory and nodes, with events between the answers', async () => {
  const answers = {
    'query-cpus-fast': [
      { 'thread-id': 11, 'cpu-index': 0, props: { 'node-id': 0 }, target: 'x86_64' },
      { 'thread-id': 12, 'cpu-index': 1, props: {} },
    ],
    'query-iothreads': [{ id: 'io1', 'thread-id': 9, 'poll-max-ns': 1 }],
    'query-memory-size-summary': { 'base-memory': 2 ** 26 },
    'query-memdev': [
      { id: 'm0', size: 2 ** 25, 'host-nodes': [], policy: 'default' },
      { id: 'm1', size: 2 ** 25 },
      { size: 4096 },
    ],
    'query-name': { name: 'alpha' },
    'query-kvm': { enabled: true, present: true },
    'info numa':
      '2 nodes\r\nnode 0 cpus: 0\r\nnode 0 size: 32 MB\r\nnode 0 plugged: 0 MB\r\nnode 1 cpus: 1\r\nnode 1 size: 32 MB\r\n',
    [`gpa2hva ${2 ** 24}`]: 'Host virtual address for 0x1000000 (m0) is 0x7f0001000000\r\n',
    [`gpa2hva ${2 ** 25 + 2 ** 24}`]: 'Host virtual address for 0x3000000 (m1) is 0x7f0103000000\r\n',
  }
  const facts = await against(qemu(answers), (path) => askQemu(path, 5000))
  assert.equal(facts, {
    name: 'alpha',
    uuid: null,
    accelerator: 'kvm',
    vcpus: [
      { vcpu: 0, tid: 11 },
      { vcpu: 1, tid: 12 },
    ],
    iothreads: [{ id: 'io1', tid: 9 }],
    memory: 2 ** 26,
    backends: [
      { id: 'm0', bytes: 2 ** 25, address: 0x7f0001000000 },
      { id: 'm1', bytes: 2 ** 25, address: 0x7f0103000000 },
    ],
    cells: [
      { cell: 0, vcpus: [0], memory: 2 ** 25 },
      { cell: 1, vcpus: [1], memory: 2 ** 25 },
    ],
  })
})

test('answers that are not in the format are no answers', async () => {
  const answers = {
    'query-cpus-fast': [{ 'thread-id': -1, 'cpu-index': 0 }],
    'query-iothreads': { id: 'x' },
    'query-memory-size-summary': { 'base-memory': 1e300 },
    'query-memdev': 'none',
    'query-name': { name: 7 },
    'query-kvm': null,
    'info numa': 5,
  }
  const facts = await against(qemu(answers), (path) => askQemu(path, 5000))
  for (const [field, value] of Object.entries(facts)) assert.is(value, null, field)
})

test('whoever says nothing is left at the deadline', async () => {
  const start = performance.now()
  const error = await failure(() => {}, 150)
  assert.instance(error, QmpError)
  assert.match(error.message, /no answer within 150 ms/)
  const took = performance.now() - start
  assert.ok(took >= 140 && took < 3000, `${took} ms`)
})

test('whoever greets and then says nothing is left at the deadline', async () => {
  assert.match((await failure((socket) => socket.write(GREETING), 150)).message, /no answer within/)
})

test('whoever sends without end is left', async () => {
  const flood = (socket: Socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write('x'.repeat(65536))) {}
    }
    socket.on('drain', more)
    more()
  }
  const error = await failure(flood, 20_000)
  assert.match(error.message, /more than \d+ bytes/)
})

test('other protocols, and ends in the middle, are said', async () => {
  const text = (first: string) => (socket: Socket) => socket.end(first)
  assert.match((await failure(text('SSH-2.0-OpenSSH\r\n'))).message, /no JSON object/)
  assert.match((await failure(text('{"hello": 1}\n'))).message, /does not greet as QEMU/)
  assert.match((await failure(text('[]\n'))).message, /does not greet as QEMU/)
  assert.match((await failure(text(GREETING.slice(0, 9)))).message, /closed the connection/)
  assert.match((await failure(text(''))).message, /closed the connection/)
})

test('answers of the monitor as text', () => {
  assert.equal(parseAddress('Host virtual address for 0x0 (a (b)) is 0x7f12\r\n'), {
    backend: 'a (b)',
    address: 0x7f12,
  })
  assert.is(parseAddress('No memory is mapped at address 0x0'), null)
  assert.equal(parseNuma('0 nodes\r\n'), [])
  assert.is(parseNuma('2 nodes\nnode 0 cpus: 0\nnode 0 size: 1 MB\n'), null)
  assert.equal(parseNuma('1 nodes\nnode 0 cpus:\nnode 0 size: 1 MB\n'), [{ cell: 0, vcpus: [], memory: 2 ** 20 }])
})

test('text of a monitor that is anything is taken', () => {
  const piece = fc.constantFrom(
    'node ',
    '0',
    ' cpus:',
    ' size: ',
    ' MB',
    '\n',
    '99999',
    '1 nodes\n',
    '(',
    ') is 0x',
    'f',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((parts) => parts.join('')),
      ),
      (text) => {
        for (const { memory, vcpus } of parseNuma(text) ?? []) {
          assert.ok(Number.isSafeInteger(memory) && vcpus.every((vcpu) => vcpu <= 9999))
        }
        assert.ok(Number.isSafeInteger(parseAddress(text)?.address ?? 0))
      },
    ),
    { numRuns: 1000 },
  )
})

test.run()
