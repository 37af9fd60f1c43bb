import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { homenode } from './command.js'

const request = JSON.stringify({ vms: [{ name: 'web', vcpus: 2, memory: '64MiB' }] })
const on = ['capacity', '--synthetic', 'numa:2 core:4 pu:1', '-f', '-']

test('capacity says how many more fit, and what stops the next', async () => {
  const { code, stdout } = await homenode([...on, '--vm', 'web'], { input: request })
  assert.is(code, 0)
  assert.match(
    stdout,
    /^3 more VMs like "web" fit, with 0 lost vCPUs in all\nwhat stops the next:\n {2}cpu-exclusive: /,
  )
})

test('capacity --json prints one object', async () => {
  const { stdout } = await homenode([...on, '--vm', 'web', '--json'], { input: request })
  const { schemaVersion, kind, vm, more, lostVcpus, because } = JSON.parse(stdout)
  assert.equal(
    { schemaVersion, kind, vm, more, lostVcpus },
    { schemaVersion: 1, kind: 'Capacity', vm: 'web', more: 3, lostVcpus: 0 },
  )
  assert.is(because[0].constraint, 'cpu-exclusive')
})

test('a name that the request does not have is bad input, with the names that it has', async () => {
  const { code, stderr } = await homenode([...on, '--vm', 'wb'], { input: request })
  assert.is(code, 2)
  assert.match(stderr, 'expected the name of a VM of the request ("web"), got "wb"')
})

const expecting = JSON.stringify({
  expect: [
    { vcpus: 3, memory: '64MiB' },
    { vcpus: 1, memory: '1GiB', share: 0.5 },
  ],
  vms: [{ name: 'web', vcpus: 2, memory: '64MiB' }],
})

test('capacity without --vm says how much room there is for the sizes that are expected', async () => {
  const { code, stdout } = await homenode(on, { input: expecting })
  assert.is(code, 0)
  // One node has two CPUs left, the other four: a second VM of three is divided. A node has 1 GiB, or less where "web" is.
  assert.is(
    stdout,
    `room for VMs to come: 1 in the mean, beside a plan with 0 lost vCPUs

VCPUS  MEMORY  SHARE  ROOM  FIT
    3  64 MiB      1     1    2
    1   1 GiB    0.5     1    1
`,
  )
  assert.ok(stdout.split('\n').every((line) => line.length <= 80))
})

test('capacity --json without --vm prints one object', async () => {
  const { stdout } = await homenode([...on, '--json'], { input: expecting })
  assert.equal(JSON.parse(stdout), {
    schemaVersion: 1,
    kind: 'ExpectedCapacity',
    lostVcpus: 0,
    refused: [],
    room: 1,
    sizes: [
      { vcpus: 3, memory: 64 * 2 ** 20, share: 1, room: 1, more: 2 },
      { vcpus: 1, memory: 2 ** 30, share: 0.5, room: 1, more: 1 },
    ],
  })
})

test('VMs of the request that have no place are named beside what still fits', async () => {
  const { vms, expect } = JSON.parse(expecting)
  const input = JSON.stringify({ expect, vms: [...vms, { name: 'wide', vcpus: 9, memory: '4KiB' }] })
  const { code, stdout } = await homenode(on, { input })
  assert.is(code, 0)
  assert.match(stdout, /^room for VMs to come: 1 in the mean, .*\nnot placed: wide\n\nVCPUS /)
  const { refused } = JSON.parse((await homenode([...on, '--json'], { input })).stdout)
  assert.equal(refused, ['wide'])
})

test('without --vm and without sizes that are expected there is nothing to look for', async () => {
  const { code, stderr } = await homenode(on, { input: request })
  assert.is(code, 2)
  assert.match(stderr, /--vm: expected the name of a VM, for a request without "expect", got nothing/)
})

test.run()
