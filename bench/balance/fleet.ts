/** The simulated host, and the VMs that come to it. */

import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Host } from '../../src/types.js'
import { randomFrom } from '../planner/random.js'
import { type Kind, MINUTES, type Trace, traceOf } from './traces.js'

const GIB = 2 ** 30
const CPUS_PER_NODE = 32

export interface SimVm {
  readonly name: string
  readonly kind: Kind
  readonly vcpus: number
  readonly bytes: number
  readonly trace: Trace
  /** The node that its memory is taken from as it starts. */
  readonly home: number
  /** Minute in which it starts, and the first in which it is no longer there. */
  readonly from: number
  readonly until: number
}

export interface Fleet {
  readonly host: Host
  readonly nodes: readonly number[]
  readonly vms: readonly SimVm[]
}

export interface FleetOptions {
  readonly nodes: number
  readonly vms: number
  readonly seed: number
  /** Default: a mixture. */
  readonly kinds?: readonly Kind[]
  /** Share of the VMs that come and go within the day. Default: 0.1. */
  readonly churn?: number
  readonly minutes?: number
}

/** Four of ten follow the day, three work in bursts, three are idle. */
const MIXTURE: readonly Kind[] = [
  'daily',
  'daily',
  'daily',
  'daily',
  'bursty',
  'bursty',
  'bursty',
  'idle',
  'idle',
  'idle',
]

/** vCPUs on a host of two nodes; larger hosts have larger VMs, so that their CPUs are as busy. Most are small. */
const SIZES = [1, 1, 1, 1, 2, 2, 2, 2, 4, 4]

export function fleetOf({ nodes, vms, seed, kinds = MIXTURE, churn = 0.1, minutes = MINUTES }: FleetOptions): Fleet {
  const memory = vms * 24
  const host = syntheticHost(`pack:${nodes} [numa(memory=${memory}GB)] l3:1 core:${CPUS_PER_NODE / 2} pu:2`)
  const random = randomFrom(seed)
  return {
    host,
    nodes: host.nodes.map(({ id }) => id),
    vms: Array.from({ length: vms }, (_, number): SimVm => {
      const kind = random.pick(kinds)
      // One of a hundred has more vCPUs than a node has CPUs, on hosts that have room for it.
      const isWide = nodes > 2 && number % 50 === 49
      const vcpus = isWide ? CPUS_PER_NODE + 8 : Math.ceil((random.pick(SIZES) * nodes) / 2)
      const lasts = random.chance(churn) ? random.between(60, minutes - 60) : minutes
      const from = lasts === minutes ? 0 : random.between(0, minutes - lasts)
      return {
        name: `vm${number}`,
        kind,
        vcpus,
        bytes: vcpus * random.pick([1, 2, 2, 4]) * GIB,
        trace: traceOf(kind, seed * 1000 + number, minutes),
        home: random.between(0, nodes - 1),
        from,
        until: from + lasts,
      }
    }),
  }
}
