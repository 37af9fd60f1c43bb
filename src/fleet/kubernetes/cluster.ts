/** Nodes and placed pods as the API server said last: what each node is and what is on it, read once for each change. */

import { InputError } from '../../errors.js'
import type { Host, Request } from '../../types.js'
import { HOST_ANNOTATION, PLACE_LABEL, PLAN_ANNOTATION } from './annotations.js'
import type { ApiServer } from './api-server.js'
import { type Follower, follow } from './follow.js'
import { hostOf, type NodeHost, placedOn } from './node-state.js'
import { hasEnded, type Pod, readNode, readPod } from './objects.js'

export const NODES = '/api/v1/nodes'
export const PODS = '/api/v1/pods'
/** Pods that others place are none of ours. */
export const TO_BE_PLACED = `${PLACE_LABEL}=true`

export interface NodeState {
  readonly host: Host
  readonly placed: Request
}

/** Objects by a key of their own, of which some text is looked at. */
abstract class Followed implements Follower {
  readonly #what: string
  readonly #say: (text: string) => void
  #why: string | undefined = 'it has not been asked yet'
  #wasHeard = false

  constructor(what: string, say: (text: string) => void) {
    this.#what = what
    this.#say = say
  }

  /** @throws {InputError} where nothing was heard yet */
  requireHeard(): void {
    if (this.#wasHeard) return
    throw new InputError('API server', `its ${this.#what}`, `nothing yet: ${this.#why}`)
  }

  reset(objects: readonly unknown[]): void {
    this.clear()
    for (const object of objects) this.set(object)
    if (this.#why !== undefined && this.#wasHeard) this.#say(`${this.#what} of the API server are followed again`)
    this.#wasHeard = true
    this.#why = undefined
  }

  lost({ message }: Error): void {
    if (this.#why !== message) this.#say(`${this.#what} of the API server are not followed: ${message}`)
    this.#why = message
  }

  protected abstract clear(): void
  abstract set(object: unknown): void
  abstract remove(object: unknown): void
}

class Hosts extends Followed {
  readonly #hosts = new Map<string, { readonly text: string | undefined; readonly read: () => NodeHost }>()

  /** @throws {InputError} where the node is not known, or has no host that is valid */
  get(name: string): NodeHost {
    const known = this.#hosts.get(name)
    if (known === undefined) throw new InputError(`node ${name}`, 'a node of the API server', 'none of this name')
    return known.read()
  }

  set(object: unknown): void {
    const node = readNode(object)
    const { name, annotations } = node.metadata
    const text = annotations[HOST_ANNOTATION]
    // A node says every few seconds that it lives.
    if (this.#hosts.get(name)?.text === text && this.#hosts.has(name)) return
    this.#hosts.set(name, { text, read: once(() => hostOf(node)) })
  }

  remove(object: unknown): void {
    this.#hosts.delete(readNode(object).metadata.name)
  }

  protected clear(): void {
    this.#hosts.clear()
  }
}

class PlacedPods extends Followed {
  readonly #pods = new Map<string, Pod>()
  /** By node. The same set as long as nothing has changed there. */
  readonly #on = new Map<string, ReadonlySet<Pod>>()

  get(node: string): ReadonlySet<Pod> {
    return this.#on.get(node) ?? NOBODY
  }

  set(object: unknown): void {
    const pod = readPod(object)
    const before = this.#pods.get(pod.metadata.uid)
    if (before !== undefined && isSamePlace(before, pod)) return
    if (before !== undefined) this.#take(before)
    this.#pods.set(pod.metadata.uid, pod)
    if (pod.spec.nodeName !== '') this.#on.set(pod.spec.nodeName, new Set([...this.get(pod.spec.nodeName), pod]))
  }

  remove(object: unknown): void {
    const before = this.#pods.get(readPod(object).metadata.uid)
    if (before !== undefined) this.#take(before)
  }

  protected clear(): void {
    this.#pods.clear()
    this.#on.clear()
  }

  #take(pod: Pod): void {
    this.#pods.delete(pod.metadata.uid)
    const left = [...this.get(pod.spec.nodeName)].filter((other) => other !== pod)
    if (left.length === 0) this.#on.delete(pod.spec.nodeName)
    else this.#on.set(pod.spec.nodeName, new Set(left))
  }
}

const NOBODY: ReadonlySet<Pod> = new Set()

function isSamePlace(a: Pod, b: Pod): boolean {
  const plans = [a, b].map(({ metadata: { annotations } }) => annotations[PLAN_ANNOTATION])
  return a.spec.nodeName === b.spec.nodeName && hasEnded(a) === hasEnded(b) && plans[0] === plans[1]
}

export class Cluster {
  readonly #hosts: Hosts
  readonly #pods: PlacedPods
  readonly #states = new Map<
    string,
    { readonly of: NodeHost; readonly pods: ReadonlySet<Pod>; readonly read: () => Request }
  >()

  /** @param say for what an administrator should know */
  constructor(say: (text: string) => void) {
    this.#hosts = new Hosts('nodes', say)
    this.#pods = new PlacedPods('pods', say)
  }

  /** Until `signal`. */
  async follow(api: ApiServer, signal: AbortSignal): Promise<void> {
    await Promise.all([
      follow(api, { path: NODES }, this.#hosts, signal),
      follow(api, { path: PODS, query: { labelSelector: TO_BE_PLACED } }, this.#pods, signal),
    ])
  }

  /** @throws {InputError} where nothing has been heard of nodes or pods yet */
  requireHeard(): void {
    this.#hosts.requireHeard()
    this.#pods.requireHeard()
  }

  /**
   * The same objects for as long as the node and its pods stay as they are, so that `rank` knows them again.
   * @throws {InputError} where the node has no host, or what is on it is not valid
   */
  stateOf(name: string): NodeState {
    const of = this.#hosts.get(name)
    const pods = this.#pods.get(name)
    const known = this.#states.get(name)
    if (known?.of === of && known.pods === pods) return { host: of.host, placed: known.read() }
    const read = once(() => placedOn(of, pods))
    this.#states.set(name, { of, pods, read })
    return { host: of.host, placed: read() }
  }
}

/** The value, or the error, that `make` comes to the first time. */
function once<Value>(make: () => Value): () => Value {
  let get = (): Value => {
    try {
      const value = make()
      get = () => value
    } catch (error) {
      get = () => {
        throw error
      }
    }
    return get()
  }
  return () => get()
}
