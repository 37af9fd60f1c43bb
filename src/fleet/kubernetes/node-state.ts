/** What a node is and what is placed on it, out of its annotation and those of its pods. */

import { InputError, within } from '../../errors.js'
import { parsePlaced } from '../../request.js'
import type { Host, Request } from '../../types.js'
import { parseHostState } from '../host-state.js'
import { HOST_ANNOTATION, parseObject, placedVmOf } from './annotations.js'
import { hasEnded, type Node, type Pod } from './objects.js'

/** A node's annotation, read. */
export interface NodeHost {
  readonly host: Host
  /** Content of a request: the host's settings, and VMs that are no pods. */
  readonly placed: { readonly vms: readonly unknown[] }
}

type Vm = Readonly<Record<string, unknown>>

/** @throws {InputError} where the node has no host, or none that is valid */
export function hostOf({ metadata: { name, annotations } }: Node): NodeHost {
  const text = annotations[HOST_ANNOTATION]
  return within(`node ${name}: ${HOST_ANNOTATION}`, () => {
    if (text === undefined) throw new InputError('', 'what "homenode topo --json" prints there', 'nothing')
    const content = parseObject(text)
    const { host, placed } = parseHostState(content)
    const given = placed === undefined ? {} : (content.placed as object)
    return { host, placed: { ...given, vms: 'vms' in given ? (given.vms as readonly unknown[]) : [] } }
  })
}

/**
 * All that is on a node.
 * @param more VMs with a place that their pods do not have yet
 * @throws {InputError} where a pod's place is not valid, or two are not together
 */
export function placedOn({ placed }: NodeHost, pods: Iterable<Pod>, more: readonly Vm[] = []): Request {
  const vms = [...placed.vms, ...more] as Vm[]
  for (const pod of pods) {
    const vm = hasEnded(pod) ? undefined : placedVmOf(pod)
    if (vm !== undefined) vms.push(vm)
  }
  const names = new Set(vms.map(({ name }) => name))
  // Of those that are not there nothing is asked.
  const there = (others: unknown) => (Array.isArray(others) ? others.filter((name) => names.has(name)) : others)
  return parsePlaced({
    ...placed,
    vms: vms.map((vm) => ({
      ...vm,
      ...(vm.near === undefined ? {} : { near: there(vm.near) }),
      ...(vm.separateFrom === undefined ? {} : { separateFrom: there(vm.separateFrom) }),
    })),
  })
}
