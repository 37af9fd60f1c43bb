/** VMs that others started, as they are found. Each fact says where it comes from. Sizes are bytes. */

/**
 * Where a fact comes from.
 * `kernel`: procfs, sysfs, and what descriptors are open; `debugfs`: KVM's own; `qmp`: QEMU's answer; `libvirt`: its domain;
 * `arguments`: the command line of the process; `thread-name`, `program-name`, `cgroup-name`: the name that somebody gave to
 * the thread, the program or the cgroup; `size`: a mapping that has the size that guest memory has to have; `largest`: the
 * largest mappings, of which nothing else is known.
 */
export type FactSource =
  | 'kernel'
  | 'debugfs'
  | 'qmp'
  | 'libvirt'
  | 'arguments'
  | 'thread-name'
  | 'program-name'
  | 'cgroup-name'
  | 'size'
  | 'largest'

/** A value and where it comes from. */
export interface Fact<Value> {
  /** What is said. */
  readonly value: Value
  /** Who says so. */
  readonly source: FactSource
}

/** What runs a guest; `other`: a process that has a VM, of a kind that is not known here. */
export type Vmm = 'qemu' | 'cloud-hypervisor' | 'firecracker' | 'crosvm' | 'kvmtool' | 'other'

/** A thread of the process. */
export interface FoundThread {
  /** The kernel's number for it. */
  readonly tid: number
  /** As the kernel has it, at most 15 characters; control characters are `?`. */
  readonly name: string
  /** cpulist that it may run on: its affinity, within its cpuset. From the kernel. */
  readonly cpus: string
  /** The CPU that it ran on last. From the kernel. */
  readonly lastCpu: number
  /** Share of the time since it began that it ran, 0 to 1. From the kernel. */
  readonly load: number
  /** Its cgroup among `cgroups`, by number; `null` where it is not known. */
  readonly cgroup: number | null
}

/** A thread that runs a vCPU. */
export interface FoundVcpu extends FoundThread {
  /** Its number in its VM. */
  readonly vcpu: number
  /** Who says that this thread runs it. */
  readonly source: FactSource
}

/** A thread of QEMU that does I/O for the guest, and has a name. */
export interface FoundIoThread extends FoundThread {
  /** QEMU's name for it. */
  readonly id: string
  /** Who says so. */
  readonly source: FactSource
}

/** A range of the process that is guest memory. All but `source`, `backend` and `cell` is from the kernel. */
export interface FoundMapping {
  /** Address in the process. */
  readonly start: number
  /** Its length. */
  readonly bytes: number
  /** As the kernel writes it: `default`, `bind:1`, `interleave:0-1`. */
  readonly policy: string
  /** Bytes of a page. Base pages that are joined to huge ones count as base pages. */
  readonly pageSize: number
  /** Bytes on each node, ascending by node; what nobody has touched is on none. */
  readonly resident: readonly { readonly node: number; readonly bytes: number }[]
  /** The file that it is; `null`: none. */
  readonly file: string | null
  /** Others who map the same file see it. */
  readonly shared: boolean
  /** QEMU's name for it; `null` where it is not known. */
  readonly backend: string | null
  /** The guest's node that has it; `null`: the guest has no nodes, or it is not known. */
  readonly cell: number | null
  /** Who says that it is guest memory (and of `backend` and `cell`). */
  readonly source: FactSource
}

/** A NUMA node of the guest. */
export interface FoundCell {
  /** The guest's number for it. */
  readonly cell: number
  /** Ascending. */
  readonly vcpus: readonly number[]
  /** Bytes. */
  readonly memory: number
}

/** A cgroup that threads of the VM are in, with the cpuset that holds there. */
export interface FoundCgroup {
  /** Below the mount point. */
  readonly path: string
  /** Of the hierarchy that has the cpusets. */
  readonly version: 1 | 2
  /** cpulist that the cpuset gives its members; `null` where the hierarchy has no cpuset, or it may not be read. */
  readonly cpus: string | null
  /** Nodes that it gives them, as a cpulist; `null` likewise. */
  readonly mems: string | null
  /** How many of the VM's threads are in it. */
  readonly threads: number
}

/** Who manages the VM: changes have to go through them, or they undo or never learn of them. */
export interface FoundManager {
  /** What manages it. */
  readonly name: 'libvirt' | 'kubernetes' | 'proxmox' | 'systemd'
  /** Its name for the VM: the domain's UUID, the pod's cgroup, the number, the unit. */
  readonly id: string
}

/** A value of the `<metadata>` of a libvirt domain. */
export interface FoundMetadata {
  /** URI of its element; empty where it has none. */
  readonly namespace: string
  /** Names of the elements around it, without their prefixes, and its attribute: `instance/owner/project`, `instance/flavor@name`. */
  readonly path: string
  /** Text without white space around it, at most 255 characters; never empty. */
  readonly value: string
}

/** Something that is not known. */
export interface Missing {
  /** What. */
  readonly what: string
  /** Why, and what to do. */
  readonly why: string
  /** As whom to run to know it; `null` where that would not help. */
  readonly runAs: string | null
}

/** A running VM. */
export interface FoundVm {
  /** 1 to 255 printable characters. Others may have the same. */
  readonly name: Fact<string>
  /** The program that runs it. */
  readonly vmm: Fact<Vmm>
  /** What executes the guest: KVM, or QEMU's own emulation; `null` where it is not known. */
  readonly accelerator: Fact<'kvm' | 'tcg'> | null
  /** Of the process. */
  readonly pid: number
  /** Clock ticks after the system's start: a process with this pid and another start is another. */
  readonly startTime: number
  /** The user that it runs as. */
  readonly uid: number
  /** How many vCPUs it has; `null` where nobody says. */
  readonly vcpuCount: Fact<number> | null
  /** Those whose threads are known, ascending. Empty, or as many as `vcpuCount`. */
  readonly vcpus: readonly FoundVcpu[]
  /** Those that are known. */
  readonly iothreads: readonly FoundIoThread[]
  /** All other threads where the vCPUs' are known: the emulator. */
  readonly emulator: readonly FoundThread[]
  /** Threads of which it is not known what they do; none where the vCPUs' are known. */
  readonly unknownThreads: readonly FoundThread[]
  /** Bytes that the guest has; `null` where nobody says. */
  readonly memory: Fact<number> | null
  /** Ascending by address. Empty where it is not known. */
  readonly mappings: readonly FoundMapping[]
  /** The guest's nodes, none where it has no NUMA; `null` where it is not known. */
  readonly cells: Fact<readonly FoundCell[]> | null
  /** The first is that of the main thread. */
  readonly cgroups: readonly FoundCgroup[]
  /** `null`: nobody is known to. */
  readonly manager: Fact<FoundManager> | null
  /** Of its domain, in the order of the XML; empty where libvirt says nothing. */
  readonly metadata: readonly FoundMetadata[]
  /** What is not known of it. */
  readonly missing: readonly Missing[]
}

/** What was found on this system. */
export interface Found {
  /** Ascending by pid. */
  readonly vms: readonly FoundVm[]
  /** What keeps VMs from being found. */
  readonly missing: readonly Missing[]
}
