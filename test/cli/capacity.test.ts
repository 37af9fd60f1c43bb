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

test.run()
