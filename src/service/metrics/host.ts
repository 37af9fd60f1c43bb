/** What the metrics say of the host. */

import type { HostReading, NodeReading, Resource } from '../../../executor/meter/types.js'
import { type Sample, type Samples, secondsOf } from './sample.js'

export function hostSamples({ nodes, pressure, migratedPages, hintFaults }: HostReading): Samples {
  const each = (samples: (node: NodeReading) => readonly Sample[]) =>
    nodes.flatMap((one) => samples(one).map(([more, value]): Sample => [{ node: String(one.node), ...more }, value]))
  const one = (value: (node: NodeReading) => number | null) => each((node) => [[{}, value(node)]])
  return {
    homenode_node_cpus: one(({ cpus }) => cpus.length),
    homenode_node_cpu_seconds_total: each(({ busyNs, idleNs }) => [
      [{ mode: 'busy' }, secondsOf(busyNs)],
      [{ mode: 'idle' }, secondsOf(idleNs)],
    ]),
    homenode_node_memory_bytes: one(({ total }) => total),
    homenode_node_memory_free_bytes: one(({ free }) => free),
    homenode_node_memory_reclaimable_bytes: one(({ reclaimable }) => reclaimable),
    homenode_node_allocated_pages_total: each(({ allocations }) =>
      Object.entries(allocations ?? {}).map(([kind, pages]): Sample => [{ kind }, pages]),
    ),
    homenode_node_traffic_bytes_total: one(({ traffic }) => traffic?.all ?? null),
    homenode_node_local_traffic_bytes_total: one(({ traffic }) => traffic?.local ?? null),
    homenode_pressure_seconds_total: (Object.keys(pressure) as Resource[]).flatMap((resource): Sample[] => [
      [{ resource, share: 'some' }, secondsOf(pressure[resource]?.someNs)],
      [{ resource, share: 'full' }, secondsOf(pressure[resource]?.fullNs)],
    ]),
    homenode_migrated_pages_total: [[{}, migratedPages]],
    homenode_hint_faults_total: [[{}, hintFaults?.all ?? null]],
    homenode_local_hint_faults_total: [[{}, hintFaults?.local ?? null]],
  }
}
