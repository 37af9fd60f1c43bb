/** The threads of a VM's process: which CPUs they may run on, and which of them run vCPUs. */

import type { Files } from './files.js'
import { valueOr } from './files.js'
import { printable } from './printable.js'
import { numbersIn, type VmProcess, vmDescriptors } from './processes.js'
import { type Mount, parseStat, parseStatus } from './procfs.js'
import type { FactSource, FoundThread } from './types.js'
import { vcpuByName } from './vmms.js'

/** Who says which thread runs which vCPU. */
export interface VcpuThread {
  readonly vcpu: number
  readonly tid: number
  readonly source: FactSource
}

/** USER_HZ is 100 on x86-64 and arm64, whatever the kernel's own timer does. */
const TICKS_PER_SECOND = 100

/** Threads that are gone are left out. `cgroup` is still to be found. */
export function readThreads(files: Files, { pid, tids }: VmProcess): Omit<FoundThread, 'cgroup'>[] {
  const uptime = Number.parseFloat(files.textOr('', '/proc/uptime')) * TICKS_PER_SECOND
  return tids.flatMap((tid) => {
    const stat = parseStat(files.textOr('', `/proc/${pid}/task/${tid}/stat`))
    const status = parseStatus(files.textOr('', `/proc/${pid}/task/${tid}/status`))
    if (stat === null || status === null) return []
    const lived = uptime - stat.startTime
    const load = lived > 0 ? Math.min(1, Math.round((1000 * stat.ranTicks) / lived) / 1000) : 0
    return [{ tid, name: printable(stat.name), cpus: status.cpus, lastCpu: stat.lastCpu, load }]
  })
}

/**
 * KVM's own word: the file of each vCPU has the thread that ran it last. The files' numbers are those of the vCPUs' interrupt controllers,
 * which may have gaps: in their order they are the VM's vCPUs.
 * @returns `refused` where this process may not look; `null` where debugfs is not mounted, or some vCPU has not run yet
 * Source: virt/kvm/kvm_main.c (kvm_create_vm_debugfs, vcpu_get_pid); since Linux 5.19
 */
export function vcpusByDebugfs(files: Files, vm: VmProcess, mounts: readonly Mount[]): VcpuThread[] | 'refused' | null {
  const debugfs = mounts.find(({ type }) => type === 'debugfs')
  const fds = vmDescriptors(vm)
  // If one process has several VMs, it is not known which one is meant.
  if (debugfs === undefined || fds.length > 1) return null
  const listed = files.list(`${debugfs.at}/kvm`)
  if (listed === 'refused' || vm.descriptors === null) return 'refused'
  // The number in front is of the thread that created the VM.
  const directory = valueOr([], listed).find((name) => {
    const [, tid, fd] = /^(\d+)-(\d+)$/.exec(name) ?? []
    return vm.tids.includes(Number(tid)) && fds.includes(Number(fd))
  })
  if (directory === undefined) return null
  const names = valueOr([], files.list(`${debugfs.at}/kvm/${directory}`))
  const ids = numbersIn(names.flatMap((name) => /^vcpu(\d+)$/.exec(name)?.[1] ?? []))
  const found = ids.map((id, vcpu): VcpuThread => {
    const tid = Number.parseInt(files.textOr('', `${debugfs.at}/kvm/${directory}/vcpu${id}/pid`), 10)
    return { vcpu, tid, source: 'debugfs' }
  })
  return found.length > 0 && found.every(({ tid }) => vm.tids.includes(tid)) ? found : null
}

/** By the names that the VMM gives its threads. */
export function vcpusByName({ vmm }: VmProcess, threads: readonly Pick<FoundThread, 'tid' | 'name'>[]): VcpuThread[] {
  return threads.flatMap(({ tid, name }) => {
    const vcpu = vcpuByName(vmm.value, name)
    return vcpu === null ? [] : [{ vcpu, tid, source: 'thread-name' as const }]
  })
}

/** libvirt puts each vCPU into a cgroup of its number. */
export function vcpusByCgroup(paths: ReadonlyMap<number, string>): VcpuThread[] {
  return [...paths].flatMap(([tid, path]) => {
    const vcpu = /\/vcpu(\d{1,4})$/.exec(path)?.[1]
    return vcpu === undefined ? [] : [{ vcpu: Number(vcpu), tid, source: 'cgroup-name' as const }]
  })
}

/** The threads by vCPU, if each of the `count` vCPUs is there once, with an existing thread of its own. Else `null`: nothing is believed. */
export function complete(
  found: readonly VcpuThread[] | 'refused' | null,
  count: number | null,
  tids: readonly number[],
): VcpuThread[] | null {
  if (found === null || found === 'refused' || found.length === 0) return null
  if (count !== null && found.length !== count) return null
  const distinct = new Set(found.map(({ vcpu }) => vcpu)).size === found.length
  const own = new Set(found.map(({ tid }) => tid)).size === found.length
  if (!distinct || !own || !found.every(({ tid }) => tids.includes(tid))) return null
  return [...found].sort((a, b) => a.vcpu - b.vcpu)
}
