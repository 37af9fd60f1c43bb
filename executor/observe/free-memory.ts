/**
 * Whether the memory that is wanted is there, asked before the first byte of it is taken: prefaulting bound memory that a
 * node does not have brings the kernel's out-of-memory killer rather than an error.
 */

import { readFileSync } from 'node:fs'
import { UnsupportedError } from '../../src/errors.js'
import { formatBytes } from '../../src/units.js'
import { BASE_PAGE } from '../ffi/mapping.js'
import type { VmLayout } from '../plan/layout.js'

/** Reads a file of procfs or sysfs; `null` where it does not exist or may not be read. */
export type ReadText = (path: string) => string | null

export const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/**
 * @throws {UnsupportedError} with the numbers, where a node or the cgroup has less than is needed. What the system
 *   does not tell is not checked.
 */
export function requireFreeMemory(layouts: readonly VmLayout[], read: ReadText = readText): void {
  const wanted = new Map<string, { node: number; pageSize: number; bytes: number }>()
  for (const { cells } of layouts) {
    for (const { pageSize, ranges } of cells) {
      for (const { node, bytes } of ranges) {
        const pool = wanted.get(`${node}/${pageSize}`) ?? { node, pageSize, bytes: 0 }
        wanted.set(`${node}/${pageSize}`, { ...pool, bytes: pool.bytes + bytes })
      }
    }
  }
  let basePages = 0
  for (const { node, pageSize, bytes } of wanted.values()) {
    if (pageSize <= BASE_PAGE) basePages += bytes
    refuseMore(bytes, freeOnNode(node, pageSize, read), `node ${node}, in pages of ${formatBytes(pageSize)}`)
  }
  refuseMore(basePages, freeInCgroup(read), 'the cgroup of this process (memory.max)')
}

function refuseMore(bytes: number, free: number | null, where: string): void {
  if (free === null || bytes <= free) return
  throw new UnsupportedError(
    'memory-capacity',
    `${formatBytes(bytes)} is needed from ${where}, where ${formatBytes(free)} is free now`,
  )
}

/** Bytes; `null`: unknown. The page cache counts as free, as the kernel drops it when asked for memory. */
export function freeOnNode(node: number, pageSize: number, read: ReadText = readText): number | null {
  const dir = `/sys/devices/system/node/node${node}`
  if (pageSize > BASE_PAGE) {
    const free = read(`${dir}/hugepages/hugepages-${pageSize / 1024}kB/free_hugepages`)
    return free === null ? null : Number(free) * pageSize
  }
  const meminfo = read(`${dir}/meminfo`)
  if (meminfo === null) return null
  const bytesOf = (field: string) => {
    const kilobytes = new RegExp(` ${field.replace(/[()]/g, '\\$&')}:\\s+(\\d+) kB`).exec(meminfo)?.[1]
    return Number(kilobytes ?? 0) * 1024
  }
  return ['MemFree', 'Active(file)', 'Inactive(file)', 'SReclaimable'].map(bytesOf).reduce((sum, part) => sum + part)
}

/** What the limits of this process's cgroup (v2) and of those above it leave; `null`: no limit. */
function freeInCgroup(read: ReadText): number | null {
  const own = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1]
  if (own === undefined) return null
  let least: number | null = null
  for (let path = own; path !== '' && path !== '/'; path = path.slice(0, path.lastIndexOf('/'))) {
    const dir = `/sys/fs/cgroup${path}`
    const limit = Number(read(`${dir}/memory.max`) ?? Number.NaN)
    const used = Number(read(`${dir}/memory.current`) ?? Number.NaN)
    const file = Number(/^file (\d+)$/m.exec(read(`${dir}/memory.stat`) ?? '')?.[1] ?? 0)
    if (Number.isFinite(limit - used)) least = Math.min(least ?? Infinity, Math.max(0, limit - used + file))
  }
  return least
}
