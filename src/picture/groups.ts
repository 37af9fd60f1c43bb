/** CPUs by what they have in common. */

import type { HostCpu } from '../types.js'

/** In ascending order of the key, those without one last. */
export function groupsBy<Key extends number | null>(
  cpus: readonly HostCpu[],
  keyOf: (cpu: HostCpu) => Key,
): [Key, HostCpu[]][] {
  const groups = new Map<Key, HostCpu[]>()
  for (const cpu of cpus) {
    const key = keyOf(cpu)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [cpu])
    else group.push(cpu)
  }
  const last = Number.POSITIVE_INFINITY
  return [...groups].sort(([a], [b]) => (a === b ? 0 : (a ?? last) < (b ?? last) ? -1 : 1))
}
