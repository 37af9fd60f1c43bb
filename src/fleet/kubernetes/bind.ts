/**
 * `bind`: a pod gets its place on the node that the scheduler chose. One at a time; each asks the API server what is on the node, plans and
 * verifies anew. The place is an annotation of the Binding, which the API server gives to the pod together with its node, or neither.
 * Source: Kubernetes, pkg/registry/core/pod/storage/storage.go (`BindingREST`)
 */

import * as z from 'zod'
import { InputError, PlanError } from '../../errors.js'
import { parseWith } from '../../schema.js'
import { verifyPlan } from '../../verify.js'
import type { Answerer } from '../http/server.js'
import { rank } from '../rank.js'
import { isToBePlaced, PLAN_ANNOTATION, type PlacedVm, vmOfPod } from './annotations.js'
import { ApiError, type ApiServer } from './api-server.js'
import { NODES, PODS } from './cluster.js'
import { reasonOf } from './extender.js'
import { hostOf, placedOn } from './node-state.js'
import { nameOfPod, type Pod, podFormat, readNode, readPod } from './objects.js'
import { type ExtenderBindingArgs, type ExtenderBindingResult, readBindingArgs } from './protocol.js'

/** Why a pod is not bound: no defect of anybody's. */
class NotBound extends Error {}

/** A Binding of which it is not known whether the API server made it. */
interface Unsettled {
  readonly node: string
  readonly plan: PlacedVm
  readonly until: number
}

/** So long after a call that had no answer it may still be carried out there (its `--request-timeout` is 60 s). */
const SETTLES_MS = 120_000

const podList = z.looseObject({
  items: z
    .array(podFormat)
    .nullish()
    .transform((items) => items ?? []),
})

export class Binder {
  readonly #api: ApiServer
  #last: Promise<unknown> = Promise.resolve()
  /** By pod and node. */
  readonly #unsettled = new Map<string, Unsettled>()

  constructor(api: ApiServer) {
    this.#api = api
  }

  readonly answer: Answerer = async (question): Promise<ExtenderBindingResult> => {
    const args = readBindingArgs(question)
    const mine = this.#last.then(() => this.#bind(args))
    this.#last = mine.catch(() => undefined)
    try {
      await mine
      return { Error: '' }
    } catch (error) {
      const isKnown =
        error instanceof NotBound ||
        error instanceof ApiError ||
        error instanceof InputError ||
        error instanceof PlanError
      if (!isKnown) throw error
      return { Error: `homenode: ${error.message}` }
    }
  }

  async #bind(args: ExtenderBindingArgs): Promise<void> {
    const pod = readPod(await this.#api.get(pathOf(args)))
    const { uid, deletionTimestamp, annotations } = pod.metadata
    const name = nameOfPod(pod)
    if (args.poduid !== '' && uid !== args.poduid) throw new NotBound(`pod ${name} is another one by now`)
    if (deletionTimestamp != null) throw new NotBound(`pod ${name} is being deleted`)
    const isPlaced = isToBePlaced(pod)
    if (pod.spec.nodeName !== '') {
      // The answer was lost the last time.
      if (pod.spec.nodeName === args.node && (!isPlaced || annotations[PLAN_ANNOTATION] !== undefined)) return
      throw new NotBound(`pod ${name} is on node ${pod.spec.nodeName} already`)
    }
    if (!isPlaced) return this.#post(args, uid, {})
    const key = `${uid} ${args.node}`
    this.#forgetSettled()
    const plan = this.#unsettled.get(key)?.plan ?? (await this.#planFor(pod, args.node))
    try {
      await this.#post(args, uid, { [PLAN_ANNOTATION]: JSON.stringify(plan) })
      this.#unsettled.delete(key)
    } catch (error) {
      if (error instanceof ApiError && error.isUnknown) {
        this.#unsettled.set(key, { node: args.node, plan, until: performance.now() + SETTLES_MS })
      }
      throw error
    }
  }

  /** @throws {NotBound} where it does not fit there any more */
  async #planFor(pod: Pod, name: string): Promise<PlacedVm> {
    const [node, list] = await Promise.all([
      this.#api.get(`${NODES}/${encodeURIComponent(name)}`),
      this.#api.get(PODS, { fieldSelector: `spec.nodeName=${name}` }),
    ])
    const { items } = parseWith(podList, list)
    const there = hostOf(readNode(node))
    const placed = placedOn(there, items, this.#maybeOn(name, items))
    const vm = vmOfPod(pod)
    const [ranked] = await rank([{ name, host: there.host }], { [name]: placed }, vm, { moves: false })
    const { plan, request, refused, lostMore } = ranked!
    if (refused !== null) throw new NotBound(`pod ${nameOfPod(pod)} does not fit on node ${name}: ${reasonOf(refused)}`)
    const { vms } = verifyPlan(there.host, request!, plan!)
    const { cells, vcpus, emulator, iothreads } = vms.find((one) => one.name === nameOfPod(pod))!
    const current = { cells, vcpus }
    return { schemaVersion: 1, kind: 'PlacedVm', vm: { ...vm, current }, lostMore: lostMore!, emulator, iothreads }
  }

  /** VMs that may be on the node, though their pods do not say so yet. */
  #maybeOn(node: string, pods: readonly Pod[]): PlacedVm['vm'][] {
    for (const { metadata } of pods) this.#unsettled.delete(`${metadata.uid} ${node}`)
    return [...this.#unsettled.values()].filter((one) => one.node === node).map(({ plan }) => plan.vm)
  }

  #forgetSettled(): void {
    const now = performance.now()
    for (const [key, { until }] of this.#unsettled) if (until < now) this.#unsettled.delete(key)
  }

  async #post(args: ExtenderBindingArgs, uid: string, annotations: Readonly<Record<string, string>>): Promise<void> {
    await this.#api.post(`${pathOf(args)}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: args.podname, namespace: args.podnamespace, uid, annotations },
      target: { apiVersion: 'v1', kind: 'Node', name: args.node },
    })
  }
}

function pathOf({ podnamespace, podname }: ExtenderBindingArgs): string {
  return `/api/v1/namespaces/${encodeURIComponent(podnamespace)}/pods/${encodeURIComponent(podname)}`
}
