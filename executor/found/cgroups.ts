/** The cgroups of a VM's threads: where they are, what their cpusets give, and who made them. */

import { type Files, valueOr } from './files.js'
import { printable } from './printable.js'
import type { VmProcess } from './processes.js'
import { type Mount, parseCgroup } from './procfs.js'
import type { Fact, FoundCgroup, FoundManager } from './types.js'

export interface Cgroups {
  /** The first is that of the main thread. */
  readonly cgroups: readonly FoundCgroup[]
  /** By thread: its place among them. */
  readonly ofThread: ReadonlyMap<number, number>
  /** By thread. */
  readonly paths: ReadonlyMap<number, string>
}

/** Of two hierarchies the one with the cpuset counts. */
export function readCgroups(files: Files, { pid, tids }: VmProcess, mounts: readonly Mount[]): Cgroups {
  const v1 = mounts.find(({ type, options }) => type === 'cgroup' && options.includes('cpuset'))
  const v2 = mounts.find(({ type }) => type === 'cgroup2')
  const paths = new Map<number, string>()
  for (const tid of tids) {
    const lines = parseCgroup(files.textOr('', `/proc/${pid}/task/${tid}/cgroup`))
    const line = lines.find(({ controllers }) => (v1 ? controllers.includes('cpuset') : controllers.length === 0))
    if (line !== undefined) paths.set(tid, line.path)
  }
  // The main thread's number is the process's.
  const main = paths.get(pid)
  const distinct = [...new Set([...(main === undefined ? [] : [main]), ...paths.values()])]
  const mount = v1 ?? v2
  const cgroups = distinct.map((path): FoundCgroup => {
    const threads = [...paths.values()].filter((own) => own === path).length
    const cpuset = mount === undefined ? { cpus: null, mems: null } : readCpuset(files, mount, path, v1 !== undefined)
    return { path: printable(path), version: v1 === undefined ? 2 : 1, threads, ...cpuset }
  })
  const ofThread = new Map([...paths].map(([tid, path]) => [tid, distinct.indexOf(path)]))
  return { cgroups, ofThread, paths }
}

/** A thread whose cgroup has no cpuset of its own has that of the nearest one above that has. */
function readCpuset(files: Files, mount: Mount, path: string, isV1: boolean): Pick<FoundCgroup, 'cpus' | 'mems'> {
  // The path may be outside of what is mounted here, as in a container.
  if (mount.root !== '/' && !path.startsWith(mount.root)) return { cpus: null, mems: null }
  const below = mount.root === '/' ? path : path.slice(mount.root.length)
  const [cpuset, memset] = isV1
    ? ['cpuset.effective_cpus', 'cpuset.effective_mems']
    : ['cpuset.cpus.effective', 'cpuset.mems.effective']
  const parts = below.split('/').filter((part) => part !== '' && part !== '..')
  for (let depth = parts.length; depth >= 0; depth--) {
    const directory = [mount.at, ...parts.slice(0, depth)].join('/')
    const cpus = files.text(`${directory}/${cpuset}`)
    if (cpus === null) continue
    const mems = valueOr('', files.text(`${directory}/${memset}`))
    return { cpus: listOrNull(valueOr('', cpus)), mems: listOrNull(mems) }
  }
  return { cpus: null, mems: null }
}

function listOrNull(text: string): string | null {
  const list = text.trim()
  return /^[\d,-]+$/.test(list) ? list : null
}

/** The name of a cgroup in which homenode gives vCPUs their CPUs alone: the process, and the first of the threads. */
export const PARTITION = /(?:^|\/)homenode-(\d{1,10})-\d{1,10}$/

/**
 * Who made the cgroup, by the names that each gives.
 * Source: libvirt's src/util/vircgroup.c, systemd's machine.slice; the kubelet's kubepods; qemu-server of Proxmox VE
 */
export function managerOf(path: string): Fact<FoundManager> | null {
  const by = (name: FoundManager['name'], id: string): Fact<FoundManager> => ({
    value: { name, id: printable(id) },
    source: 'cgroup-name',
  })
  const domain = /\/(?:machine-)?qemu(?:-|\\x2d)(\d+)(?:-|\\x2d)([^/]+?)(?:\.scope|\.libvirt-qemu)(?:\/|$)/.exec(path)
  if (domain !== null) return by('libvirt', domain[2]!.replaceAll('\\x2d', '-'))
  const pod = /\/(kubepods[^/]*\/.*)$/.exec(path)
  if (pod !== null) return by('kubernetes', pod[1]!)
  const proxmox = /\/qemu\.slice\/(\d+)\.scope/.exec(path)
  if (proxmox !== null) return by('proxmox', proxmox[1]!)
  // A user's own systemd is no unit of the VM.
  const units = path.split('/').filter((part) => part.endsWith('.service') && !part.startsWith('user@'))
  const unit = units.at(-1)
  return unit === undefined ? null : by('systemd', unit)
}
