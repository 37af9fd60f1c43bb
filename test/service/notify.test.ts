/** What the service manager is told. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Notifier } from '../../src/service/notify.js'
import { notifySocket } from './notify-socket.js'

const noWarning = (text: string) => {
  throw new Error(text)
}

test('each state is a datagram of lines', () => {
  using socket = notifySocket()
  const notifier = new Notifier({ NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '30000000' }, noWarning)
  notifier.ready('3 VMs')
  notifier.alive()
  notifier.status('moves\nweb')
  const before = process.hrtime.bigint() / 1000n
  notifier.reloading()
  const after = process.hrtime.bigint() / 1000n
  notifier.stopping('ends')
  const [ready, alive, status, reloading = '', ...stopping] = socket.received()
  assert.equal([ready, alive, status], ['READY=1\nSTATUS=3 VMs', 'WATCHDOG=1', 'STATUS=moves web'])
  const [, microseconds = ''] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading) ?? []
  assert.ok(before <= BigInt(microseconds) && BigInt(microseconds) <= after, reloading)
  assert.equal(stopping, ['STOPPING=1\nSTATUS=ends'])
})

test('the watchdog is fed where there is one, and it is this process that it watches', () => {
  using socket = notifySocket()
  const fed = (environment: object) => {
    new Notifier({ NOTIFY_SOCKET: socket.path, ...environment }, noWarning).alive()
    return socket.received()
  }
  assert.equal(fed({}), [])
  assert.equal(fed({ WATCHDOG_USEC: '0' }), [])
  assert.equal(fed({ WATCHDOG_USEC: '1000', WATCHDOG_PID: String(process.pid + 1) }), [])
  assert.equal(fed({ WATCHDOG_USEC: '1000', WATCHDOG_PID: String(process.pid) }), ['WATCHDOG=1'])
})

test('without a service manager nobody is told, and a socket that takes nothing is said once', () => {
  const warnings: string[] = []
  const warn = (text: string) => void warnings.push(text)
  new Notifier({}, warn).ready('a')
  new Notifier({ NOTIFY_SOCKET: '' }, warn).ready('a')
  assert.equal(warnings, [])
  const lost = new Notifier({ NOTIFY_SOCKET: '/nowhere/socket', WATCHDOG_USEC: '1000' }, warn)
  lost.ready('a')
  lost.alive()
  assert.is(warnings.length, 1)
  assert.match(warnings[0]!, /the service manager is not told anything: sendto\(\/nowhere\/socket\): ENOENT/)
})

test.run()
