/** The HTTP server of `/metrics` and `/healthz`. It answers GET and HEAD, and reads nothing but the first line. */

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIPv6 } from 'node:net'
import { InputError, SyscallError, show } from '../errors.js'
import { type ListenAddress, showAddress } from './address.js'
import type { Health } from './health.js'

/** What it answers. */
export interface Pages {
  /** In Prometheus' text format. */
  metrics(): Promise<string>
  /** The media type of that. */
  readonly metricsType: string
  health(): Health
}

/** More than a few that scrape are not meant to be there. */
const MAX_CONNECTIONS = 64
const MAX_HEADER_BYTES = 8192
const HEADERS_MS = 5000
const REQUEST_MS = 10_000
/** Also for who asks and does not read the answer. */
const IDLE_MS = 10_000
/** How often those limits are looked after. */
const CHECK_MS = 1000

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine does not have the address',
  EACCES: 'ports below 1024 take CAP_NET_BIND_SERVICE',
}

/**
 * A server that nobody can keep busy over a connection, or fill with connections that say nothing. Each connection is for one request:
 * thousands may come at once over one, and all of them would be answered before anything else gets its turn. Who sends more than one is cut off.
 */
export function limitedServer(answer: RequestListener): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: CHECK_MS,
    },
    answer,
  )
  server.maxConnections = MAX_CONNECTIONS
  server.maxRequestsPerSocket = 1
  server.on('dropRequest', (_, socket) => socket.destroy())
  server.timeout = IDLE_MS
  return server
}

/** Listens at one address, and nowhere else. */
export class PageServer {
  readonly #server: Server
  /** Where it listens, with the port that it got. */
  readonly address: ListenAddress

  private constructor(server: Server, address: ListenAddress) {
    this.#server = server
    this.address = address
  }

  /**
   * @param option whose value the address is, for errors
   * @throws {InputError} for a name that nobody knows
   * @throws {SyscallError} EADDRINUSE, EADDRNOTAVAIL, EACCES
   */
  static async listen(option: string, { host, port }: ListenAddress, pages: Pages): Promise<PageServer> {
    const server = limitedServer((request, response) => void answer(request, response, pages))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // "::" is IPv6 alone: all of IPv4 would be more than was asked for.
      server.listen({ host, port, ipv6Only: isIPv6(host) }, resolve)
    }).catch((error: NodeJS.ErrnoException) => {
      throw refusal(option, { host, port }, error)
    })
    const { port: found } = server.address() as AddressInfo
    return new PageServer(server, { host, port: found })
  }

  /** Ends all connections; answers that are on their way, too. Again: nothing. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }
}

function refusal(option: string, address: ListenAddress, error: NodeJS.ErrnoException): Error {
  const { code = '', errno = 0, syscall } = error
  if (syscall === 'getaddrinfo') return new InputError(option, 'a host that this machine knows', show(address.host))
  return new SyscallError(`listen(${showAddress(address)})`, Math.abs(errno), code, HINTS[code] ?? '')
}

async function answer(request: IncomingMessage, response: ServerResponse, pages: Pages): Promise<void> {
  const { status, type = 'text/plain; charset=utf-8', text, headers = {} } = await pageOf(request, pages)
  const bytes = Buffer.from(text)
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

interface Page {
  readonly status: number
  readonly type?: string
  readonly text: string
  readonly headers?: Readonly<Record<string, string>>
}

async function pageOf({ method, url = '' }: IncomingMessage, pages: Pages): Promise<Page> {
  if (method !== 'GET' && method !== 'HEAD') {
    return { status: 405, text: 'GET and HEAD only\n', headers: { Allow: 'GET, HEAD', Connection: 'close' } }
  }
  const [path] = url.split('?', 1)
  if (path === '/healthz') {
    const { isWell, text } = pages.health()
    return { status: isWell ? 200 : 503, text: `${text}\n` }
  }
  if (path !== '/metrics') return { status: 404, text: 'there is /metrics and /healthz\n' }
  try {
    return { status: 200, type: pages.metricsType, text: await pages.metrics() }
  } catch (error) {
    return { status: 500, text: `no metrics: ${error instanceof Error ? error.message : String(error)}\n` }
  }
}
