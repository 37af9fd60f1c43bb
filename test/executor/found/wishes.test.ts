/** A request file beside what runs: wishes by name, further VMs, contradictions. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { requestOf } from '../../../executor/found/as-request.js'
import { InputError } from '../../../src/errors.js'
import { parseRequest } from '../../../src/request.js'
import { syntheticHost } from '../../../src/topology/index.js'
import { vmOf } from './vms.js'

const GIB = 2 ** 30
/** CPUs 0-3 on node 0, 4-7 on node 1. */
const HOST = syntheticHost('pack:2 [numa(memory=16GiB)] core:4 pu:1')
const memory = [{ bytes: GIB, resident: { 0: GIB / 4, 1: GIB / 4 } }]
const db = vmOf({ name: 'db', cpus: ['0', '1'], memory, load: 0.25 })
const web = vmOf({ name: 'web', pid: 200, cpus: ['0-7', '0-7'], memory })

const asked = (wishes: unknown, ...vms: (typeof db)[]) => parseRequest(requestOf(vms, HOST, wishes).request)

test('wishes are put beside what runs, further VMs stay further ones, the host is the file’s', () => {
  const request = asked(
    {
      strategy: 'spread',
      reserve: { cpus: '7' },
      vms: [
        { name: 'new', vcpus: 1, memory: '1GiB', near: ['db'] },
        { name: 'db', trust: 'acme', threadPolicy: 'spread', memoryPolicy: 'preferred', vcpus: 2, memory: '1024MiB' },
      ],
    },
    web,
    db,
  )
  assert.equal([request.strategy, request.reserve.cpus], ['spread', [7]])
  assert.equal(
    request.vms.map(({ name, current }) => [name, current !== null]),
    [
      ['new', false],
      ['db', true],
      ['web', true],
    ],
  )
  const [, wished] = request.vms
  assert.equal([wished!.trust, wished!.threadPolicy, wished!.memoryPolicy], ['acme', 'spread', 'preferred'])
  assert.equal([wished!.vcpus, wished!.memory, wished!.cells, wished!.cpuPolicy], [2, GIB, 1, 'dedicated'])
})

test('a file without VMs says something of the host alone', () => {
  const request = asked({ overcommit: 7 }, db)
  assert.equal([request.overcommit, request.vms.map(({ name }) => name)], [7, ['db']])
})

test('reserved CPUs and further VMs count where VMs have to share; who wishes a CPU of its own keeps it', () => {
  const policies = (wishes: unknown) => asked(wishes, db, web).vms.map(({ cpuPolicy, demand }) => [cpuPolicy, demand])
  assert.equal(policies({ reserve: { cpus: '0-3' } }), [
    ['dedicated', 1],
    ['dedicated', 1],
  ])
  assert.equal(policies({ reserve: { cpus: 'all,^0-2' } }), [
    ['shared', 0.25],
    ['shared', 0.5],
  ])
  assert.equal(
    policies({
      vms: [
        { name: 'web', cpuPolicy: 'dedicated' },
        { name: 'x', vcpus: 5, memory: '1GiB' },
      ],
    }),
    [
      ['dedicated', 1],
      ['dedicated', 1],
      ['shared', 0.25],
    ],
  )
  assert.equal(policies({ vms: [{ name: 'db', cpuPolicy: 'shared', demand: 0.75 }] }), [
    ['shared', 0.75],
    ['dedicated', 1],
  ])
})

test('where a VM that shares by wish is now is no CPU of its own', () => {
  const [shared] = asked({ vms: [{ name: 'db', cpuPolicy: 'shared' }] }, db).vms
  assert.equal(
    shared!.current!.vcpus.map(({ dedicated }) => dedicated),
    [false, false],
  )
})

test('what a guest has not touched counts in the shares of what it has', () => {
  const pages = vmOf({ name: 'odd', cpus: ['0'], memory: [{ bytes: GIB, resident: { 0: 4096, 1: 8192 } }] })
  const { request, running } = requestOf([pages], HOST)
  const [part0, part1] = parseRequest(request).vms[0]!.current!.cells[0]!.memory
  assert.is(part0!.bytes + part1!.bytes, GIB)
  assert.ok(Math.abs(part0!.bytes - GIB / 3) < 8192, `${part0!.bytes}`)
  assert.is(part0!.bytes % 4096, 0)
  assert.equal(running[0]!.cells[0]!.memory[0]!.bytes, 4096)
})

const CONTRADICTIONS: readonly [string, object, RegExp][] = [
  ['vCPUs', { vcpus: 4 }, /vms\[0\]\.vcpus: expected 2, as db runs, got 4/],
  ['memory', { memory: '2GiB' }, /vms\[0\]\.memory: expected 1 GiB, as db runs, got 2 GiB/],
  ['a page size', { pageSize: '2MiB' }, /vms\[0\]\.pageSize: expected 4096B, as db runs, got "2MiB"/],
  ['cells', { cells: 2 }, /vms\[0\]\.cells: expected 1, as db runs, got 2/],
  ['I/O threads', { iothreads: 1 }, /vms\[0\]\.iothreads: expected 0, as db runs, got 1/],
  ['its place', { current: {} }, /vms\[0\]\.current: expected nothing: db runs, .*got an object/],
  ['a field that is not known', { colour: 1 }, /vms\[0\]\.colour/],
  ['a size without a unit', { memory: 5 }, /vms\[0\]\.memory: .* without a unit/],
]
for (const [what, fields, says] of CONTRADICTIONS) {
  test(`${what} that contradicts what runs is bad input`, () => {
    assert.throws(
      () => requestOf([web, db], HOST, { vms: [{ name: 'db', ...fields }] }),
      (error: unknown) => error instanceof InputError && says.test(error.message),
    )
  })
}

test('the same as what runs is no contradiction', () => {
  for (const fields of [{ cells: 'auto' }, { cells: [{ vcpus: '0-1', memory: '1GiB' }] }, { pageSize: 'any' }]) {
    const [vm] = asked({ vms: [{ name: 'db', ...fields }] }, db).vms
    assert.equal([vm!.cells, vm!.pageSize], [1, 4096])
  }
})

test('a name that several have is named with a pid', () => {
  const twin = vmOf({ name: 'db', pid: 300, cpus: ['4'], memory })
  assert.throws(
    () => requestOf([db, twin], HOST, { vms: [{ name: 'db', trust: 'a' }] }),
    /vms\[0\]\.name: expected "db \(100\)" or "db \(300\)": several VMs with this name run, got "db"/,
  )
  const [first] = asked({ vms: [{ name: 'db (300)', trust: 'a' }] }, db, twin).vms
  assert.equal([first!.trust, first!.vcpus], ['a', 1])
})

test('what is no request file is said as for any other', () => {
  for (const content of [[], 'x', { vms: 3 }, { vms: [1] }, { vms: [{ vcpus: 1 }] }]) {
    assert.throws(
      () => requestOf([db], HOST, content),
      (error: unknown) => error instanceof InputError,
    )
  }
})

test('VMs that are not meant are as if they were not known: their memory stays taken', () => {
  const { request, running, host } = requestOf([db, web], HOST, undefined, (name) => name === 'web')
  assert.equal([running.map(({ name }) => name), parseRequest(request).vms.length], [['web'], 1])
  const whole = requestOf([db, web], HOST).host
  assert.ok(host.nodes[0]!.memory.free! < whole.nodes[0]!.memory.free!)
})

test.run()
