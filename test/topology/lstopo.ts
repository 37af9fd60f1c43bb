/** What hwloc's lstopo reads from the same source, to compare with. */

import { execFileSync, spawnSync } from 'node:child_process'
import { formatCpulist, parseCpumask } from '../../src/cpulist.js'
import type { Host } from '../../src/types.js'

export const hasLstopo = spawnSync('lstopo', ['--version']).status === 0

interface HwlocObject {
  readonly type: string
  readonly id: number
  readonly cpus: readonly number[]
  readonly memory: number
  readonly cacheLevel: number
}

/** The objects that `lstopo ... --of xml` prints, from the outside to the inside. */
export function lstopo(args: readonly string[]): readonly HwlocObject[] {
  const xml = execFileSync('lstopo', [...args, '--of', 'xml', '--filter', 'all:all', '--no-io'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    // Its x86 component asks the CPU itself, which may show caches that the kernel does not.
    env: { ...process.env, LC_ALL: 'C', HWLOC_COMPONENTS: '-x86' },
  })
  return [...xml.matchAll(/<object type="(\w+)"([^>]*)>/g)].map(([, type, text]) => {
    const attributes = new Map([...text!.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]))
    return {
      type: type!,
      id: Number(attributes.get('os_index') ?? -1),
      cpus: parseCpumask((attributes.get('cpuset') ?? '0').replace(/,(?=,)/g, ',0')),
      memory: Number(attributes.get('local_memory') ?? 0),
      cacheLevel: Number(attributes.get('depth') ?? 0),
    }
  })
}

/** Both sides in the same words: sets of CPUs as cpulists, in order. */
export interface Summary {
  readonly cpus: string
  readonly packages: readonly string[]
  readonly cores: readonly string[]
  readonly llcs: readonly string[]
  readonly nodes: readonly number[]
}

export function summaryOfLstopo(objects: readonly HwlocObject[]): Summary {
  const ofType = (type: RegExp) => objects.filter((object) => type.test(object.type))
  const sets = (found: readonly HwlocObject[]) => found.map(({ cpus }) => formatCpulist(cpus)).sort()
  const pus = ofType(/^PU$/)
  const caches = ofType(/^L\dCache$/)
  const last = Math.max(...caches.map(({ cacheLevel }) => cacheLevel))
  const nodes = ofType(/^NUMANode$/)
  const outermost = caches.filter((cache) => cache.cacheLevel === last)
  return {
    cpus: formatCpulist(pus.map(({ id }) => id)),
    packages: ofType(/^Package$/)
      .map(({ id, cpus }) => `${id}: ${formatCpulist(cpus)}`)
      .sort(),
    cores: sets(ofType(/^Core$/).length > 0 ? ofType(/^Core$/) : pus),
    llcs: [...new Set(sets(outermost.length > 0 ? outermost : innermostNodes(pus, nodes)))],
    nodes: nodes.map(({ id }) => id).sort((a, b) => a - b),
  }
}

/** For each PU the smallest of the nodes that hold it. */
function innermostNodes(pus: readonly HwlocObject[], nodes: readonly HwlocObject[]): readonly HwlocObject[] {
  return pus.map((pu) => {
    const around = nodes.filter(({ cpus }) => cpus.includes(pu.id))
    return around.reduce((least, node) => (node.cpus.length < least.cpus.length ? node : least))
  })
}

export function summaryOfHost({ cpus, nodes }: Host): Summary {
  const online = cpus.filter((cpu) => cpu.online)
  const groups = (key: 'core' | 'llc' | 'package') => {
    const members = new Map<number, number[]>()
    for (const cpu of online) {
      const group = cpu[key]
      if (group !== null) members.set(group, [...(members.get(group) ?? []), cpu.id])
    }
    return [...members].map(([id, ids]): [number, string] => [id, formatCpulist(ids)])
  }
  return {
    cpus: formatCpulist(online.map(({ id }) => id)),
    packages: groups('package')
      .map(([id, list]) => `${id}: ${list}`)
      .sort(),
    cores: groups('core')
      .map(([, list]) => list)
      .sort(),
    llcs: groups('llc')
      .map(([, list]) => list)
      .sort(),
    nodes: nodes.map(({ id }) => id),
  }
}
