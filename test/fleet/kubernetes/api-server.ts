/**
 * As much of Kubernetes' API server as a scheduler extender asks: nodes, pods, watches, bindings. What a Binding does follows `BindingREST`
 * (pkg/registry/core/pod/storage/storage.go): node and annotations at once, 409 for a pod that has a node, is another one or is being deleted.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'

interface Meta {
  readonly name: string
  readonly namespace?: string
  readonly uid: string
  resourceVersion?: string
  labels?: Record<string, string> | null
  annotations?: Record<string, string> | null
  deletionTimestamp?: string | null
}
export interface ApiObject {
  readonly metadata: Meta
  readonly spec: { nodeName?: string; readonly [name: string]: unknown }
  status: { phase?: string; readonly [name: string]: unknown }
}
type Kind = 'nodes' | 'pods'

/** What becomes of the next Binding: as it should; done, but the answer is lost; lost now, and done when `settle` is called. */
type Fate = 'done' | 'answer lost' | 'late'

interface Event {
  readonly kind: Kind
  readonly version: number
  readonly labels: Meta['labels']
  readonly line: string
}

export class FakeApiServer {
  readonly nodes = new Map<string, ApiObject>()
  readonly pods = new Map<string, ApiObject>()
  /** Of all calls: method and path. */
  readonly calls: string[] = []
  /** Bodies of Bindings. */
  readonly bindings: { readonly metadata: Meta; readonly target: { readonly name: string } }[] = []
  token: string | undefined
  fate: Fate = 'done'
  /** Called before a Binding is made. */
  beforeBinding: () => void = () => undefined
  #version = 1
  #late: (() => void)[] = []
  /** All that has happened, for watches that begin at an older version. */
  readonly #events: Event[] = []
  readonly #watches = new Set<{ readonly kind: Kind; readonly selector: string; readonly response: ServerResponse }>()
  readonly #sockets = new Set<Socket>()
  readonly #server

  constructor(tls?: { readonly key: string; readonly cert: string }) {
    const answer = (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response)
    this.#server = tls === undefined ? createServer(answer) : createHttpsServer(tls, answer)
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** @param port 0: one that is free */
  async listen(port = 0): Promise<number> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  /** What it knows stays for when it listens again. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  set(kind: Kind, object: ApiObject): void {
    const isNew = !this[kind].has(keyOf(object))
    this[kind].set(keyOf(object), object)
    this.#tell(kind, isNew ? 'ADDED' : 'MODIFIED', object)
  }

  remove(kind: Kind, key: string): void {
    const object = this[kind].get(key)!
    this[kind].delete(key)
    this.#tell(kind, 'DELETED', object)
  }

  /** Ends all watches: in good order, or since their version is forgotten. */
  endWatches(isForgotten = false): void {
    const status = {
      kind: 'Status',
      status: 'Failure',
      reason: 'Expired',
      message: 'too old resource version',
      code: 410,
    }
    for (const watch of this.#watches) {
      this.#watches.delete(watch)
      watch.response.end(isForgotten ? `${JSON.stringify({ type: 'ERROR', object: status })}\n` : '')
    }
  }

  /** Makes the Bindings that were late. */
  settle(): void {
    for (const make of this.#late.splice(0)) make()
  }

  #tell(kind: Kind, type: string, object: ApiObject): void {
    object.metadata.resourceVersion = `${++this.#version}`
    const line = `${JSON.stringify({ type, object })}\n`
    const event = { kind, version: this.#version, labels: object.metadata.labels, line }
    this.#events.push(event)
    for (const watch of this.#watches) if (isFor(watch, event)) watch.response.write(line)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, 'http://api')
    this.calls.push(`${request.method} ${pathname}${searchParams.has('watch') ? ' (watch)' : ''}`)
    const say = (status: number, body: object) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
    }
    const refuse = (code: number, reason: string, message: string) =>
      say(code, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code })
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      return refuse(401, 'Unauthorized', 'Unauthorized')
    }
    const [, list, one] = /^\/api\/v1\/(nodes|pods)(?:\/([^/]+))?$/.exec(pathname) ?? []
    const [, namespace, name, binding] =
      /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)(\/binding)?$/.exec(pathname) ?? []
    if (list !== undefined && one === undefined) return this.#list(list as Kind, searchParams, response, say)
    const key = one ?? `${namespace}/${name}`
    const object = (one === undefined ? this.pods : this.nodes).get(key)
    if (object === undefined) return refuse(404, 'NotFound', `${key} not found`)
    if (binding === undefined) return say(200, object)
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const body = JSON.parse(Buffer.concat(parts).toString())
    this.bindings.push(body)
    this.beforeBinding()
    const fate = this.fate
    if (fate === 'late') {
      this.#late.push(() => this.#bind(object, body))
      return void request.socket.destroy()
    }
    const why = this.pods.get(key) === object ? this.#bind(object, body) : `pod ${key} is gone`
    if (fate === 'answer lost') return void request.socket.destroy()
    if (why !== undefined)
      return refuse(409, 'Conflict', `Operation cannot be fulfilled on pods/binding "${name}": ${why}`)
    say(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 })
  }

  #bind(object: ApiObject, { metadata, target }: (typeof this.bindings)[number]): string | undefined {
    if (metadata.uid !== '' && metadata.uid !== object.metadata.uid) return 'Precondition failed: UID in precondition'
    if (object.metadata.deletionTimestamp != null)
      return `pod ${object.metadata.name} is being deleted, cannot be assigned to a host`
    if ((object.spec.nodeName ?? '') !== '') {
      return `pod ${object.metadata.name} is already assigned to node ${JSON.stringify(object.spec.nodeName)}`
    }
    object.spec.nodeName = target.name
    object.metadata.annotations = { ...object.metadata.annotations, ...metadata.annotations }
    this.#tell('pods', 'MODIFIED', object)
    return undefined
  }

  #list(
    kind: Kind,
    search: URLSearchParams,
    response: ServerResponse,
    say: (status: number, body: object) => void,
  ): void {
    const selector = search.get('labelSelector') ?? ''
    const field = search.get('fieldSelector') ?? ''
    if (search.get('watch') === 'true') {
      const watch = { kind, selector, response }
      this.#watches.add(watch)
      response.once('close', () => this.#watches.delete(watch))
      response.writeHead(200, { 'Content-Type': 'application/json' }).flushHeaders()
      const since = Number(search.get('resourceVersion'))
      for (const event of this.#events) {
        if (event.version > since && isFor(watch, event)) response.write(event.line)
      }
      const bookmark = { kind: 'Pod', metadata: { resourceVersion: `${this.#version}`, creationTimestamp: null } }
      response.write(`${JSON.stringify({ type: 'BOOKMARK', object: bookmark })}\n`)
      return
    }
    const items = [...this[kind].values()].filter(
      (object) =>
        isSelected(object.metadata.labels, selector) &&
        (field === '' || field === `spec.nodeName=${object.spec.nodeName}`),
    )
    say(200, {
      kind: 'List',
      apiVersion: 'v1',
      metadata: { resourceVersion: `${this.#version}` },
      items: items.length === 0 ? null : items,
    })
  }
}

function keyOf({ metadata: { namespace, name } }: ApiObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`
}

function isSelected(labels: Meta['labels'], selector: string): boolean {
  const [name = '', value] = selector.split('=')
  return selector === '' || labels?.[name] === value
}

function isFor(watch: { readonly kind: Kind; readonly selector: string }, { kind, labels }: Event): boolean {
  return kind === watch.kind && isSelected(labels, watch.selector)
}
