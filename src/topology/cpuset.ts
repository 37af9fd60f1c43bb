/**
 * The cpuset of the process: on which CPUs and nodes it may be.
 * Source: Documentation/admin-guide/cgroup-v1/cpusets.rst, cgroup-v2.rst; cgroups(7), cpuset(7)
 */

import { readList, readText, type SysReader } from './files.js'

/** `undefined`: not restricted. */
export interface Cpuset {
  readonly cpus: ReadonlySet<number> | undefined
  readonly nodes: ReadonlySet<number> | undefined
}

/** A mounted hierarchy that may have cpusets, with the names that its files have. */
interface Hierarchy {
  readonly mount: string
  /** Of the process, below the mount. */
  readonly path: string
  readonly cpus: readonly string[]
  readonly nodes: readonly string[]
}

export function readCpuset(reader: SysReader): Cpuset {
  const hierarchies = readHierarchies(reader)
  const nearest = (files: (hierarchy: Hierarchy) => readonly string[]) => {
    for (const hierarchy of hierarchies) {
      const ids = readNearest(reader, hierarchy, files(hierarchy))
      if (ids !== undefined) return new Set(ids)
    }
    return undefined
  }
  return { cpus: nearest(({ cpus }) => cpus), nodes: nearest(({ nodes }) => nodes) }
}

/** Version 1 first: where it has the cpuset controller, version 2 does not have it. */
function readHierarchies(reader: SysReader): readonly Hierarchy[] {
  const groups = (readText(reader, 'proc/self/cgroup') ?? '').split('\n').map((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    return { controllers: controllers.split(','), path }
  })
  const fallback = readText(reader, 'proc/self/cpuset') ?? '/'
  const pathWith = (controller: string) =>
    groups.find(({ controllers, path }) => controllers.includes(controller) && path !== '')?.path ?? fallback

  const mounts = (readText(reader, 'proc/mounts') ?? '').split('\n').map((line) => {
    const [, mount = '', type = '', options = ''] = line.split(' ')
    return { mount: unescaped(mount), type, options: options.split(',') }
  })
  const first = mounts
    .filter(({ type, options }) => type === 'cpuset' || (type === 'cgroup' && options.includes('cpuset')))
    .map(({ mount }) => ({
      mount,
      path: pathWith('cpuset'),
      cpus: ['cpuset.effective_cpus', 'effective_cpus', 'cpuset.cpus', 'cpus'],
      nodes: ['cpuset.effective_mems', 'effective_mems', 'cpuset.mems', 'mems'],
    }))
  const second = mounts
    .filter(({ type }) => type === 'cgroup2')
    .map(({ mount }) => ({
      mount,
      path: pathWith(''),
      cpus: ['cpuset.cpus.effective'],
      nodes: ['cpuset.mems.effective'],
    }))
  return [...first, ...second]
}

/**
 * From the group of the process upwards to the mount: a group without the controller has its parent's cpuset, and in a
 * container the path may begin above what is mounted.
 */
function readNearest(reader: SysReader, { mount, path }: Hierarchy, names: readonly string[]): number[] | undefined {
  const parts = path.split('/').filter((part) => part !== '')
  for (let depth = parts.includes('..') ? 0 : parts.length; depth >= 0; depth--) {
    const group = [mount.replace(/^\/+/, ''), ...parts.slice(0, depth)].join('/')
    for (const name of names) {
      const ids = readList(reader, `${group}/${name}`)
      if (ids !== undefined && ids.length > 0) return ids
    }
  }
  return undefined
}

/** Spaces and the like are octal in proc/mounts. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
