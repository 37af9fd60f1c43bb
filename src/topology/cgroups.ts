/**
 * The cgroups that this process is in: of each mounted hierarchy its own group and those above it.
 * Source: cgroups(7), cgroup_namespaces(7), proc_pid_mountinfo(5)
 */

import { readText, type SysReader } from './files.js'

/** A group, as far as its hierarchy is mounted. */
export interface Group {
  /** Below the mount, one character for each byte; `/` for the root of what is mounted. */
  readonly path: string
  /** Where its files are, without a slash before it. */
  readonly directory: string
}

/** A mounted hierarchy that may have the controller that was asked for. */
export interface Hierarchy {
  readonly version: 1 | 2
  /** How it is mounted. */
  readonly options: readonly string[]
  /** That of the process first, then each parent, up to the root of what is mounted. */
  readonly groups: readonly Group[]
}

/** The hierarchies for a controller, that of version 1 first: a controller that version 1 has is not in version 2. */
export type Cgroups = (controller: string) => readonly Hierarchy[]

interface Mount {
  /** What of the hierarchy is mounted, in the same words as the path of a process. */
  readonly root: string
  readonly directory: string
  readonly type: string
  readonly options: readonly string[]
}

export function readCgroups(reader: SysReader): Cgroups {
  const mounts = readMounts(reader)
  const pathOf = readPaths(reader)
  return (controller) => {
    const first = mounts.filter(
      ({ type, options }) => type === controller || (type === 'cgroup' && options.includes(controller)),
    )
    const second = mounts.filter(({ type }) => type === 'cgroup2')
    return [...hierarchyOf(1, first, pathOf(controller)), ...hierarchyOf(2, second, pathOf(''))]
  }
}

/** Where the process is, by controller; that of version 2 has no name. */
function readPaths(reader: SysReader): (controller: string) => string {
  const groups = (readText(reader, 'proc/self/cgroup') ?? '').split('\n').map((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    return { controllers: controllers.split(','), path }
  })
  const fallback = readText(reader, 'proc/self/cpuset') ?? '/'
  return (controller) =>
    groups.find(({ controllers, path }) => controllers.includes(controller) && path !== '')?.path ?? fallback
}

/** Only mountinfo says which part of a hierarchy is mounted; copies of other machines may have no more than mounts. */
function readMounts(reader: SysReader): readonly Mount[] {
  const lines = (path: string) => (readText(reader, path) ?? '').split('\n')
  const detailed = lines('proc/self/mountinfo').map((line) => {
    const [mount = '', system = ''] = line.split(' - ')
    const [, , , root = '', directory = ''] = mount.split(' ')
    const [type = '', , options = ''] = system.split(' ')
    return { root: unescaped(root), directory, type, options }
  })
  const plain = lines('proc/mounts').map((line) => {
    const [, directory = '', type = '', options = ''] = line.split(' ')
    return { root: '/', directory, type, options }
  })
  const found = [detailed, plain].map((mounts) =>
    mounts.filter(({ type, directory }) => /^(cgroup2?|cpuset)$/.test(type) && directory.startsWith('/')),
  )
  return (found.find((mounts) => mounts.length > 0) ?? []).map((mount) => ({
    ...mount,
    directory: unescaped(mount.directory),
    options: mount.options.split(','),
  }))
}

/** If a hierarchy has several mounts: the one that shows most of the way from the process to the top. */
function hierarchyOf(version: 1 | 2, mounts: readonly Mount[], path: string): Hierarchy[] {
  const ranked = mounts
    .map((mount) => ({ mount, below: pathBelow(path, mount.root) }))
    .sort((a, b) => rank(a) - rank(b))
  return ranked.slice(0, 1).map(({ mount: { directory, options }, below = [] }) => ({
    version,
    options,
    groups: Array.from({ length: below.length + 1 }, (_, level) => {
      const parts = below.slice(0, below.length - level)
      return { path: `/${parts.join('/')}`, directory: [directory.replace(/^\/+/, ''), ...parts].join('/') }
    }),
  }))
}

const rank = ({ mount, below }: { readonly mount: Mount; readonly below: readonly string[] | undefined }) =>
  below === undefined ? Number.MAX_SAFE_INTEGER : partsOf(mount.root).length

/**
 * The way from the root of a mount to the process; `undefined` where it is not below it, or by a way that a cgroup
 * namespace hides (`/../other`): then the root is the best that is known of it.
 */
function pathBelow(path: string, root: string): readonly string[] | undefined {
  const [parts, above] = [partsOf(path), partsOf(root)]
  const below = parts.slice(above.length)
  return above.every((part, index) => part === parts[index]) && !below.includes('..') ? below : undefined
}

function partsOf(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '')
}

/** Spaces and the like are octal in the tables of mounts. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
