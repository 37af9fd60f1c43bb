/**
 * What KVM counts of VMs that others run, in two places: the binary statistics of each vCPU, where its process has them
 * open (QEMU since 8.1), else debugfs, which has the sums over all vCPUs. Both for root alone. No file of them is kept
 * open: KVM keeps the VM as long as one of its files is.
 * Source: https://docs.kernel.org/virt/kvm/api.html, KVM_GET_STATS_FD; virt/kvm/kvm_main.c (kvm_create_vm_debugfs)
 */

import { type Files, valueOr } from '../found/files.js'
import { numbersIn } from '../found/processes.js'
import type { Mount } from '../found/procfs.js'
import type { KvmCounters } from './types.js'

/** How exits are counted by reason: KVM's names on x86-64 and on arm64, and ours. */
export const EXIT_REASONS: Readonly<Record<string, string>> = {
  halt_exits: 'halt',
  irq_exits: 'interrupt',
  irq_window_exits: 'interrupt window',
  nmi_window_exits: 'NMI window',
  request_irq_exits: 'interrupt request',
  io_exits: 'port',
  mmio_exits: 'device',
  signal_exits: 'signal',
  pf_taken: 'page fault',
  hypercalls: 'hypercall',
  invlpg: 'invlpg',
  wfi_exit_stat: 'wait for interrupt',
  wfe_exit_stat: 'wait for event',
  hvc_exit_stat: 'hypercall (hvc)',
  mmio_exit_user: 'device',
  mmio_exit_kernel: 'device in the kernel',
}

/** Time that a halted vCPU polled for its next interrupt rather than sleep, in nanoseconds: with success, and in vain. */
export const HALT_POLLING = ['halt_poll_success_ns', 'halt_poll_fail_ns'] as const

const WANTED: readonly string[] = ['exits', ...Object.keys(EXIT_REASONS), ...HALT_POLLING]

/** Counters of a VM. */
export interface KvmRead {
  /** All vCPUs together. */
  readonly sum: KvmCounters
  /** By vCPU; empty where only sums are known. */
  readonly byVcpu: ReadonlyMap<number, KvmCounters>
}

/** Reads the counters of a VM. */
export interface KvmSource {
  /** `null` where they are not there any more. */
  read(): KvmRead | null
  close(): void
}

/** Whom the files are of. */
export interface KvmProcess {
  readonly pid: number
  readonly tids: readonly number[]
}

const VCPU_STATISTICS = /^anon_inode:(?:\[?)kvm-vcpu-stats:(\d+)\]?$/

/** `refused`: this process may not look. `null`: nothing counts. */
export async function kvmSourceOf(
  files: Files,
  process: KvmProcess,
  mounts: readonly Mount[],
): Promise<KvmSource | 'refused' | null> {
  const listed = files.list(`/proc/${process.pid}/fd`)
  if (listed === 'refused') return 'refused'
  const links = numbersIn(valueOr([], listed)).map((fd) => ({
    fd,
    link: valueOr('', files.link(`/proc/${process.pid}/fd/${fd}`)),
  }))
  const statistics = links.flatMap(({ fd, link }) => {
    const id = VCPU_STATISTICS.exec(link)?.[1]
    return id === undefined ? [] : [{ fd, id: Number(id) }]
  })
  if (statistics.length > 0) {
    // With the C library, which nothing else here needs.
    const { openStatistics } = await import('./kvm-statistics.js')
    const numbered = statistics.sort((a, b) => a.id - b.id).map(({ fd }, vcpu) => ({ vcpu, fd }))
    const source = openStatistics(process.pid, numbered, WANTED)
    if (source !== null) return source
  }
  const vms = links.filter(({ link }) => link === 'anon_inode:kvm-vm').map(({ fd }) => fd)
  return inDebugfs(files, process, vms, mounts)
}

/** A file for each counter, below a folder that is called by the thread that made the VM and its descriptor. */
function inDebugfs(
  files: Files,
  { tids }: KvmProcess,
  vms: readonly number[],
  mounts: readonly Mount[],
): KvmSource | 'refused' | null {
  const debugfs = mounts.find(({ type }) => type === 'debugfs')
  // If one process has several VMs, it is not known which one is meant.
  if (debugfs === undefined || vms.length !== 1) return null
  const listed = files.list(`${debugfs.at}/kvm`)
  if (listed === 'refused') return 'refused'
  const folder = valueOr([], listed).find((name) => {
    const [, tid, fd] = /^(\d+)-(\d+)$/.exec(name) ?? []
    return tids.includes(Number(tid)) && Number(fd) === vms[0]
  })
  if (folder === undefined) return null
  const there = new Set(valueOr([], files.list(`${debugfs.at}/kvm/${folder}`)))
  const names = WANTED.filter((name) => there.has(name))
  // A kernel that is locked down shows them, and lets nobody read them.
  if (names.some((name) => files.text(`${debugfs.at}/kvm/${folder}/${name}`) === 'refused')) return 'refused'
  const read = (): KvmRead | null => {
    const counters: [string, number][] = []
    for (const name of names) {
      const value = Number.parseInt(files.textOr('', `${debugfs.at}/kvm/${folder}/${name}`), 10)
      if (!(value >= 0)) return null
      counters.push([name, value])
    }
    return { sum: Object.fromEntries(counters), byVcpu: new Map() }
  }
  return { read, close: () => {} }
}
