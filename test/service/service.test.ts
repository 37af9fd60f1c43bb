/** How the balancer is seen from outside: by HTTP, and by the service manager. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { showAddress } from '../../src/service/address.js'
import { Service } from '../../src/service/service.js'
import { roundOf, seenOf } from './metrics/rounds.js'
import { notifySocket } from './notify-socket.js'

const noWarning = (text: string) => {
  throw new Error(text)
}

const ANYWHERE = { host: '127.0.0.1', port: 0 }

async function get(service: Service, path: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`http://${showAddress(service.address!)}${path}`)
  return { status: response.status, text: await response.text() }
}

test('rounds are seen in the metrics, in the health, and by the service manager', async () => {
  using socket = notifySocket()
  const environment = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '60000000' }
  const service = await Service.open({ metrics: ANYWHERE, interval: 3600, warn: noWarning, environment })
  try {
    service.ready('it begins')
    assert.match((await get(service, '/healthz')).text, /^ok: no round has ended yet/)
    service.round(seenOf(roundOf('stay', 'even'), null), 'stays')
    service.round({ ...seenOf(null, null), error: new Error('no libvirt') }, 'cannot look')
    const health = await get(service, '/healthz')
    assert.is(health.status, 200)
    assert.match(health.text, /^ok: the last round ended \d+\.\d s ago; 1 failed since: no libvirt\n$/)
    const { status, text } = await get(service, '/metrics')
    assert.is(status, 200)
    assert.match(text, /^homenode_balance_rounds_total\{decision="stay",reason="even"\} 1$/m)
    assert.match(text, /^homenode_balance_failed_rounds_total 1$/m)
    assert.match(text, /^homenode_balance_interval_seconds 3600$/m)
    service.reloading()
    service.ready('goes on')
    service.stopping('ends')
    const told = socket.received().map((each) => each.replace(/\d{5,}/, 'N'))
    assert.equal(told, [
      'READY=1\nSTATUS=it begins',
      'STATUS=stays',
      'WATCHDOG=1',
      'STATUS=cannot look',
      'RELOADING=1\nMONOTONIC_USEC=N',
      'READY=1\nSTATUS=goes on',
      'STOPPING=1\nSTATUS=ends',
    ])
  } finally {
    await service.close()
  }
})

test('a move that goes on feeds the watchdog, at most once a second', async () => {
  using socket = notifySocket()
  const environment = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '60000000' }
  const service = await Service.open({ interval: 10, warn: noWarning, environment })
  const began = performance.now()
  for (let i = 0; i < 1000; i++) service.alive()
  const most = 1 + Math.floor((performance.now() - began) / 1000)
  const fed = socket.received()
  assert.ok(fed.length >= 1 && fed.length <= most, `${fed.length}`)
  assert.equal([...new Set(fed)], ['WATCHDOG=1'])
  assert.is(service.address, null)
  await service.close()
})

test('a round that decided and could not be written down is alive, and its failure is seen', async () => {
  using socket = notifySocket()
  const environment = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '60000000' }
  const service = await Service.open({ metrics: ANYWHERE, interval: 3600, warn: noWarning, environment })
  try {
    const full = { ...seenOf(roundOf('stay', 'even'), null), error: new Error('no space is left') }
    for (let round = 0; round < 2; round++) service.round(full, 'full')
    assert.equal(socket.received(), ['STATUS=full', 'WATCHDOG=1', 'STATUS=full', 'WATCHDOG=1'])
    assert.match(
      (await get(service, '/healthz')).text,
      /^ok: the last round ended .*; 2 failed since: no space is left/,
    )
    assert.match((await get(service, '/metrics')).text, /^homenode_balance_failed_rounds_total 2$/m)
  } finally {
    await service.close()
  }
})

test('a service that cannot listen does not begin', async () => {
  const first = await Service.open({ metrics: ANYWHERE, interval: 10, warn: noWarning, environment: {} })
  try {
    const again = { metrics: first.address!, interval: 10, warn: noWarning, environment: {} }
    const refusal = await Service.open(again).then(
      () => 'it listens',
      (error: Error) => error.message,
    )
    assert.match(refusal, /^listen\(127\.0\.0\.1:\d+\): EADDRINUSE .*another program listens there$/)
  } finally {
    await first.close()
  }
})

test.run()
