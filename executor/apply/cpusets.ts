/**
 * Cpusets of cgroups that nobody manages. Source: Documentation/admin-guide/cgroup-v2.rst ("Cpuset"), cgroup-v1/cpusets.rst
 *
 * Narrowing `cpuset.mems` of version 2 moves the members' pages and rewrites their policies: `bind:0` becomes `bind:1`, and stays so.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UnsupportedError } from '../../src/errors.js'
import { PARTITION } from '../found/cgroups.js'
import { Files, valueOr } from '../found/files.js'
import { numbersIn } from '../found/processes.js'
import { parseMountinfo } from '../found/procfs.js'
import type { FoundCgroup } from '../found/types.js'
import { common, giveCpus, isWithin, snapshotOf, union } from './threads.js'
import type { Cpuset, CpusetChange } from './types.js'

const files = new Files()

/** Parts of paths that belong to systemd, to libvirt, to programs for containers. */
const OTHERS =
  /^(kubepods|docker|lxc|libpod|crio|podman|garden|machine|system|user|init)(?![a-z\d])|\.(slice|scope|service|mount|libvirt-qemu)$/

/** Whether a cgroup is one that somebody has made by hand, or homenode. */
export function isNobodys(path: string): boolean {
  const parts = path.split('/').filter((part) => part !== '')
  return parts.length > 0 && !parts.some((part) => OTHERS.test(part))
}

/** The cgroup's folder; `null`: it is not to be seen from here. */
function folderOf({ path, version }: Pick<FoundCgroup, 'path' | 'version'>): string | null {
  const mounts = parseMountinfo(files.textOr('', '/proc/self/mountinfo'))
  const mount = mounts.find(({ type, options }) =>
    version === 1 ? type === 'cgroup' && options.includes('cpuset') : type === 'cgroup2',
  )
  if (mount === undefined) return null
  if (mount.root === '/') return join(mount.at, path)
  return path.startsWith(`${mount.root}/`) ? join(mount.at, path.slice(mount.root.length)) : null
}

/** The cgroup's own; `null`: it has none. */
export function cpusetOf(cgroup: Pick<FoundCgroup, 'path' | 'version'>): Cpuset | null {
  const folder = folderOf(cgroup)
  const [cpus, mems] = ['cpuset.cpus', 'cpuset.mems'].map((name) => files.text(join(folder ?? '/nowhere', name)))
  if (cpus === null || mems === null || cpus === 'refused' || mems === 'refused') return null
  return { cpus: cpus!.value.trim(), mems: mems!.value.trim() }
}

/**
 * How a cgroup's cpuset has to change for its threads to have these CPUs and nodes.
 * @param stay cpulist of its other threads, which are to keep what they have of it
 * @param tids all threads of the VM
 * @returns `null`: not at all; or why it cannot be changed
 */
export function planCpuset(
  cgroup: FoundCgroup,
  need: Cpuset,
  stay: string,
  tids: readonly number[],
): CpusetChange | string | null {
  const cpus = cgroup.cpus === null || isWithin(need.cpus, cgroup.cpus)
  const mems = cgroup.mems === null || isWithin(need.mems, cgroup.mems)
  if (cpus && mems) return null
  const { path, version } = cgroup
  const lacks = `the cpuset of ${path} has CPUs ${cgroup.cpus} and nodes ${cgroup.mems}`
  if (PARTITION.test(path)) return `${lacks}, for its vCPUs alone: undo that first`
  if (!isNobodys(path)) return `${lacks}, and who manages that cgroup has to change it`
  const from = cpusetOf(cgroup)
  if (from === null) return `${lacks}, and is that of a cgroup above it`
  const others = membersOf(cgroup).filter((tid) => !tids.includes(tid))
  if (others.length > 0) return `${lacks}, and other processes are in it, too (thread ${others[0]})`
  const above = aboveOf(cgroup)
  if (!isWithin(need.cpus, above.cpus) || !isWithin(need.mems, above.mems)) {
    return `${lacks}, and the cgroup above it CPUs ${above.cpus} and nodes ${above.mems}`
  }
  const kept = common(stay, from.cpus)
  const to = { cpus: cpus ? from.cpus : union(need.cpus, kept), mems: mems ? from.mems : need.mems }
  return { path, version, from, between: betweenOf(from, to), to }
}

/** Both together; an empty one has all that the cgroup above it has. */
export function betweenOf(from: Cpuset, to: Cpuset): Cpuset {
  const both = (a: string, b: string) => (a === '' || b === '' ? '' : union(a, b))
  return { cpus: both(from.cpus, to.cpus), mems: both(from.mems, to.mems) }
}

function membersOf(cgroup: FoundCgroup): number[] {
  const name = cgroup.version === 1 ? 'tasks' : 'cgroup.threads'
  return numbersIn(files.textOr('', join(folderOf(cgroup) ?? '/nowhere', name)).split('\n'))
}

/** What the cgroup above gives. Nothing is known: then nothing is forbidden, and the kernel says. */
function aboveOf(cgroup: FoundCgroup): Cpuset {
  const above = join(folderOf(cgroup) ?? '/nowhere', '..')
  const [cpus, mems] =
    cgroup.version === 1 ? ['effective_cpus', 'effective_mems'] : ['cpus.effective', 'mems.effective']
  const read = (name: string) => valueOr('', files.text(join(above, `cpuset.${name}`))).trim() || '0-65535'
  return { cpus: read(cpus!), mems: read(mems!) }
}

/**
 * Writes a cgroup's cpuset. Kernels before 6.2 give all members the cpuset's CPUs then: threads of `pid` that had fewer get theirs again.
 * @throws {UnsupportedError} with the kernel's word
 */
export function writeCpuset(cgroup: Pick<FoundCgroup, 'path' | 'version'>, cpuset: Cpuset, pid: number): void {
  const folder = folderOf(cgroup)
  const now = cpusetOf(cgroup)
  if (folder === null || now === null) throw new UnsupportedError('cpuset', `there is no cpuset in ${cgroup.path}`)
  const before = snapshotOf(pid)
  for (const [name, value, is] of [
    ['cpuset.cpus', cpuset.cpus, now.cpus],
    ['cpuset.mems', cpuset.mems, now.mems],
  ] as const) {
    if (value === is) continue
    try {
      // Without a line the kernel takes an empty text for nothing at all.
      writeFileSync(join(folder, name), `${value}\n`)
    } catch (error) {
      throw new UnsupportedError('cpuset', `${cgroup.path}: ${name} = ${value}: ${(error as Error).message}`)
    }
  }
  for (const thread of before) {
    if (cpuset.cpus === '' || isWithin(thread.cpus, cpuset.cpus)) giveCpus(pid, thread, thread.cpus)
  }
}
