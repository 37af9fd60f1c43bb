/**
 * Calls of Kubernetes' API server: JSON over HTTP, a watch as lines. Five calls are made in all, so this is Node's own client.
 * Source: Kubernetes API concepts (kubernetes.io/docs/reference/using-api/api-concepts)
 */

import { readFile } from 'node:fs/promises'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { createInterface } from 'node:readline'
import * as z from 'zod'
import { parseWith } from '../../schema.js'

/** Where the API server is, and who one is to it. */
export interface ApiAccess {
  readonly url: URL
  /** Read at each call: tokens of a pod are renewed. */
  readonly tokenFile?: string
  /** Certificates, in PEM, of whom its own is from. */
  readonly caFile?: string
}

/** A call that was not done, or of which nothing is known. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** Of HTTP; `null`: there was no answer. */
  readonly status: number | null

  constructor(call: string, status: number | null, text: string) {
    super(`${call}: ${status === null ? '' : `${status} `}${text}`)
    this.status = status
  }

  /** Whether it may have been done all the same. */
  get isUnknown(): boolean {
    return this.status === null || this.status >= 500
  }
}

/** A line of a watch. */
export interface WatchEvent {
  readonly type: string
  readonly object: unknown
}

type Query = Readonly<Record<string, string>>

const CALL_MS = 10_000
/** How long a watch lasts, at most; then it is begun again. */
const WATCH_SECONDS = 300
/** Without a sign of life for so long a watch is over. */
const WATCH_IDLE_MS = 2 * WATCH_SECONDS * 1000
const MOST_TEXT = 500

const status = z.looseObject({ message: z.string() })
const event = z.looseObject({ type: z.string(), object: z.unknown() })

export class ApiServer {
  readonly #access: ApiAccess

  constructor(access: ApiAccess) {
    this.#access = access
  }

  /** @throws {ApiError} */
  async get(path: string, query: Query = {}): Promise<unknown> {
    return this.#answer('GET', path, query)
  }

  /** @throws {ApiError} `isUnknown` where it may have been done */
  async post(path: string, body: object): Promise<unknown> {
    return this.#answer('POST', path, {}, JSON.stringify(body))
  }

  /**
   * What happens from a version on, until the API server ends it.
   * @throws {ApiError}
   */
  async *watch(path: string, query: Query, resourceVersion: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const more = { watch: 'true', resourceVersion, allowWatchBookmarks: 'true', timeoutSeconds: `${WATCH_SECONDS}` }
    const call = `watch ${path}`
    const response = await this.#send('GET', path, { ...query, ...more }, undefined, WATCH_IDLE_MS, signal)
    if (response.statusCode !== 200) throw await refusalOf(call, response)
    const broken = new Promise<never>((_, reject) => {
      response.once('error', (error) => reject(new ApiError(call, null, error.message)))
    })
    // Where nobody waits for it any more.
    broken.catch(() => undefined)
    const lines = createInterface(response)[Symbol.asyncIterator]()
    for (;;) {
      const line = await Promise.race([lines.next(), broken])
      if (line.done === true) return
      if (line.value !== '') yield parseWith(event, parseJson(call, line.value))
    }
  }

  async #answer(method: string, path: string, query: Query, body?: string): Promise<unknown> {
    const call = `${method} ${path}`
    const response = await this.#send(method, path, query, body, CALL_MS)
    if (response.statusCode === undefined || response.statusCode >= 300) throw await refusalOf(call, response)
    return parseJson(call, await textOf(call, response))
  }

  async #send(
    method: string,
    path: string,
    query: Query,
    body: string | undefined,
    idleMs: number,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    const { url, tokenFile, caFile } = this.#access
    const call = `${method} ${path}`
    const failed = (error: Error) => new ApiError(call, null, `${url.origin}: ${error.message || `${error}`}`)
    const [token, ca] = await Promise.all([tokenFile, caFile].map(readText)).catch((error: Error) => {
      throw failed(error)
    })
    const target = new URL(`${url.pathname.replace(/\/$/, '')}${path}`, url)
    for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value)
    const headers = {
      Accept: 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token.trim()}` }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
    }
    return new Promise((resolve, reject) => {
      // A connection of its own: one that is kept may be closed there just when it is used again.
      const options = { agent: false, method, headers, ...(signal === undefined ? {} : { signal }) }
      const sent = begun(target, { ...options, ...(ca === undefined ? {} : { ca }) }, (error) => reject(failed(error)))
      if (sent === undefined) return
      sent.setTimeout(idleMs, () => sent.destroy(new Error(`no answer for ${idleMs / 1000} s`)))
      sent.once('response', resolve)
      sent.on('error', (error) => reject(failed(error)))
      sent.end(body)
    })
  }
}

/** `undefined`: a token or a certificate that is none cannot even be sent. */
function begun(target: URL, options: RequestOptions, refuse: (error: Error) => void): ClientRequest | undefined {
  try {
    return target.protocol === 'https:' ? httpsRequest(target, options) : httpRequest(target, options)
  } catch (error) {
    refuse(error as Error)
    return undefined
  }
}

async function readText(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : readFile(file, 'utf8')
}

async function textOf(call: string, response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  try {
    for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
  } catch (error) {
    throw new ApiError(call, null, error instanceof Error ? error.message : `${error}`)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** What the API server says of it: a `Status`. */
async function refusalOf(call: string, response: IncomingMessage): Promise<ApiError> {
  const text = await textOf(call, response)
  let message = text.slice(0, MOST_TEXT).trim()
  try {
    message = status.parse(JSON.parse(text)).message
  } catch {
    // A proxy's page, for example.
  }
  return new ApiError(call, response.statusCode ?? null, message)
}

function parseJson(call: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ApiError(call, null, 'an answer that is no JSON')
  }
}
