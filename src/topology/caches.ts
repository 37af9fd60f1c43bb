/**
 * The caches of the CPUs, each once.
 * Source: Documentation/ABI/testing/sysfs-devices-system-cpu (cache/index*).
 */

import { readCgroups } from './cgroups.js'
import { CPU_DIRECTORY, readCpuIds } from './cpus.js'
import { readCpuset } from './cpuset.js'
import { listNumbered, readInteger, readSetOf, readText, type SysReader } from './files.js'

/** One cache. */
export interface CacheLevel {
  /** 1, 2, 3, ... */
  readonly level: number
  /** What it holds, as the kernel calls it. */
  readonly type: 'Data' | 'Instruction' | 'Unified'
  /** KiB; `null` where the kernel does not say. */
  readonly sizeKiB: number | null
  /** The CPUs that share it, ascending. */
  readonly sharedCpus: readonly number[]
}

const TYPES = ['Data', 'Instruction', 'Unified'] as const

/** Caches of the online CPUs, by level, then by their first CPU, data before instructions. None where the kernel shows none. */
export function readCaches(reader: SysReader): readonly CacheLevel[] {
  const caches = new Map<string, CacheLevel>()
  const cpuset = readCpuset(reader, readCgroups(reader))
  for (const cpu of readCpuIds(reader, cpuset.cpus).online) {
    for (const cache of readCachesOf(reader, cpu)) {
      const { level, type, sharedCpus } = cache
      caches.set(`${level} ${type} ${sharedCpus.join()}`, cache)
    }
  }
  const order = ({ level, type, sharedCpus: [first = 0] }: CacheLevel) => [level, first, TYPES.indexOf(type)] as const
  return [...caches.values()].sort((a, b) => {
    const [x, y] = [order(a), order(b)]
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2]
  })
}

function readCachesOf(reader: SysReader, cpu: number): CacheLevel[] {
  const directory = `${CPU_DIRECTORY}/cpu${cpu}/cache`
  return listNumbered(reader, directory, 'index').flatMap((index) => {
    const cache = `${directory}/index${index}`
    const level = readInteger(reader, `${cache}/level`)
    const type = TYPES.find((each) => each === readText(reader, `${cache}/type`))
    const shared = readSetOf(reader, cpu, `${cache}/shared_cpu_list`, `${cache}/shared_cpu_map`)
    if (level === undefined || type === undefined || shared === undefined) return []
    return [{ level, type, sizeKiB: readSize(reader, `${cache}/size`), sharedCpus: shared }]
  })
}

/** The kernel writes `32K`; trees of other origin have `1M`, too. */
function readSize(reader: SysReader, path: string): number | null {
  const [, number, unit] = /^(\d{1,9})([KM])$/.exec(readText(reader, path) ?? '') ?? []
  return number === undefined ? null : Number(number) * (unit === 'M' ? 1024 : 1)
}
