/**
 * Memory traffic by L3 cache, where resctrl is mounted and the CPUs count it.
 * Source: Documentation/filesystems/resctrl.rst (Documentation/arch/x86/resctrl.rst): a group's figures contain those of its
 * monitoring groups, those of the default group do not contain other control groups'
 */

import { type Files, valueOr } from '../found/files.js'
import { parseMountinfo } from '../found/procfs.js'
import type { KeptFile, KeptFiles } from './kept-files.js'
import type { NodeReading } from './types.js'

const NOT_GROUPS = ['info', 'mon_data', 'mon_groups']

interface Domain {
  readonly all: readonly KeptFile[]
  readonly local: readonly KeptFile[]
}

/** The files of each node's caches, kept open. */
export class ResctrlMeter {
  readonly #byNode: ReadonlyMap<number, readonly Domain[]>

  constructor(files: Files, kept: KeptFiles, nodes: readonly Pick<NodeReading, 'node' | 'cpus'>[]) {
    this.#byNode = domainsByNode(files, kept, nodes)
  }

  /** `null` where it is not counted, or a cache is shared with another node's CPUs. */
  read(node: number): NodeReading['traffic'] {
    const domains = this.#byNode.get(node)
    if (domains === undefined) return null
    const all = sumOf(domains.flatMap((domain) => domain.all))
    return all === null ? null : { all, local: sumOf(domains.flatMap(({ local }) => local)) }
  }

  close(): void {
    for (const { all, local } of [...this.#byNode.values()].flat()) for (const file of [...all, ...local]) file.close()
  }
}

/** Where a counter is out of reach the kernel writes `Unavailable`. */
function sumOf(files: readonly KeptFile[]): number | null {
  const values = files.map((file) => Number.parseInt(file.text() ?? '', 10))
  return values.length > 0 && values.every((value) => value >= 0) ? values.reduce((sum, value) => sum + value) : null
}

function domainsByNode(
  files: Files,
  kept: KeptFiles,
  nodes: readonly Pick<NodeReading, 'node' | 'cpus'>[],
): Map<number, readonly Domain[]> {
  const mount = parseMountinfo(files.textOr('', '/proc/self/mountinfo')).find(({ type }) => type === 'resctrl')
  if (mount === undefined) return new Map()
  const names = valueOr([], files.list(`${mount.at}/mon_data`))
  const groups = valueOr([], files.list(mount.at)).filter((name) => !NOT_GROUPS.includes(name))
  const controlled = groups.filter((name) => valueOr([], files.list(`${mount.at}/${name}/mon_data`)).length > 0)
  const places = [mount.at, ...controlled.map((name) => `${mount.at}/${name}`)]
  const counters = (domain: string, counter: string) =>
    places.map((place) => kept.file(`${place}/mon_data/${domain}/${counter}`))
  const cachesOf = ({ cpus }: Pick<NodeReading, 'cpus'>) => new Set(cpus.flatMap((cpu) => cacheOf(files, cpu) ?? []))
  const caches = nodes.map(cachesOf)
  return new Map(
    nodes.flatMap(({ node }, at): [number, readonly Domain[]][] => {
      const own = [...caches[at]!]
      const isShared = own.some((cache) => caches.some((other, which) => which !== at && other.has(cache)))
      const domains = own.map((cache) => names.find((name) => Number(/^mon_L3_(\d+)$/.exec(name)?.[1]) === cache))
      if (own.length === 0 || isShared || domains.includes(undefined)) return []
      return [
        [
          node,
          domains.map((name) => ({
            all: counters(name!, 'mbm_total_bytes'),
            local: counters(name!, 'mbm_local_bytes'),
          })),
        ],
      ]
    }),
  )
}

/** The number of the CPU's L3 cache, as resctrl has it. */
function cacheOf(files: Files, cpu: number): number | null {
  const dir = `/sys/devices/system/cpu/cpu${cpu}/cache`
  for (const index of valueOr([], files.list(dir))) {
    if (files.textOr('', `${dir}/${index}/level`).trim() !== '3') continue
    const id = files.textOr('', `${dir}/${index}/id`).trim()
    if (/^\d{1,9}$/.test(id)) return Number(id)
  }
  return null
}
