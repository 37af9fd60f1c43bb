/**
 * The scheduler extender's questions and answers, v1.
 * Source: k8s.io/kube-scheduler/extender/v1, types.go. Its fields have no JSON tags: Go writes their names as they are, and reads them in any case.
 */

import * as z from 'zod'
import { parseWith } from '../../schema.js'
import { nodeFormat, type Pod, podFormat } from './objects.js'

/** What an extender may score at most: MaxExtenderPriority. */
export const MAX_SCORE = 10

export interface ExtenderArgs {
  readonly pod: Pod
  /** Names of the nodes that are asked about. */
  readonly names: readonly string[]
  /** The nodes themselves, as they came; `null`: only their names did (`nodeCacheCapable`). */
  readonly nodes: { readonly items: readonly object[] } | null
}

export interface ExtenderFilterResult {
  readonly Nodes: object | null
  readonly NodeNames: readonly string[] | null
  readonly FailedNodes: Readonly<Record<string, string>>
  readonly FailedAndUnresolvableNodes: Readonly<Record<string, string>>
  readonly Error: string
}

export type HostPriorityList = readonly { readonly Host: string; readonly Score: number }[]

export interface ExtenderBindingArgs {
  readonly podname: string
  readonly podnamespace: string
  readonly poduid: string
  readonly node: string
}

export interface ExtenderBindingResult {
  readonly Error: string
}

const argsFormat = z.looseObject({
  pod: podFormat,
  nodes: z
    .looseObject({
      items: z
        .array(nodeFormat)
        .nullish()
        .transform((items) => items ?? []),
    })
    .nullish(),
  nodenames: z.array(z.string()).nullish(),
})

/** It becomes a part of a path. */
const name = z.string().regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'a name as Kubernetes has them')

const bindingFormat = z.looseObject({
  podname: name,
  podnamespace: name,
  poduid: z.string().default(''),
  node: name,
})

/** @throws {InputError} that names the place, in lower case */
export function readExtenderArgs(question: unknown): ExtenderArgs {
  const fields = inLowerCase(question)
  const { pod, nodes, nodenames } = parseWith(argsFormat, fields)
  if (nodes == null) return { pod, nodes: null, names: nodenames ?? [] }
  const list = (fields as { readonly nodes: { readonly items?: readonly object[] | null } }).nodes
  return { pod, nodes: { ...list, items: list.items ?? [] }, names: nodes.items.map(({ metadata: { name } }) => name) }
}

/** @throws {InputError} that names the place, in lower case */
export function readBindingArgs(question: unknown): ExtenderBindingArgs {
  return parseWith(bindingFormat, inLowerCase(question))
}

function inLowerCase(question: unknown): unknown {
  if (typeof question !== 'object' || question === null || Array.isArray(question)) return question
  return Object.fromEntries(Object.entries(question).map(([name, value]) => [name.toLowerCase(), value]))
}
