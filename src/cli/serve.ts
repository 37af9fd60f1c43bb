/** `homenode serve`: the page, with this machine as its host. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { InputError, show } from '../errors.js'
import { limitedServer } from '../service/server.js'
import { detectHost } from '../topology/node-fs.js'
import { CommandError, EXIT } from './errors.js'
import { print } from './output.js'
import { readPage } from './page.js'
import type { FleetOptions } from './serve-fleet.js'

/** Of each answer. The page brings its own policy, which allows its script by hash; this one says that nobody may frame it. */
const HEADERS = {
  'content-security-policy': "frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}
/** The start of a page as a file. */
const NO_HOST = '<script type="application/json" id="start">null</script>'

/** Until it is interrupted. */
export async function serve(options: FleetOptions): Promise<void> {
  requireTogether(options)
  if (options.rank || options.extender) {
    const { serveFleet } = await import('./serve-fleet.js')
    return serveFleet(options)
  }
  const { port, host } = options
  if (isIP(host) === 0) throw new InputError('--host', 'an IP address', show(host))
  const page = await readPage()
  const server = limitedServer((request, response) => {
    answer(request, response, host, page).catch((error: unknown) => {
      end(response, 500, `${error instanceof Error ? error.message : error}\n`)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new CommandError(`${host} port ${port} cannot be listened on: ${error.code ?? error.message}`, EXIT.failed),
      )
    })
    server.listen(port, host, resolve)
  })
  const address = server.address()
  const at = typeof address === 'object' && address !== null ? address.port : port
  print(`http://${host.includes(':') ? `[${host}]` : host}:${at}/`)
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve())
  })
  server.close()
  server.closeAllConnections()
}

/** By option, what it is for. */
const FOR = {
  hosts: ['rank'],
  socket: ['rank', 'extender'],
  apiServer: ['extender'],
  apiToken: ['extender'],
  apiCa: ['extender'],
} as const

function requireTogether(options: FleetOptions): void {
  for (const [name, others] of Object.entries(FOR) as [keyof typeof FOR, readonly ('rank' | 'extender')[]][]) {
    if (options[name] === undefined || others.some((other) => options[other])) continue
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    throw new InputError(option, `${others.map((other) => `--${other}`).join(' or ')}, too`, `${option} alone`)
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, host: string, page: string): Promise<void> {
  if (!isMeant(request.headers.host, host)) return end(response, 421, 'this is not the host that was asked for\n')
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return end(response, 405, 'only GET\n', { allow: 'GET, HEAD' })
  if (request.url !== '/') return end(response, 404, 'there is only /\n')
  const start = JSON.stringify(await detectHost()).replaceAll('<', '\\u003c')
  const text = page.replace(NO_HOST, () => NO_HOST.replace('null', () => start))
  end(response, 200, request.method === 'HEAD' ? '' : text, { 'content-type': 'text/html; charset=utf-8' })
}

function end(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...HEADERS, ...headers }).end(text)
}

/** Names of other sites may lead here (DNS rebinding): they are not answered. */
function isMeant(asked: string | undefined, host: string): boolean {
  const name = (asked ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || isIP(name) !== 0 || name === host
}
