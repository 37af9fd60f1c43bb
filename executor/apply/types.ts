/** Changes to running VMs: what is planned, what stands in the way, what came of it. Sizes are bytes, CPUs and nodes cpulists. */

import type { NodeId } from '../../src/types.js'
import type { PartitionState } from '../cpusets/state.js'
import type { DomainState } from './domain-state.js'

/** `kernel`: affinities, `move_pages`, cpusets; `libvirt`: its API, so that virsh and the domain's next start agree. */
export type Way = 'kernel' | 'libvirt'

/** What a thread does for its VM. */
export type ThreadRole = 'vcpu' | 'emulator' | 'iothread'

/** Where a thread may run, now and then. */
export interface ThreadChange {
  /** The kernel's number for it. */
  readonly tid: number
  /** Clock ticks after the system's start: a thread with this number and another start is another. */
  readonly startTime: number
  /** What it does. */
  readonly role: ThreadRole
  /** The vCPU's number, the place among the I/O threads; `null`: the emulator's. */
  readonly number: number | null
  /** cpulist, as the kernel has it. */
  readonly from: string
  /** cpulist. */
  readonly to: string
}

/** Bytes on each node, ascending by node. */
export type BytesByNode = readonly { readonly node: NodeId; readonly bytes: number }[]

/** A range of guest memory, and on which nodes its pages are, now and then. */
export interface MemoryChange {
  /** Address in the process. */
  readonly start: number
  /** Its length. */
  readonly bytes: number
  /** Bytes of a page. */
  readonly pageSize: number
  /** As the kernel writes it. It stays, and decides where pages are from that the guest touches later. */
  readonly policy: string
  /** Who moves it. */
  readonly through: Way
  /** Of the pages that are there. */
  readonly from: BytesByNode
  /** The same bytes. Pages that the guest touches meanwhile go where these are. */
  readonly to: BytesByNode
}

/** A cgroup's own cpuset; an empty text: it has none, and gets that of the cgroup above it. */
export interface Cpuset {
  /** `cpuset.cpus` */
  readonly cpus: string
  /** `cpuset.mems` */
  readonly mems: string
}

/** A cgroup that nobody manages and that forbids what is planned: widened first, narrowed to what is planned at the end. */
export interface CpusetChange {
  /** Below the mount point. */
  readonly path: string
  /** Of the hierarchy. */
  readonly version: 1 | 2
  /** As it is. */
  readonly from: Cpuset
  /** What holds while threads and memory move: `from` and `to` together. */
  readonly between: Cpuset
  /** What holds afterwards. */
  readonly to: Cpuset
}

/** What is changed at one VM in one step. */
export interface ChangeStep {
  /** From 1, ascending. Those with one number are made together: between them nothing has to hold. */
  readonly step: number
  /** Its name, as the plan has it. */
  readonly vm: string
  /** Of its process. */
  readonly pid: number
  /** Who changes its threads. */
  readonly through: Way
  /** Threads that get other CPUs. */
  readonly threads: readonly ThreadChange[]
  /** Ranges whose pages go to other nodes. */
  readonly memory: readonly MemoryChange[]
  /** Only at the VM's first step. */
  readonly cpusets: readonly CpusetChange[]
  /** To be copied. */
  readonly bytes: number
}

/** A thread of a VM that is changed. */
export type KnownThread = Pick<ThreadChange, 'tid' | 'startTime' | 'role' | 'number'>

/** A domain of libvirt that is changed through it. */
export interface ChangedDomain {
  /** Its UUID. */
  readonly uuid: string
  /** Of the daemon; `null`: the system's. */
  readonly uri: string | null
  /** libvirt's numbers of its I/O threads, by their places; `null`: one that is not libvirt's. */
  readonly iothreads: readonly (number | null)[]
  /**
   * cpulists of the nodes that its memory may be on while it moves (`null`: libvirt keeps it to none) and in the end; `null`: no
   * memory moves.
   */
  readonly nodes: { readonly between: string | null; readonly to: string } | null
  /** What is brought back; `null`: nothing is undone. */
  readonly back: DomainState | null
}

/** vCPUs of a VM that have CPUs of their own in the end. */
export interface DedicatedVcpus {
  /** The VM's name. */
  readonly vm: string
  /** Of its process. */
  readonly pid: number
  /** Their threads, and the cpulist of each. */
  readonly threads: readonly { readonly tid: number; readonly cpus: string }[]
}

/** A partition of CPUs for vCPUs of a VM. */
export interface VmPartition {
  /** The VM's name. */
  readonly vm: string
  /** Its cgroup, CPUs and threads. */
  readonly partition: PartitionState
}

/** What became of the CPUs that vCPUs of a VM were to have to themselves, or had. */
export interface AppliedPartition {
  /** The VM's name. */
  readonly vm: string
  /** cpulist. */
  readonly cpus: string
  /** `made`: nobody else runs there any more; `removed`: others may again; `left`: it is as it was, see `why`. */
  readonly state: 'made' | 'removed' | 'left'
  /** Why it could not be made or removed; `null`: it was. */
  readonly why: string | null
}

/** A VM that is changed. */
export interface ChangedVm {
  /** Its name, as the plan has it. */
  readonly vm: string
  /** Of its process. */
  readonly pid: number
  /** Clock ticks after the system's start. */
  readonly startTime: number
  /** What libvirt has to be told; `null`: it is no domain of libvirt. */
  readonly domain: ChangedDomain | null
  /** All that it had when these changes were made up. */
  readonly threads: readonly KnownThread[]
  /** cpulist for threads that it has begun since; `null`: they stay where they are. */
  readonly newcomers: string | null
}

/** Something that stands in the way, known before anything is touched. */
export interface Obstacle {
  /** The VM's name. */
  readonly vm: string
  /** What cannot be had, in a few words. */
  readonly what: string
  /** Why, and what to do, where something can be done. */
  readonly why: string
  /** The VM is left as it is; `false`: its changes are made, and do not reach as far as they should. */
  readonly left: boolean
}

/** What would be done; nothing has been touched. `applyChanges` does it. */
export interface Changes {
  /** What this object is. */
  readonly kind: 'Changes'
  /** Those that have steps. */
  readonly vms: readonly ChangedVm[]
  /** In order. Nothing that is as it should be is among them. */
  readonly steps: readonly ChangeStep[]
  /** In the order of the VMs. */
  readonly obstacles: readonly Obstacle[]
  /** Those that can have their CPUs to themselves, also of VMs without steps. */
  readonly dedicated: readonly DedicatedVcpus[]
  /** Those that are to be removed. */
  readonly partitions: readonly VmPartition[]
  /** To be copied in all. */
  readonly bytes: number
  /** Processes of VMs that would change, run, and are left as they are: an undo file is kept for these. */
  readonly waiting: readonly number[]
  /** The undo file whose state these bring back; `null`: they undo nothing. */
  readonly undoes: string | null
}

/** Where `applyChanges` is. */
export interface ChangeProgress {
  /** `undo-file`: it has been written, and nothing touched yet; `paused`: tasks wait for memory; `read-back`: all has been done that is done. */
  readonly doing: 'undo-file' | 'cpusets' | 'threads' | 'memory' | 'paused' | 'read-back'
  /** The undo file, of this or the one that is undone. */
  readonly undoFile: string
  /** From 1; 0 before the first. */
  readonly step: number
  /** How many there are. */
  readonly steps: number
  /** `null`: it is about all of them. */
  readonly vm: string | null
  /** Copied so far, of all steps. */
  readonly moved: number
  /** Of those that were planned. */
  readonly bytes: number
  /** Seconds that copying has paused, since tasks waited for memory. */
  readonly paused: number
}

/** Memory that stayed where it was. */
export interface Stayed {
  /** How much. */
  readonly bytes: number
  /** Why, as far as the kernel says. */
  readonly why: string
}

/** What became of a step. */
export interface AppliedStep {
  /** Its number. */
  readonly step: number
  /** The VM's name. */
  readonly vm: string
  /** `done`: all of it was tried; `left`: it ended early, see `why`; `skipped`: it was not begun; `gone`: the VM has ended. */
  readonly state: 'done' | 'left' | 'skipped' | 'gone'
  /** Why not all of it was done; `null`: it was. */
  readonly why: string | null
  /** Threads that were given other CPUs. */
  readonly threads: number
  /** Bytes that were copied. */
  readonly moved: number
  /** Memory that did not go. */
  readonly stayed: readonly Stayed[]
}

/** Something that is not as it should be, read from the kernel. */
export interface Difference {
  /** The VM's name. */
  readonly vm: string
  /** What it is about, such as `vCPU 0 (thread 4711)` or `memory of node 0`. */
  readonly what: string
  /** As it should be. */
  readonly wanted: string
  /** As it is. */
  readonly found: string
}

/** What was done, and what is so now. */
export interface Applied {
  /** What this object is. */
  readonly kind: 'Applied'
  /** Takes all of it back: it was written before anything was touched. `null`: there was nothing to do. */
  readonly undoFile: string | null
  /** In order. */
  readonly steps: readonly AppliedStep[]
  /** Those that were known before. */
  readonly obstacles: readonly Obstacle[]
  /** Of CPUs that vCPUs were to have to themselves. */
  readonly partitions: readonly AppliedPartition[]
  /** Read from the kernel at the end: none, if everything is as planned. */
  readonly differences: readonly Difference[]
  /** The signal ended it before everything was tried. */
  readonly stopped: boolean
  /** Copied in all. */
  readonly moved: number
}

/** Where undo files and the lock are, and through whom domains are changed. */
export interface StateOptions {
  /** Folder of undo files and lock. Without it `/var/lib/homenode` for root, else `$XDG_STATE_HOME/homenode` or `~/.local/state/homenode`. */
  readonly state?: string
  /** A libvirt URI such as `qemu:///system`. Without it the system's. */
  readonly connect?: string
}

/** How much memory pressure there may be. */
export interface PressureLimit {
  /** Share of the last 10 s, 0 to 1, in which some task waited for memory (PSI `some`). */
  readonly most: number
  /** Where that is said, such as `memory.pressure` of a cgroup. Without it, of the host: `/proc/pressure/memory`. */
  readonly file?: string
}

/** How `applyChanges` works. */
export interface ApplyOptions extends StateOptions {
  /** At most so many bytes are copied a second. */
  readonly rate?: number
  /** Pauses copying between two batches of a few MiB while tasks wait for memory, up to a minute in all. Without it, it does not. */
  readonly pressure?: PressureLimit
  /** Ends it between two batches of a few MiB; what was done stays, and the undo file. */
  readonly signal?: AbortSignal
  /** Changes the domains' persistent configuration, too (libvirt). */
  readonly config?: boolean
  /** Puts the CPUs of dedicated vCPUs into a partition of their own (cgroup v2). */
  readonly exclusive?: boolean
  /** Called at each event, from this thread. */
  readonly onProgress?: (progress: ChangeProgress) => void
}
