/** The server of /metrics and /healthz, by sockets. */

import { once } from 'node:events'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PageServer, type Pages } from '../../src/service/server.js'
import { skipUnless } from '../skip.js'

const PAGES: Pages = {
  metrics: async () => 'a 1\n',
  metricsType: 'text/plain; version=0.0.4; charset=utf-8',
  health: () => ({ isWell: true, text: 'ok: fine' }),
}

async function withServer(
  work: (server: PageServer) => Promise<void>,
  pages = PAGES,
  host = '127.0.0.1',
): Promise<void> {
  const server = await PageServer.listen('--metrics', { host, port: 0 }, pages)
  try {
    await work(server)
  } finally {
    await server.close()
  }
}

interface Answer {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

function ask({ address }: PageServer, path: string, method = 'GET', body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...address, path, method, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

test('GET and HEAD of the two pages, with or without a query', async () => {
  await withServer(async (server) => {
    const metrics = await ask(server, '/metrics?name[]=a')
    assert.equal([metrics.status, metrics.text], [200, 'a 1\n'])
    assert.is(metrics.headers['content-type'], PAGES.metricsType)
    assert.is(metrics.headers['cache-control'], 'no-store')
    const head = await ask(server, '/metrics', 'HEAD')
    assert.equal([head.status, head.text, head.headers['content-length']], [200, '', '4'])
    const health = await ask(server, '/healthz')
    assert.equal([health.status, health.text], [200, 'ok: fine\n'])
  })
})

test('nothing else is there, and nothing else may be done', async () => {
  await withServer(async (server) => {
    for (const path of ['/', '/metrics/', '/healthz/..', '/%6detrics', '//metrics']) {
      assert.is((await ask(server, path)).status, 404, path)
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const { status, headers } = await ask(server, '/metrics', method, method === 'POST' ? 'x=1' : '')
      assert.equal([status, headers.allow], [405, 'GET, HEAD'], method)
    }
  })
})

test('who is not well is not available, with the reason; a fault of the metrics is an answer, too', async () => {
  const pages: Pages = {
    ...PAGES,
    metrics: async () => {
      throw new Error('no registry')
    },
    health: () => ({ isWell: false, text: 'late: the last round ended 90 s ago' }),
  }
  await withServer(async (server) => {
    const health = await ask(server, '/healthz')
    assert.equal([health.status, health.text], [503, 'late: the last round ended 90 s ago\n'])
    const metrics = await ask(server, '/metrics')
    assert.equal([metrics.status, metrics.text], [500, 'no metrics: no registry\n'])
  }, pages)
})

/** All that the server says to these bytes until it closes the connection. */
async function talk({ address }: PageServer, text: string): Promise<string> {
  const socket = connect(address)
  let said = ''
  socket.on('data', (chunk) => {
    said += chunk
  })
  socket.on('error', () => {})
  socket.write(text)
  await new Promise((resolve) => socket.on('close', resolve))
  return said
}

test('what is no HTTP, and headers without an end, are refused', async () => {
  await withServer(async (server) => {
    assert.match(await talk(server, 'hello\r\n\r\n'), /^HTTP\/1\.1 400 /)
    assert.match(
      await talk(server, `GET /metrics HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
      /^HTTP\/1\.1 431 /,
    )
    assert.match(await talk(server, 'GET /metrics HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /)
    assert.is((await ask(server, '/healthz')).status, 200)
  })
})

test('a connection is for one request: who sends many at once is cut off', async () => {
  let asked = 0
  const pages: Pages = {
    ...PAGES,
    metrics: async () => {
      asked++
      return 'a 1\n'
    },
  }
  await withServer(async (server) => {
    const said = await talk(server, 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2000))
    assert.not.match(said, /a 1/)
    assert.is(asked, 1)
    const { status, headers } = await ask(server, '/metrics')
    assert.equal([status, headers.connection, asked], [200, 'close', 2])
  }, pages)
})

test('connections that say nothing make room for others', async () => {
  await withServer(async (server) => {
    const silent = Array.from({ length: 64 }, () => connect(server.address).on('error', () => {}))
    await Promise.all(silent.map((socket) => once(socket, 'connect')))
    const closed = silent.map((socket) => new Promise((resolve) => socket.resume().on('close', resolve)))
    await Promise.all(closed)
    assert.is((await ask(server, '/healthz')).status, 200)
  })
})

test('close ends connections that are idle, and those that say nothing', async () => {
  const server = await PageServer.listen('--metrics', { host: '127.0.0.1', port: 0 }, PAGES)
  const silent = connect(server.address)
  await once(silent, 'connect')
  silent.write('GET /metrics HTTP/1.1\r\n')
  silent.on('error', () => {})
  const closed = new Promise((resolve) => silent.on('close', resolve))
  await server.close()
  await closed
  await server.close()
  const late = connect(server.address)
  const [error] = await once(late, 'error')
  assert.is(error.code, 'ECONNREFUSED')
})

test('a port that is taken, an address of others and a name that nobody knows are clear errors', async () => {
  const other = createServer()
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const errorOf = (host: string, at: number) =>
    PageServer.listen('--metrics', { host, port: at }, PAGES).then(
      (server) => server.close().then(() => 'it listens'),
      (error: Error) => `${error.name}: ${error.message}`,
    )
  const taken = `SyscallError: listen(127.0.0.1:${port}): EADDRINUSE (errno 98): another program listens there`
  assert.is(await errorOf('127.0.0.1', port), taken)
  other.close()
  // TEST-NET-1 of RFC 5737.
  assert.match(await errorOf('192.0.2.1', 0), /EADDRNOTAVAIL \(errno 99\): this machine does not have the address/)
  const unknown = 'InputError: --metrics: expected a host that this machine knows, got "nobody.invalid"'
  assert.is(await errorOf('nobody.invalid', 0), unknown)
})

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

skipUnless(hasIPv6, 'this machine has no ::1')('all of IPv6 is not IPv4, too', async () => {
  await withServer(
    async ({ address: { port } }) => {
      const inside = connect({ host: '::1', port })
      await once(inside, 'connect')
      inside.destroy()
      const outside = connect({ host: '127.0.0.1', port })
      const [error] = await once(outside, 'error')
      assert.is(error.code, 'ECONNREFUSED')
    },
    PAGES,
    '::',
  )
})

test('it listens at the address that was asked for alone', async () => {
  await withServer(async ({ address: { port } }) => {
    const beside = connect({ host: '127.0.0.2', port })
    const [error] = await once(beside, 'error')
    assert.is(error.code, 'ECONNREFUSED')
  })
})

test.run()
