/** JSON over HTTP, on a socket or an address: a POST for each question, limits on all that comes in. */

import { chmodSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, isIP, isIPv6 } from 'node:net'
import { InputError, SyscallError } from '../../errors.js'
import { formatBytes } from '../../units.js'

/** Where a server listens. */
export type Listening = { readonly socket: string } | { readonly host: string; readonly port: number }

/** Answers a question, both as JSON. Errors of what was asked are InputErrors. */
export type Answerer = (question: unknown) => Promise<unknown>

/** Of a question. */
export const MAX_BODY_BYTES = 32 * 1024 ** 2
/** A host file in a question is 8 deep. */
const MAX_DEPTH = 100
const MAX_CONNECTIONS = 64
const MAX_HEADER_BYTES = 8192
const HEADERS_MS = 5000
const REQUEST_MS = 30_000
/** Who may connect to a socket: its owner and its group. */
const SOCKET_MODE = 0o660

export class JsonServer {
  readonly #server: Server
  /** `http://127.0.0.1:4711` or the path of the socket. */
  readonly address: string

  private constructor(server: Server, address: string) {
    this.#server = server
    this.address = address
  }

  /**
   * @param routes by their path, such as `/rank`
   * @throws {SyscallError} where nothing can be listened on there
   */
  static async listen(where: Listening, routes: Readonly<Record<string, Answerer>>): Promise<JsonServer> {
    const server = createServer(
      { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS },
      (request, response) => void respond(request, response, where, routes),
    )
    server.maxConnections = MAX_CONNECTIONS
    if ('socket' in where) await removeDeadSocket(where.socket)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      if ('socket' in where) server.listen(where.socket, resolve)
      else server.listen({ ...where, ipv6Only: isIPv6(where.host) }, resolve)
    }).catch((error: NodeJS.ErrnoException) => {
      throw refusal(where, error)
    })
    if ('socket' in where) {
      chmodSync(where.socket, SOCKET_MODE)
      return new JsonServer(server, where.socket)
    }
    const { port } = server.address() as AddressInfo
    return new JsonServer(server, `http://${nameOf({ host: where.host, port })}`)
  }

  /** Ends all connections, and answers that are on their way. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }
}

function nameOf(where: Listening): string {
  if ('socket' in where) return where.socket
  return `${isIPv6(where.host) ? `[${where.host}]` : where.host}:${where.port}`
}

function refusal(where: Listening, { errno = 0, code = '' }: NodeJS.ErrnoException): SyscallError {
  const hint = code === 'EADDRINUSE' ? 'another program listens there' : ''
  return new SyscallError(`listen(${nameOf(where)})`, Math.abs(errno), code, hint)
}

/** A socket that nobody listens on, as one who was killed leaves it, is in the way. Anything else is left alone. */
async function removeDeadSocket(path: string): Promise<void> {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return
  const isDead = await new Promise<boolean>((resolve) => {
    const socket = connect(path)
    // Any other error, such as too many who wait for it, says nothing of that.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
  })
  if (isDead) rmSync(path)
}

interface Page {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  where: Listening,
  routes: Readonly<Record<string, Answerer>>,
): Promise<void> {
  const { status, body, headers = {} } = await pageFor(request, where, routes)
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

/** What is left of a body that is not read would be taken for the next question. */
const CLOSING = { Connection: 'close' }

async function pageFor(
  request: IncomingMessage,
  where: Listening,
  routes: Readonly<Record<string, Answerer>>,
): Promise<Page> {
  const { method, url = '', headers } = request
  const [path = ''] = url.split('?', 1)
  const refuse = (status: number, error: string, more = {}) => ({
    status,
    body: { error },
    headers: { ...CLOSING, ...more },
  })
  if (!isMeant(headers.host, where)) return refuse(421, 'this is not the host that was asked for')
  if (path === '/healthz') return { status: 200, body: { status: 'ok' } }
  const answer = Object.hasOwn(routes, path) ? routes[path] : undefined
  if (answer === undefined) return refuse(404, `there is ${[...Object.keys(routes), '/healthz'].join(', ')}`)
  if (method !== 'POST') return refuse(405, 'POST only', { Allow: 'POST' })
  try {
    const text = await bodyOf(request)
    if (text === undefined) return refuse(413, `expected at most ${formatBytes(MAX_BODY_BYTES)}`)
    return { status: 200, body: await answer(parse(text)) }
  } catch (error) {
    if (error instanceof InputError) return { status: 400, body: { error: error.message } }
    const message = error instanceof Error ? error.message : String(error)
    console.error(`${path}: ${message}`)
    return { status: 500, body: { error: message } }
  }
}

function parse(text: string): unknown {
  requireShallow(text)
  try {
    return JSON.parse(text)
  } catch {
    throw new InputError('', 'JSON', text === '' ? 'nothing' : 'text that is none')
  }
}

/** What is deeper takes very long to read, or more stack than there is. */
function requireShallow(text: string): void {
  let depth = 0
  let isInString = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '"') isInString = !isInString
    else if (isInString && char === '\\') at += 1
    else if (isInString) continue
    else if (char === '[' || char === '{') depth += 1
    else if (char === ']' || char === '}') depth -= 1
    if (depth > MAX_DEPTH) throw new InputError('', `at most ${MAX_DEPTH} arrays and objects in each other`, 'more')
  }
}

/** `undefined`: it is too long. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return undefined
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > MAX_BODY_BYTES) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** Names of other sites may lead here (DNS rebinding): they are not answered. */
function isMeant(asked: string | undefined, where: Listening): boolean {
  if ('socket' in where) return true
  const name = (asked ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || isIP(name) !== 0 || name === where.host
}
