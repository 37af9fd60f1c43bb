/** Found VMs, as objects. */

import type { FoundCell, FoundMapping, FoundVm } from '../../../executor/found/types.js'

export interface VmSpec {
  readonly name: string
  readonly pid?: number
  /** cpulist of each vCPU. */
  readonly cpus: readonly string[]
  /** Bytes on nodes, mapping by mapping. */
  readonly memory: readonly {
    readonly bytes: number
    readonly resident: Readonly<Record<number, number>>
    readonly cell?: number
    readonly pageSize?: number
    readonly policy?: string
  }[]
  readonly cells?: readonly FoundCell[]
  readonly load?: number
}

export function vmOf({ name, pid = 100, cpus, memory, cells = [], load = 0.5 }: VmSpec): FoundVm {
  const thread = (tid: number, list: string) => ({ tid, name: `t${tid}`, cpus: list, lastCpu: 0, load, cgroup: 0 })
  return {
    name: { value: name, source: 'arguments' },
    vmm: { value: 'qemu', source: 'program-name' },
    accelerator: { value: 'kvm', source: 'kernel' },
    pid,
    startTime: 1,
    uid: 0,
    vcpuCount: { value: cpus.length, source: 'kernel' },
    vcpus: cpus.map((list, vcpu) => ({ ...thread(pid + 1 + vcpu, list), vcpu, source: 'thread-name' })),
    iothreads: [],
    emulator: [thread(pid, '0-7')],
    unknownThreads: [],
    memory: { value: memory.reduce((sum, { bytes }) => sum + bytes, 0), source: 'arguments' },
    mappings: memory.map(
      ({ bytes, resident, cell = null, pageSize = 4096, policy = 'default' }, at): FoundMapping => ({
        start: 2 ** 40 * (at + 1),
        bytes,
        policy,
        pageSize,
        resident: Object.entries(resident).map(([node, own]) => ({ node: Number(node), bytes: own })),
        file: null,
        shared: false,
        backend: null,
        cell,
        source: 'size',
      }),
    ),
    cells: { value: cells, source: 'arguments' },
    cgroups: [{ path: '/', version: 2, cpus: '0-7', mems: '0-1', threads: cpus.length + 1 }],
    manager: null,
    metadata: [],
    missing: [],
  }
}
