/** What homenode reads and writes in labels and annotations of nodes and pods. */

import * as z from 'zod'
import { InputError, within } from '../../errors.js'
import { parseWith } from '../../schema.js'
import { parseBytes } from '../../units.js'
import { nameOfPod, type Pod } from './objects.js'
import { parseQuantity } from './quantity.js'

/** A pod with this label, `true`, gets a place; others are let through. */
export const PLACE_LABEL = 'homenode/place'
/** Of a node: a host file's content (`topo --json`), or one with `placed`. */
export const HOST_ANNOTATION = 'homenode/host'
/** Of a pod: fields of a request's VM that its containers do not say. */
export const VM_ANNOTATION = 'homenode/vm'
/** Of a pod, written when it is bound: `PlacedVm`. */
export const PLAN_ANNOTATION = 'homenode/plan'

/** A VM of a request, with its place as `current`, and where the VMM's other threads belong. */
export interface PlacedVm {
  readonly schemaVersion: 1
  readonly kind: 'PlacedVm'
  readonly vm: Readonly<Record<string, unknown>>
  readonly lostMore: number
  readonly emulator: string
  readonly iothreads: readonly string[]
}

const planFormat = z.looseObject({
  schemaVersion: z.literal(1),
  kind: z.literal('PlacedVm'),
  vm: z.record(z.string(), z.unknown()),
})

const GRANULE = parseBytes('4KiB', '')
/** Thousandths of a CPU are added up as such. */
const PER_CPU = 1000

export function isToBePlaced({ metadata: { labels } }: Pod): boolean {
  return labels[PLACE_LABEL] === 'true'
}

/**
 * The pod as a VM of a request: its name is `NAMESPACE/NAME`; vCPUs and memory are what its containers request together, unless `homenode/vm`
 * says other.
 * @throws {InputError} that names the pod and the place
 */
export function vmOfPod(pod: Pod): Readonly<Record<string, unknown>> {
  return ofPod(pod, () => {
    const text = pod.metadata.annotations[VM_ANNOTATION]
    const given = text === undefined ? {} : within(VM_ANNOTATION, () => parseObject(text))
    for (const field of ['name', 'current']) {
      if (Object.hasOwn(given, field))
        throw new InputError(`${VM_ANNOTATION}: ${field}`, 'nothing: it is the pod that says it', 'a value')
    }
    const asked = (resource: string) =>
      pod.spec.containers.map(({ resources }, at) => {
        const where = `spec.containers[${at}].resources.requests.${resource}`
        return resources[resource] === undefined ? 0 : parseQuantity(resources[resource], where)
      })
    const vcpus = Math.ceil(sum(asked('cpu').map((cpus) => Math.ceil(cpus * PER_CPU))) / PER_CPU)
    const memory = Math.ceil(sum(asked('memory')) / GRANULE) * GRANULE
    const vm = { vcpus, memory: `${memory}B`, ...given, name: nameOfPod(pod) }
    for (const [field, resource] of [
      ['vcpus', 'cpu'],
      ['memory', 'memory'],
    ] as const) {
      if (vm[field] === 0 || vm[field] === '0B') {
        throw new InputError('spec.containers', `requests of ${resource}, or "${field}" in ${VM_ANNOTATION}`, 'none')
      }
    }
    return vm
  })
}

/**
 * The VM of a pod that was bound, with its place. `undefined`: it has none.
 * @throws {InputError} that names the pod and the place
 */
export function placedVmOf(pod: Pod): Readonly<Record<string, unknown>> | undefined {
  const text = pod.metadata.annotations[PLAN_ANNOTATION]
  if (text === undefined) return undefined
  return ofPod(pod, () => {
    const { vm } = within(PLAN_ANNOTATION, () => parseWith(planFormat, parseObject(text)))
    return { ...vm, name: nameOfPod(pod) }
  })
}

/** @throws {InputError} where the text is no object as JSON */
export function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new InputError('', 'JSON', text === '' ? 'nothing' : 'text that is none')
  }
  return parseWith(z.record(z.string(), z.unknown()), value)
}

function ofPod<Value>(pod: Pod, work: () => Value): Value {
  return within(`pod ${nameOfPod(pod)}`, work)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
