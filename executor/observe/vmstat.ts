/** What the kernel counts of the memory of the whole host. Source: proc(5), /proc/vmstat */

import type { ReadText } from './free-memory.js'

/**
 * Pages that the kernel has moved since it started, for whatever reason: move_pages and its kin, NUMA balancing, compaction, hotplug.
 * @returns `null` where it does not count them (no CONFIG_MIGRATION)
 */
export function pagesMigrated(read: ReadText): number | null {
  const count = /^pgmigrate_success (\d+)$/m.exec(read('/proc/vmstat') ?? '')?.[1]
  return count === undefined ? null : Number(count)
}
