/** Nodes and pods as Go writes them: what is not there is null, or left out. */

import type { Host } from '../../../src/types.js'
import type { ApiObject } from './api-server.js'

export function nodeOf(name: string, host?: Host, more: object = {}): ApiObject {
  const state = host === undefined ? undefined : Object.keys(more).length === 0 ? host : { host, ...more }
  return {
    metadata: {
      name,
      uid: `node-${name}`,
      ...{ creationTimestamp: null },
      labels: { 'kubernetes.io/hostname': name },
      annotations: state === undefined ? null : { 'homenode/host': JSON.stringify(state) },
    },
    spec: {},
    status: { daemonEndpoints: { kubeletEndpoint: { Port: 0 } } },
  }
}

let pods = 0

export interface PodFields {
  readonly cpu?: string
  readonly memory?: string
  readonly vm?: string
  readonly label?: string
}

export function podOf(name: string, { cpu = '16', memory = '16Gi', vm, label = 'true' }: PodFields = {}): ApiObject {
  return {
    metadata: {
      name,
      namespace: 'vms',
      uid: `pod-${++pods}`,
      ...{ creationTimestamp: null },
      labels: { 'homenode/place': label },
      ...(vm === undefined ? {} : { annotations: { 'homenode/vm': vm } }),
    },
    spec: {
      containers: [
        { name: 'compute', image: 'vm', resources: { limits: { cpu, memory }, requests: { cpu, memory } } },
        { name: 'log', image: 'log', resources: {} },
      ],
      schedulerName: 'default-scheduler',
    },
    status: { phase: 'Pending', qosClass: 'Guaranteed' },
  }
}
