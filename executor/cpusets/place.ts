/**
 * Where a partition for threads of a process can be: a threaded cgroup below the one that the process is in, which has to be the root or
 * a partition itself. Cgroups of systemd, libvirt and others are left alone.
 * Source: Documentation/admin-guide/cgroup-v2.rst, "Threads", "Cpuset"
 */

import { accessSync, constants } from 'node:fs'
import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { PARTITION } from '../found/cgroups.js'
import { type Files, valueOr } from '../found/files.js'
import { type Mount, parseCgroup, parseMountinfo } from '../found/procfs.js'

export interface Place {
  /** The cgroup of the process. */
  readonly parent: string
  /** Whether its children get no cpusets yet. */
  readonly enables: boolean
}

export interface WhyNot {
  readonly why: string
}

/** Also of a thread that is not the main one. */
export function placeFor(files: Files, pid: number, tids: readonly number[], cpus: readonly number[]): Place | WhyNot {
  const found = parentOf(files, pid, tids)
  if ('why' in found) return found
  const { parent, path } = found
  const read = (name: string) => files.textOr('', `${parent}/${name}`).trim()
  if (!read('cgroup.controllers').split(' ').includes('cpuset')) {
    return { why: `cgroup ${path} has no cpuset controller` }
  }
  const kind = path === '/' ? 'root' : read('cpuset.cpus.partition')
  if (!/^(root|isolated)$/.test(kind)) {
    const is = kind === '' ? 'no partition' : `"${kind}"`
    return { why: `a partition can only be below a partition, and cgroup ${path}, which the process is in, is ${is}` }
  }
  const own = parseCpulist(read('cpuset.cpus.effective'), { allowEmpty: true })
  const outside = cpus.filter((cpu) => !own.includes(cpu))
  if (outside.length > 0) {
    return { why: `CPU ${formatCpulist(outside)} is not free for it: cgroup ${path} has CPUs ${formatCpulist(own)}` }
  }
  if (cpus.length === own.length) return { why: `no CPU would be left for all else in cgroup ${path}` }
  const rival = rivalOf(files, parent, cpus)
  if (rival !== null) return { why: rival }
  if (!isWritable(files.at(parent))) return { why: `cgroup ${path} may not be changed: it takes root` }
  return { parent, enables: !read('cgroup.subtree_control').split(' ').includes('cpuset') }
}

/** The partition that threads of a process have been given, if it holds: its CPUs, as a list; `null`: none, or not all of them. */
export function partitionAround(files: Files, pid: number, tids: readonly number[]): string | null {
  const mount = mountOf(files)
  const [path, ...others] = new Set(tids.map((tid) => pathIn(files, `${pid}/task/${tid}`)))
  if ('why' in mount || path === undefined || others.length > 0 || !PARTITION.test(path)) return null
  const found = directoryOf(files, mount, path)
  if ('why' in found) return null
  const read = (name: string) => files.textOr('', `${found.parent}/${name}`).trim()
  return /^(root|isolated)$/.test(read('cpuset.cpus.partition')) ? read('cpuset.cpus') : null
}

function mountOf(files: Files): Mount | WhyNot {
  const mounts = parseMountinfo(files.textOr('', '/proc/self/mountinfo'))
  if (mounts.some(({ type, options }) => type === 'cgroup' && options.includes('cpuset'))) {
    return { why: 'the cpusets of this system are those of cgroup v1, which has no partitions' }
  }
  return mounts.find(({ type }) => type === 'cgroup2') ?? { why: 'cgroup v2 is not mounted' }
}

/** The cgroup of a process, or of a thread as `PID/task/TID`. */
function pathIn(files: Files, of: string): string | undefined {
  const lines = parseCgroup(files.textOr('', `/proc/${of}/cgroup`))
  return lines.find(({ controllers }) => controllers.length === 0)?.path
}

function parentOf(
  files: Files,
  pid: number,
  tids: readonly number[],
): { readonly parent: string; readonly path: string } | WhyNot {
  const mount = mountOf(files)
  if ('why' in mount) return mount
  const path = pathIn(files, `${pid}`)
  if (path === undefined) return { why: `process ${pid} is gone` }
  const owner = ownerOf(path)
  if (owner !== null) return { why: `cgroup ${path} is ${owner}'s, and is left alone` }
  const apart = tids.map((tid) => pathIn(files, `${pid}/task/${tid}`)).find((own) => own !== undefined && own !== path)
  if (apart !== undefined) return { why: `its threads are in cgroups of their own (${apart}), which are left alone` }
  return directoryOf(files, mount, path)
}

function directoryOf(files: Files, mount: Mount, path: string): { parent: string; path: string } | WhyNot {
  const isBelow = !path.split('/').includes('..') && (mount.root === '/' || `${path}/`.startsWith(`${mount.root}/`))
  if (!isBelow) return { why: `cgroup ${path} is outside of what is mounted at ${mount.at}` }
  const below = mount.root === '/' ? path : path.slice(mount.root.length)
  const parent = `${mount.at}${below === '/' ? '' : below}`
  // The root of the hierarchy has no type. What a namespace shows as its root has one, and is the container's.
  const isRoot = files.text(`${parent}/cgroup.type`) === null
  if (path === '/' && !isRoot) return { why: "this is a container: its cgroups are the runtime's, and are left alone" }
  return { parent, path }
}

/** Whose cgroup it is, by the names that they give; `null`: nobody's that is known. */
function ownerOf(path: string): string | null {
  const parts = path.split('/')
  if (/\.libvirt-(qemu|lxc)(\/|$)|\/machine-qemu/.test(path)) return 'libvirt'
  if (/\/kubepods/.test(path)) return 'kubernetes'
  if (/^(docker|lxc|lxc\.payload.*|libpod.*|crio.*)$/.test(parts[1] ?? '')) return "a container's runtime"
  return parts.some((part) => /\.(slice|scope|service)$/.test(part)) ? 'systemd' : null
}

/** A cgroup beside it that names one of the CPUs: that makes any partition invalid. One that a process of ours left behind does not count. */
function rivalOf(files: Files, parent: string, cpus: readonly number[]): string | null {
  for (const name of valueOr([], files.list(parent))) {
    const list = files.textOr('', `${parent}/${name}/cpuset.cpus`).trim()
    if (list === '' || isLeftBehind(files, parent, name)) continue
    const shared = parseCpulist(list).filter((cpu) => cpus.includes(cpu))
    if (shared.length > 0) return `CPU ${formatCpulist(shared)} is in the cpuset of cgroup ${parent}/${name}, too`
  }
  return null
}

/** Whether it is of a process that has ended without undoing it. */
export function isLeftBehind(files: Files, parent: string, name: string): boolean {
  const pid = PARTITION.exec(name)?.[1]
  if (pid === undefined || files.list(`/proc/${pid}/task`) !== null) return false
  return /^populated 0$/m.test(files.textOr('', `${parent}/${name}/cgroup.events`))
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK)
    return true
  } catch {
    return false
  }
}
