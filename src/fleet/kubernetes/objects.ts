/**
 * What is looked at of Kubernetes' objects, as Go writes them: what is not there may be null. Other fields are left as they are.
 * Source: k8s.io/api/core/v1, types.go
 */

import * as z from 'zod'
import { parseWith } from '../../schema.js'

const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((map) => map ?? {})

const metadata = z.looseObject({
  name: z.string().min(1),
  namespace: z.string().default(''),
  uid: z.string().default(''),
  labels: texts,
  annotations: texts,
  deletionTimestamp: z.string().nullish(),
})

const container = z.looseObject({
  resources: z
    .looseObject({ requests: z.record(z.string(), z.unknown()).nullish() })
    .nullish()
    .transform((resources) => resources?.requests ?? {}),
})

const pod = z.looseObject({
  metadata,
  spec: z.looseObject({
    nodeName: z.string().default(''),
    containers: z
      .array(container)
      .nullish()
      .transform((containers) => containers ?? []),
  }),
  status: z.looseObject({ phase: z.string().default('') }).prefault({}),
})

const node = z.looseObject({ metadata })

export type Pod = z.output<typeof pod>
export type Node = z.output<typeof node>

export const podFormat: z.ZodType<Pod> = pod
export const nodeFormat: z.ZodType<Node> = node

/** @throws {InputError} that names the place */
export function readPod(object: unknown): Pod {
  return parseWith(podFormat, object)
}

/** @throws {InputError} that names the place */
export function readNode(object: unknown): Node {
  return parseWith(nodeFormat, object)
}

/** As VMs of requests are named. */
export function nameOfPod({ metadata: { namespace, name } }: Pod): string {
  return `${namespace}/${name}`
}

/** What it has is given back: it never runs again. */
export function hasEnded({ status: { phase } }: Pod): boolean {
  return phase === 'Succeeded' || phase === 'Failed'
}
