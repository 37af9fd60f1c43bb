/** Ganeti's remote API: JSON over HTTPS (Ganeti 3.0, doc/rapi.rst). */

import { X509Certificate } from 'node:crypto'
import { Agent, request } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { InputError, show } from '../../errors.js'

export interface RapiAccess {
  /** `https://cluster.example.org:5080` */
  readonly url: string
  readonly user: string
  readonly password: string
  /** PEM of the server's certificate, or of who signed it. Without it those that Node.js knows. */
  readonly certificate?: string
}

/** That it is not there, or what it refused. */
export class RapiError extends Error {
  override readonly name = 'RapiError'
  /** What the command line ends with: the system refused. */
  readonly exitCode = 1
  /** The status of HTTP; `null`: there was no answer. */
  readonly status: number | null

  constructor(message: string, status: number | null) {
    super(message)
    this.status = status
  }
}

/** A job that came to its end. */
export interface EndedJob {
  readonly id: number
  readonly isDone: boolean
  /** Why it is not; empty where it is. */
  readonly error: string
}

const TIMEOUT_MS = 60_000
const MAX_BYTES = 256 * 1024 ** 2
/** From one look at a job to the next. RAPI has 20 connections for everybody, so none waits in one. */
const POLL_MS = 300
const FINAL = ['success', 'error', 'canceled']

const queried = z.looseObject({ data: z.array(z.array(z.tuple([z.number(), z.unknown()]))) })
const jobId = z.union([z.int(), z.string().regex(/^\d+$/)])
const jobFormat = z.looseObject({
  status: z.string(),
  opresult: z
    .array(z.unknown())
    .nullish()
    .transform((results) => results ?? []),
})
const refusedFormat = z.looseObject({ message: z.string().optional(), explain: z.string().optional() })

export class Rapi {
  readonly #url: URL
  readonly #headers: Readonly<Record<string, string>>
  readonly #agent: Agent

  /** @throws {InputError} for an address or a certificate that is none */
  constructor({ url, user, password, certificate }: RapiAccess) {
    const parsed = URL.canParse(url) ? new URL(url) : null
    if (parsed?.protocol !== 'https:' || parsed.username !== '') {
      // A password in it is nobody else's business.
      const got = url.includes('@') ? 'one with a user in it, or none' : show(url)
      throw new InputError('--rapi', 'an address such as https://cluster.example.org:5080', got)
    }
    this.#url = parsed
    const login = Buffer.from(`${user}:${password}`).toString('base64')
    this.#headers = { Authorization: `Basic ${login}`, Accept: 'application/json' }
    if (certificate !== undefined) requireCertificate(certificate)
    // The certificate that Ganeti makes names no host: who is given it trusts that one, whatever the host is called.
    const trust = certificate === undefined ? {} : { ca: certificate, checkServerIdentity: () => undefined }
    this.#agent = new Agent({ keepAlive: false, ...trust })
  }

  /** The rows of a query, each with these fields. */
  async query(
    what: 'instance' | 'node' | 'job',
    fields: readonly string[],
    filter: unknown = null,
  ): Promise<unknown[][]> {
    const answer = await this.call('PUT', `/2/query/${what}`, { fields, qfilter: filter })
    return this.#read(queried, answer).data.map((row) => row.map(([, value]) => value))
  }

  /** @returns the number of the job */
  async submit(method: 'POST' | 'DELETE', path: string, body: object): Promise<number> {
    return Number(this.#read(jobId, await this.call(method, path, body)))
  }

  /** Until it has come to its end. */
  async ended(id: number): Promise<EndedJob> {
    for (;;) {
      const job = this.#read(jobFormat, await this.call('GET', `/2/jobs/${id}`))
      if (FINAL.includes(job.status)) {
        const isDone = job.status === 'success'
        return { id, isDone, error: isDone ? '' : errorText(job.status, job.opresult) }
      }
      await sleep(POLL_MS)
    }
  }

  /**
   * @returns what it answers
   * @throws {RapiError} where it is away or refuses
   */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const { status, text } = await this.#send(method, path, body)
    let content: unknown
    try {
      content = JSON.parse(text)
    } catch {
      throw this.#isAnother(status)
    }
    if (status === 200) return content
    if (status === 401) throw new RapiError(`${this.#url.host}: it knows no such user, or another password`, status)
    const { message = '', explain = '' } = refusedFormat.safeParse(content).data ?? {}
    const hint = status === 403 ? ': the user may not do that ("write" in its line of rapi/users)' : ''
    throw new RapiError(`${method} ${path}: ${[status, message, explain].filter(String).join(' ')}${hint}`, status)
  }

  #read<Content>(format: z.ZodType<Content>, content: unknown): Content {
    const read = format.safeParse(content)
    if (!read.success) throw this.#isAnother(200)
    return read.data
  }

  #isAnother(status: number): RapiError {
    return new RapiError(`${this.#url.host}: what answers there is no remote API of Ganeti`, status)
  }

  #send(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
    const content = body === undefined ? '' : JSON.stringify(body)
    const headers = {
      ...this.#headers,
      ...(content === '' ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(content) }),
    }
    return new Promise((resolve, reject) => {
      const away = (error: Error & { code?: string }) =>
        reject(new RapiError(`${this.#url.host}: ${awayText(error)}`, null))
      const options = { method, agent: this.#agent, headers, timeout: TIMEOUT_MS }
      const asked = request(new URL(path, this.#url), options, async (response) => {
        try {
          resolve({ status: response.statusCode ?? 0, text: await textOf(response) })
        } catch (error) {
          away(error as Error)
        }
      })
      asked.on('timeout', () => asked.destroy(new Error(`no answer for ${TIMEOUT_MS / 1000} s`)))
      asked.on('error', away)
      asked.end(content)
    })
  }
}

function requireCertificate(text: string): void {
  try {
    new X509Certificate(text)
  } catch {
    throw new InputError('--certificate', 'a certificate in PEM, "-----BEGIN CERTIFICATE-----"', 'text that is none')
  }
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of stream) {
    bytes += part.length
    if (bytes > MAX_BYTES) throw new Error('its answer does not end')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

const UNTRUSTED = /CERT|SIGNATURE|ALTNAME|SELF_SIGNED/

function awayText({ code = '', message }: Error & { code?: string }): string {
  if (UNTRUSTED.test(code))
    return `its certificate is not trusted (${code}): --certificate takes a copy of the cluster's rapi.pem`
  return `the remote API does not answer: ${message || code}`
}

/** The text of Ganeti's exception: `["OpPrereqError", ["text", "kind"]]`. */
function errorText(status: string, results: readonly unknown[]): string {
  const texts = results.flatMap((result) => {
    if (!Array.isArray(result) || !Array.isArray(result[1])) return typeof result === 'string' ? [result] : []
    return [String(result[1][0])]
  })
  return texts.join('; ') || status
}
